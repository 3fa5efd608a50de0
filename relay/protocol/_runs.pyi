from relay.protocol.runs import Received, Run

def find(
    run_type: type[Run], max_run_bytes: int, data: Received, position: int, max_message_bytes: int, /
) -> tuple[list[Run], int]: ...

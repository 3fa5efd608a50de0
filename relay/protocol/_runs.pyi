from relay.protocol.runs import Received

def find(
    data: Received, position: int, max_message_bytes: int, max_run_bytes: int, /
) -> tuple[int, int, int, int, bytes, int] | None: ...

"""The ``relay`` command, and ``python -m relay``.

A relay's hosts wait for its start after a restart, and most of that is imports. What they make lives as long
as the process, so that the garbage collector looks through it in vain: without it a start takes a sixth less.
"""

import gc


def main() -> None:
    """Entry point of the ``relay`` command."""
    gc.disable()
    from relay.cli import main as run  # only now: this is what takes long

    gc.freeze()
    gc.enable()
    run()


if __name__ == "__main__":
    main()

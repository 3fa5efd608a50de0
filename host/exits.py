"""How the program ends, for those that start it again (`host.cli` has them all)."""

from typing import Final

EXIT_LEFT: Final = 3
"""The session ended, and something could not be removed: not to be started before the computer is."""
EXIT_AGAIN: Final = 75
"""To be started again at once: there is a desktop now."""

"""The system that the Dashboard tells of; chosen once.

Both have the same functions in `facts`, `inventory`, `services` and `events`, whose words are in the modules
of these names here.
"""

import sys

if sys.platform == "win32":
    from host.windows import events, facts, inventory, services
else:
    from host.dashboard import events, facts, inventory, services

__all__ = ["events", "facts", "inventory", "services"]

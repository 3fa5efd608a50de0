"""The system that the File Manager works on, by open folders and single names; chosen once.

Both rooms have the same functions, whose words are in `host.files.posix`.
"""

import sys

if sys.platform == "win32":
    from host.windows import disk as system
else:
    from host.files import posix as system

__all__ = ["system"]

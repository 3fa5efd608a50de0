"""The File Manager's end on the customer's computer: `serve_files` answers one `files` stream."""

import sys

if sys.platform == "win32":
    from host.windows.files import Places, serve_files
else:
    from host.files.places import Places
    from host.files.service import serve_files

__all__ = ["Places", "serve_files"]

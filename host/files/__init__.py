"""The File Manager's end on the customer's computer: `serve_files` answers one `files` stream."""

from host.files.places import Places
from host.files.service import serve_files

__all__ = ["Places", "serve_files"]

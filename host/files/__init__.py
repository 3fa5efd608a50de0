"""The File Manager's end on the customer's computer: `serve_files` answers one `files` stream."""

from host.files.service import serve_files

__all__ = ["serve_files"]

"""The File Manager from the technician's side: `FilesClient` asks one stream, `transfers` moves files."""

from technician.files.client import Entry, FilesClient, RemoteFile

__all__ = ["Entry", "FilesClient", "RemoteFile"]

"""Remote Control on the host: an RFB 3.8 server over any byte stream, and the desktop behind it.

`serve_rfb` speaks the protocol (RFC 6143 and the community's extensions, rfbproto) to one viewer;
`open_desktop` gives it an X11 desktop to show and to type into. There is no RFB authentication and no
socket here: the sealed stream below has proven both sides already.
"""

from host.remote_control.desktop import Clipping, Cursor, Desktop
from host.remote_control.errors import DesktopUnavailable, RfbProtocolError
from host.remote_control.server import serve_rfb
from host.remote_control.settings import RfbSettings
from host.remote_control.stream import ByteStream

__all__ = [
    "ByteStream",
    "Clipping",
    "Cursor",
    "Desktop",
    "DesktopUnavailable",
    "RfbProtocolError",
    "RfbSettings",
    "serve_rfb",
]

"""What can go wrong in Remote Control, seen from the program that offers it."""

from relay.protocol.errors import RemoteProtocolError


class RfbProtocolError(RemoteProtocolError):
    """The viewer sent something RFB does not allow, or more of it than we take."""


class DesktopUnavailable(Exception):
    """There is no desktop to show (any more): `str(error)` says why in one sentence."""

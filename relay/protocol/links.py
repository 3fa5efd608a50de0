"""The deployment link: ``ORIGIN/d/INVITE#SECRET.PASSWORD`` (docs/protocol.md §7).

INVITE names the session at the relay. Everything after ``#`` stays in the customer's browser: browsers do
not send it. SECRET (the invite secret) and the security code together pair host and viewer; PASSWORD is the
access password, so that the customer never types it.

The origin becomes part of what both sides prove to each other, so it has one spelling only: the one that a
browser gives as ``location.origin``. `web/src/protocol/links.ts` reads by the same grammar.
"""

import base64
import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote_to_bytes

from relay.protocol.codes import CodeError, normalise_access_password
from relay.protocol.hidden import SecretBytes

INVITE_BYTES = 16
SECRET_BYTES = 16
MAX_LINK_CHARACTERS = 2048  # more than any valid link; longer ones break in mail programs anyway

_LINK = re.compile(r"([^/?#]+://[^/?#]*)/d/([A-Za-z0-9_-]{22})#([A-Za-z0-9_-]{22})\.(.+)", re.ASCII)
_ORIGIN = re.compile(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?", re.ASCII | re.IGNORECASE)
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_FRAGMENT = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})+", re.ASCII)  # RFC 3986 §3.5
_DEFAULT_PORTS = {"http": 80, "https": 443}


class LinkError(ValueError):
    """The text is no deployment link of ours; `str(error)` is one sentence for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentLink:
    """What a deployment link says. Its `repr` hides what must not be seen.

    Attributes:
        origin: of the relay, as browsers spell it: ``https://relay.example`` or with ``:port``.
        invite: 16 bytes, names the session at the relay.
        secret: 16 bytes, never sent to the relay.
        access_password: NFC, never sent to the relay by a host.
    """

    origin: str
    invite: bytes = field(repr=False)
    secret: SecretBytes = field(repr=False)
    access_password: str = field(repr=False)

    def url(self) -> str:
        """The link as text; `parse_deployment_link` gives back an equal object."""
        password = quote(self.access_password, safe="")
        return f"{self.origin}/d/{encode_base64url(self.invite)}#{encode_base64url(self.secret)}.{password}"


def parse_deployment_link(text: str, *, allow_insecure: bool = False) -> DeploymentLink:
    """Reads a deployment link from anywhere.

    Args:
        text: of any length and content; white space around it is ignored.
        allow_insecure: accept ``http`` for hosts other than this computer (tests, private networks).

    Raises:
        LinkError: it is no such link, or not a safe one.
    """
    text = text.strip()
    if len(text) > MAX_LINK_CHARACTERS:
        raise LinkError("This is too long to be a deployment link.")
    match = _LINK.fullmatch(text)
    if match is None:
        raise LinkError("This is not a deployment link; please copy all of it.")
    origin, invite, secret, fragment = match.groups()
    return DeploymentLink(
        origin=parse_origin(origin, allow_insecure=allow_insecure),
        invite=decode_base64url(invite, INVITE_BYTES),
        secret=SecretBytes(decode_base64url(secret, SECRET_BYTES)),
        access_password=_parse_password(fragment),
    )


def parse_origin(text: str, *, allow_insecure: bool = False) -> str:
    """The one spelling of a relay's origin: lower case, no default port, nothing behind it.

    Raises:
        LinkError: it is no origin, names a user, has an impossible host or port, or is not encrypted.
    """
    match = _ORIGIN.fullmatch(text)
    if match is None:
        raise LinkError("The link's address is not one of a relay.")
    scheme, host = match[1].lower(), match[2].lower()
    host, is_loopback = _check_host(host)
    if scheme == "http" and not (is_loopback or allow_insecure):
        raise LinkError("The link must begin with https.")
    port = _DEFAULT_PORTS[scheme] if match[3] is None else int(match[3])
    if match[3] is not None and (str(port) != match[3] or not 1 <= port <= 65535):
        raise LinkError("The link's port is not possible.")
    return f"{scheme}://{host}" if port == _DEFAULT_PORTS[scheme] else f"{scheme}://{host}:{port}"


def encode_base64url(data: bytes) -> str:
    """RFC 4648 §5, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode_base64url(text: str, size: int) -> bytes:
    """Reads exactly `size` bytes of unpadded base64url in their one spelling (RFC 4648 §3.5).

    Raises:
        LinkError: any other text.
    """
    try:
        data = base64.b64decode(text.encode() + b"=" * (-len(text) % 4), b"-_", validate=True)
    except ValueError:
        data = b""
    if len(data) != size or encode_base64url(data) != text:
        raise LinkError("The link is damaged; please copy all of it.")
    return data


def _check_host(host: str) -> tuple[str, bool]:
    """The host in its one spelling, and whether it is this computer."""
    try:
        if host.startswith("["):
            v6 = ipaddress.IPv6Address(host[1:-1])
            if v6.ipv4_mapped is not None:
                raise LinkError("The link's address is not one of a relay.")
            return f"[{v6.compressed}]", v6.is_loopback
        if host.rpartition(".")[2].isdigit():
            v4 = ipaddress.IPv4Address(host)
            return str(v4), v4.is_loopback
    except ipaddress.AddressValueError as exc:
        raise LinkError("The link's address is not one of a relay.") from exc
    labels = host.split(".")
    # A browser would read 0x7f.1 as an address, so a last label that begins like a number is refused.
    if len(host) > 253 or labels[-1][:1].isdigit() or not all(_LABEL.fullmatch(label) for label in labels):
        raise LinkError("The link's address is not one of a relay.")
    return host, host == "localhost" or host.endswith(".localhost")


def _parse_password(fragment: str) -> str:
    if _FRAGMENT.fullmatch(fragment) is None:
        raise LinkError("The link is damaged; please copy all of it.")
    try:
        return normalise_access_password(unquote_to_bytes(fragment).decode())
    except CodeError as exc:
        raise LinkError("The link's access password cannot be used.") from exc
    except UnicodeDecodeError as exc:
        raise LinkError("The link is damaged; please copy all of it.") from exc

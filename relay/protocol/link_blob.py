"""The place in a downloaded host file that carries one customer's deployment link (docs/protocol.md §7).

The relay serves one file for all customers. In it is a *link blob*, empty; the customer's browser writes the
link into it before it saves the file, so that what stands in the link's fragment never reaches the relay:

    marker   16 bytes  ``ADHOC-LINK-BLOB1``
    length   u16 LE    of the text, at most 2048; 0 means that nobody has written a link yet
    text     UTF-8     the whole deployment link
    zeros              to the end of the region

The region is the file's last 2304 bytes, or a smaller one inside the signature of a signed file. No signature
and no hash covers it, whoever has the file can change it, and so what is read from it is untrusted: this
module says whether there is a text, `relay.protocol.links` whether that is a link.
`web/src/protocol/linkBlob.ts` writes by the same rules.
"""

from typing import Final

from relay.protocol.errors import LocalProtocolError
from relay.protocol.links import MAX_LINK_CHARACTERS, LinkError

MARKER: Final = b"ADHOC-LINK-BLOB1"
HEADER_BYTES: Final = len(MARKER) + 2
BLOB_BYTES: Final = 2304  # of the region at the end of a file: the longest link, and room to spare
TAIL_BYTES: Final = 64 * 1024  # in so many bytes at the end of its own file a host looks for the marker
MAX_TEXT_BYTES: Final = MAX_LINK_CHARACTERS


def make_empty_blob(size: int = BLOB_BYTES) -> bytes:
    """A region of `size` bytes without a link.

    Raises:
        LocalProtocolError: `size` is not from `HEADER_BYTES` + 1 to `BLOB_BYTES`.
    """
    if not HEADER_BYTES < size <= BLOB_BYTES:
        raise LocalProtocolError(f"A link blob of {size} bytes cannot be made.")
    return MARKER.ljust(size, b"\0")


def write_link(region: bytes, text: str) -> bytes:
    """The region of the same size that carries `text`; an empty text empties it.

    Args:
        region: as it is in the file, with or without a link. Of any content: it may come from anywhere.

    Raises:
        LinkError: it is no such region, or `text` does not fit, or could not be found again.
    """
    if not region.startswith(MARKER) or not HEADER_BYTES < len(region) <= BLOB_BYTES:
        raise LinkError("This file has no place for a deployment link.")
    try:
        data = text.encode()
    except UnicodeEncodeError as exc:
        raise LinkError("The deployment link has characters that no text has.") from exc
    if len(data) > min(MAX_TEXT_BYTES, len(region) - HEADER_BYTES):
        raise LinkError("The deployment link is too long for this file.")
    if MARKER in data:  # a reader takes the last marker
        raise LinkError("The deployment link has what marks its place in the file.")
    return (MARKER + len(data).to_bytes(2, "little") + data).ljust(len(region), b"\0")


def find_blob(tail: bytes) -> int | None:
    """Where in `tail` the last region begins; None if there is none.

    Args:
        tail: the end of a file, as a rule its last `TAIL_BYTES`.
    """
    at = tail.rfind(MARKER)
    return None if at < 0 else at


def read_link(tail: bytes) -> str:
    """The text in the last region of `tail`, empty if none was written.

    Args:
        tail: the end of a file, as a rule its last `TAIL_BYTES`; of any content.

    Raises:
        LinkError: there is no region, or what is in it is no text, or ends too early.
    """
    at = find_blob(tail)
    if at is None:
        raise LinkError("This file is not complete; please download it again.")
    header, text = tail[at : at + HEADER_BYTES], tail[at + HEADER_BYTES :]
    size = int.from_bytes(header[len(MARKER) :], "little")
    if len(header) < HEADER_BYTES or size > min(MAX_TEXT_BYTES, len(text)):
        raise LinkError("The link in this file is damaged; please download it again.")
    try:
        return text[:size].decode()
    except UnicodeDecodeError as exc:
        raise LinkError("The link in this file is damaged; please download it again.") from exc

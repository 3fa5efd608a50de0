"""What counts as one e-mail address, in the settings, in the API and in the mail that is sent.

Stricter than RFC 5321 on purpose: quoted local parts, comments, address literals and display names are all
legal there, never needed by a person, and each has been used to smuggle a second recipient past a check.
"""

import re

MAX_ADDRESS_LENGTH = 254
"""RFC 5321 §4.5.3.1.3: a path is at most 256 octets with its angle brackets."""
MAX_LOCAL_PART_LENGTH = 64
"""RFC 5321 §4.5.3.1.1."""

_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def parse_address(text: str) -> str:
    """The one e-mail address that `text` is, with its domain in lower case and in its ASCII form (IDNA).

    Args:
        text: what somebody typed; untrusted. Blanks around it are forgiven, nothing else is.

    Raises:
        ValueError: it is not exactly one address; the message is a sentence for a person.
    """
    # Only blanks, not str.strip(): a line break at either end is an attempt at a header, not a slip.
    address = text.strip(" ")
    local, at, domain = address.rpartition("@")
    if not at or not local or not domain:
        raise ValueError("This is not an e-mail address: it needs a name, an @ and a domain.")
    if len(address) > MAX_ADDRESS_LENGTH or len(local) > MAX_LOCAL_PART_LENGTH:
        raise ValueError("This e-mail address is too long.")
    if not _LOCAL_PART.fullmatch(local):
        raise ValueError(
            "Only one e-mail address is allowed, with plain letters, digits and . _ + - before the @."
        )
    try:
        ascii_domain = domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        ascii_domain = ""
    if len(local) + 1 + len(ascii_domain) > MAX_ADDRESS_LENGTH:
        raise ValueError("This e-mail address is too long.")
    if not ascii_domain or not all(_LABEL.fullmatch(label) for label in ascii_domain.split(".")):
        raise ValueError("The part after the @ is not the name of a domain.")
    return f"{local}@{ascii_domain}"

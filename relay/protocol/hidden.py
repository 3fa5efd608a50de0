"""Byte strings that never print themselves: keys, secrets and codes end up in no log or traceback."""


class SecretBytes(bytes):
    """Bytes whose `repr`, `str` and format show only their length; everything else is `bytes`."""

    def __repr__(self) -> str:
        return f"<{len(self)} secret bytes>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

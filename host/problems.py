"""How a tool says that something could not be done: a word for programs, a detail for people."""

import errno
from typing import Final

CODES: Final = {
    errno.ENOENT: "missing",
    errno.ENOTDIR: "missing",
    errno.EACCES: "denied",
    errno.EPERM: "denied",
    errno.EROFS: "denied",
    errno.ELOOP: "outside",
    errno.EXDEV: "other_disk",
    errno.EEXIST: "exists",
    errno.ENOTEMPTY: "not_empty",
    errno.EISDIR: "is_folder",
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
    errno.EFBIG: "too_large",
    errno.ENAMETOOLONG: "bad_name",
    errno.EINVAL: "bad_name",
    errno.EILSEQ: "bad_name",
    errno.EMFILE: "busy",
    errno.ENFILE: "busy",
    errno.EBUSY: "busy",
    errno.ETXTBSY: "busy",
    errno.EIO: "broken",
}


class RequestProblem(Exception):
    """One request could not be done; the stream and the other requests go on.

    Attributes:
        code: one word, docs/protocol.md §8.
        detail: what exactly, for people; may name a path of this computer.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


def problem_of(error: OSError) -> RequestProblem:
    """What the system said, in the protocol's words."""
    return RequestProblem(CODES.get(error.errno or 0, "failed"), error.strerror or "")

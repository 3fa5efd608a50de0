"""What Windows' error numbers mean in the words of errno(3), and for people. Pure.

Python's own table knows fewer and says "denied" where a file is in use, which is another matter: that one can
be closed.
"""

import errno
import os
from typing import Final

ERRNOS: Final = {
    2: errno.ENOENT,  # ERROR_FILE_NOT_FOUND
    3: errno.ENOENT,  # ERROR_PATH_NOT_FOUND
    4: errno.EMFILE,  # ERROR_TOO_MANY_OPEN_FILES
    5: errno.EACCES,  # ERROR_ACCESS_DENIED
    6: errno.EBADF,  # ERROR_INVALID_HANDLE
    8: errno.ENOMEM,  # ERROR_NOT_ENOUGH_MEMORY
    15: errno.ENOENT,  # ERROR_INVALID_DRIVE
    17: errno.EXDEV,  # ERROR_NOT_SAME_DEVICE
    19: errno.EROFS,  # ERROR_WRITE_PROTECT
    21: errno.ENODEV,  # ERROR_NOT_READY: no disk in the drive
    23: errno.EIO,  # ERROR_CRC
    32: errno.EBUSY,  # ERROR_SHARING_VIOLATION
    33: errno.EBUSY,  # ERROR_LOCK_VIOLATION
    39: errno.ENOSPC,  # ERROR_HANDLE_DISK_FULL
    50: errno.EOPNOTSUPP,  # ERROR_NOT_SUPPORTED
    53: errno.ENOENT,  # ERROR_BAD_NETPATH
    64: errno.EIO,  # ERROR_NETNAME_DELETED
    65: errno.EACCES,  # ERROR_NETWORK_ACCESS_DENIED
    67: errno.ENOENT,  # ERROR_BAD_NET_NAME
    80: errno.EEXIST,  # ERROR_FILE_EXISTS
    87: errno.EINVAL,  # ERROR_INVALID_PARAMETER
    110: errno.EACCES,  # ERROR_OPEN_FAILED
    112: errno.ENOSPC,  # ERROR_DISK_FULL
    123: errno.EINVAL,  # ERROR_INVALID_NAME
    145: errno.ENOTEMPTY,  # ERROR_DIR_NOT_EMPTY
    161: errno.EINVAL,  # ERROR_BAD_PATHNAME
    170: errno.EBUSY,  # ERROR_BUSY
    183: errno.EEXIST,  # ERROR_ALREADY_EXISTS
    206: errno.ENAMETOOLONG,  # ERROR_FILENAME_EXCED_RANGE
    223: errno.EFBIG,  # ERROR_FILE_TOO_LARGE
    225: errno.EACCES,  # ERROR_VIRUS_INFECTED
    267: errno.ENOTDIR,  # ERROR_DIRECTORY
    303: errno.EBUSY,  # ERROR_DELETE_PENDING
    336: errno.EISDIR,  # ERROR_DIRECTORY_NOT_SUPPORTED
    362: errno.EIO,  # ERROR_CLOUD_FILE_PROVIDER_NOT_RUNNING
    1117: errno.EIO,  # ERROR_IO_DEVICE
    1224: errno.EBUSY,  # ERROR_USER_MAPPED_FILE
    1295: errno.EDQUOT,  # ERROR_DISK_QUOTA_EXCEEDED
    1314: errno.EPERM,  # ERROR_PRIVILEGE_NOT_HELD
    1392: errno.EIO,  # ERROR_FILE_CORRUPT
    1920: errno.EACCES,  # ERROR_CANT_ACCESS_FILE
    1921: errno.ELOOP,  # ERROR_CANT_RESOLVE_FILENAME
    4390: errno.EINVAL,  # ERROR_NOT_A_REPARSE_POINT
    4393: errno.ELOOP,  # ERROR_REPARSE_TAG_INVALID
}

_SENTENCES: Final = {
    21: "There is no disk in the drive.",
    32: "Another program has this file open.",
    33: "Another program has locked a part of this file.",
    225: "The virus scanner does not allow it.",
    303: "It is being deleted; a program still has it open.",
    362: "The cloud program that has this file does not run.",
    1224: "Another program has this file open.",
    1314: "This needs rights that the customer's account does not have.",
}


def error_of(code: int) -> OSError:
    """The error for a number of GetLastError, without `winerror`, so that Python keeps the errno."""
    number = ERRNOS.get(code, errno.EIO)
    return OSError(number, _SENTENCES.get(code, os.strerror(number)))

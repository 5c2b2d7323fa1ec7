"""What a driver refuses, as an error that names path, request and errno.

The one rule: every OSError of a device leaves this package as a DeviceError, whose `code` on the
wire follows from the errno. Numbers are Linux's (asm-generic/errno-base.h, errno.h), the same on
every architecture where they are below 35, and written here because MicroPython's `errno` has 22.
"""

from agent.errors import LimpetError

EINTR = 4
EIO = 5
EAGAIN = 11

# number: (name, code on the wire, what it means of a device)
_ERRORS = {
    1: ("EPERM", "denied", "not permitted"),
    2: ("ENOENT", "unavailable", "no such device file"),
    4: ("EINTR", "failed", "interrupted; it may have taken effect in part"),
    5: ("EIO", "failed", "input or output failed"),
    6: ("ENXIO", "unavailable", "no such device, or no medium in it"),
    9: ("EBADF", "failed", "the device is closed, or not open for this"),
    11: ("EAGAIN", "busy", "not ready now"),
    12: ("ENOMEM", "failed", "no memory, or a block longer than the buffer"),
    13: ("EACCES", "denied", "no permission, or write-protected"),
    14: ("EFAULT", "failed", "a bad address"),
    16: ("EBUSY", "busy", "in use by somebody else"),
    19: ("ENODEV", "unavailable", "the device is gone, or has no driver"),
    20: ("ENOTDIR", "unavailable", "no such device file"),
    21: ("EISDIR", "bad-params", "a folder, not a device"),
    22: ("EINVAL", "bad-params", "the driver refuses the argument"),
    24: ("EMFILE", "busy", "too many files are open"),
    25: ("ENOTTY", "bad-params", "the device does not know this request"),
    28: ("ENOSPC", "failed", "the medium is full"),
    30: ("EROFS", "denied", "write-protected"),
    38: ("ENOSYS", "unavailable", "the driver cannot do this"),
    61: ("ENODATA", "failed", "no data"),
    71: ("EPROTO", "failed", "the device broke the protocol"),
    75: ("EOVERFLOW", "failed", "a value is too large"),
    95: ("EOPNOTSUPP", "unavailable", "the driver cannot do this"),
    110: ("ETIMEDOUT", "failed", "the device did not answer in time"),
    121: ("EREMOTEIO", "unavailable", "nothing answers at this address"),
    123: ("ENOMEDIUM", "unavailable", "no medium in the device"),
    124: ("EMEDIUMTYPE", "failed", "the wrong kind of medium"),
}


class DeviceError(LimpetError):
    """A device or its driver refused. `data`: path, errno, name; the request where it was one.

    `errno` is None where the refusal is ours.
    """

    code = "failed"

    def __init__(self, message, code="failed", data=None):
        super().__init__(message, data)
        self.code = code
        self.errno = data.get("errno") if data else None


def name_of(number):
    """The name of an errno, or its number as text."""
    return _ERRORS[number][0] if number in _ERRORS else str(number)


def os_error(number):
    """What a driver raises; CPython's OSError has an errno only if it also has a text."""
    return OSError(number, name_of(number))


def from_os(error, path, doing, request=None):
    """The DeviceError for an OSError met while `doing` something with `path`.

    `request` is what `requests.describe` gave, where it was an ioctl.
    """
    number = error.errno
    name, code, meaning = _ERRORS.get(number, (str(number), "failed", "the driver refuses"))
    data = {"path": path, "errno": number, "name": name}
    if request:
        data["request"] = request
    return DeviceError("%s: %s: %s (%s)" % (path, doing, meaning, name), code, data)


def refusal(path, text, code="bad-params"):
    """A DeviceError of our own about `path`."""
    return DeviceError("%s: %s" % (path, text), code, {"path": path})

"""Parameters that several device families share.

The one rule: what they mean is the same everywhere.
"""

from binascii import a2b_base64, b2a_base64

from agent import schema
from agent.errors import BadParams

MAX_DATA = 16384  # bytes that a request or an answer carries


def path(about="the device file, /dev/..."):
    """A device file, by its path."""
    return schema.text("path", low=1, high=64, about=about)


def byte_list(name, low, high, about="bytes, as numbers"):
    """Bytes as a list of numbers, [] by default where there may be none."""
    byte = schema.integer("byte", low=0, high=255)
    if low:
        return schema.sequence(name, byte, low=low, high=high, about=about)
    return schema.sequence(name, byte, [], high=high, about=about)


def stall_ms():
    """What a caller accepts where a call stops the whole agent."""
    return schema.integer(
        "stall_ms",
        None,
        low=1,
        high=600000,
        unit="ms",
        about="how long the agent may be out of reach, where this call would stop all of it",
    )


def encoded(data):
    """Bytes as base64 text for an answer."""
    return b2a_base64(data).decode().strip()


def decoded(text, name):
    """The bytes of base64 text. Raises BadParams naming the parameter."""
    try:
        return a2b_base64(text)
    except ValueError:
        raise BadParams("%s: expected base64" % name)

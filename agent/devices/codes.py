"""Request codes of ioctl: built and taken apart for every Linux layout.

A code holds a direction, a type (one byte, mostly a letter), a number (one byte) and the size of
its argument; include/uapi/asm-generic/ioctl.h and the asm/ioctl.h of alpha, mips, powerpc, sparc
and parisc say where. The one rule: what does not fit a field raises; nothing is cut off. Pure: it
calls nothing.
"""

from collections import namedtuple

# size_bits  width of the size; the direction is in the bits above it, up to bit 31
# none, read, write: the direction's values; read is from the kernel to the program
Layout = namedtuple("Layout", ("name", "size_bits", "none", "read", "write"))

# direction  'none', 'read', 'write' or 'both'; 'legacy' for a bare number that has no direction
# kind       0-255
# number     0-255
# size       bytes
Code = namedtuple("Code", ("direction", "kind", "number", "size"))

GENERIC = Layout("generic", 14, 0, 2, 1)
MIPS = Layout("mips", 13, 1, 2, 4)
PARISC = Layout("parisc", 14, 0, 1, 2)
LAYOUTS = (GENERIC, MIPS, PARISC)

# What `uname -m` begins with, where it is not the generic layout.
_MACHINES = (
    ("alpha", MIPS),
    ("mips", MIPS),
    ("ppc", MIPS),
    ("powerpc", MIPS),
    ("sparc", MIPS),
    ("parisc", PARISC),
)

_SIZE_SHIFT = 16
DIRECTIONS = ("none", "read", "write", "both")


def layout_of(machine):
    """The layout of a machine, named as `uname -m` does."""
    for start, layout in _MACHINES:
        if machine.startswith(start):
            return layout
    return GENERIC


def largest_size(layout):
    """The largest argument in bytes: 16383, or 8191 where three bits are the direction's."""
    return (1 << layout.size_bits) - 1


def build(layout, direction, kind, number, size):
    """The code of a request. Raises ValueError for what does not fit, TypeError for no integer."""
    return (
        _direction_bits(layout, direction) << (_SIZE_SHIFT + layout.size_bits)
        | _within("size", size, largest_size(layout)) << _SIZE_SHIFT
        | _kind_byte(kind) << 8
        | _within("number", number, 255)
    )


def take_apart(layout, request):
    """The Code that `request` is made of. Raises ValueError if it has more than 32 bits."""
    _within("request", request, 0xFFFFFFFF)
    direction = request >> (_SIZE_SHIFT + layout.size_bits)
    return Code(
        _direction_word(layout, direction),
        request >> 8 & 0xFF,
        request & 0xFF,
        request >> _SIZE_SHIFT & largest_size(layout),
    )


def kind_text(kind):
    """A type as header files write it: 'm' in quotes, or 0x12."""
    return "'%s'" % chr(kind) if 0x20 < kind < 0x7F else "0x%02x" % kind


def _direction_bits(layout, direction):
    bits = {
        "none": layout.none,
        "read": layout.read,
        "write": layout.write,
        "both": layout.read | layout.write,
    }
    if direction not in bits:
        raise ValueError("direction: expected %s, got %r" % (" or ".join(DIRECTIONS), direction))
    return bits[direction]


def _direction_word(layout, bits):
    words = {
        layout.none: "none",
        layout.read: "read",
        layout.write: "write",
        layout.read | layout.write: "both",
    }
    return words.get(bits, "legacy")


def _kind_byte(kind):
    if isinstance(kind, str):
        if len(kind) != 1:
            raise ValueError("type: expected one character, got %d" % len(kind))
        kind = ord(kind)
    return _within("type", kind, 255)


def _within(name, value, most):
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("%s: expected an integer, got %s" % (name, type(value).__name__))
    if not 0 <= value <= most:
        raise ValueError("%s: expected 0 to %d, got %d" % (name, most, value))
    return value

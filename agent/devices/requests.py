"""The requests that this agent knows by name, and the arguments they take.

The one rule: a request is a row here and nowhere else; its code for a machine is worked out from
the row. Sources are the headers named at each group. `describe` names any number, known or not,
for people. Pure: it calls nothing.
"""

from collections import namedtuple

from agent.devices import codes, layout

# number     the request's number; `span` of them in a row where the number carries an index
# argument   a declaration, a type, or None; an int is the size where the caller chooses one
# effect     'read': asks only, may be repeated; 'act': changes something; 'wait': may last long
Request = namedtuple(
    "Request", ("name", "direction", "kind", "number", "span", "argument", "effect")
)

CALLER_SIZE = 0  # the caller says how many bytes, as with EVIOCGNAME(len)

# linux/mtio.h
MTOP = (("mt_op", "s16"), ("mt_count", "s32"))
MTGET = (
    ("mt_type", "long"),
    ("mt_resid", "long"),
    ("mt_dsreg", "long"),
    ("mt_gstat", "long"),
    ("mt_erreg", "long"),
    ("mt_fileno", "s32"),
    ("mt_blkno", "s32"),
)
MTPOS = (("mt_blkno", "long"),)

# linux/input.h
INPUT_ID = (("bustype", "u16"), ("vendor", "u16"), ("product", "u16"), ("version", "u16"))
ABSINFO = (
    ("value", "s32"),
    ("minimum", "s32"),
    ("maximum", "s32"),
    ("fuzz", "s32"),
    ("flat", "s32"),
    ("resolution", "s32"),
)
_REPLAY = (("length", "u16"), ("delay", "u16"))
_TRIGGER = (("button", "u16"), ("interval", "u16"))
_ENVELOPE = (
    ("attack_length", "u16"),
    ("attack_level", "u16"),
    ("fade_length", "u16"),
    ("fade_level", "u16"),
)
_PERIODIC = (
    ("waveform", "u16"),
    ("period", "u16"),
    ("magnitude", "s16"),
    ("offset", "s16"),
    ("phase", "u16"),
    ("envelope", _ENVELOPE),
    ("custom_len", "u32"),
    ("custom_data", "ulong"),
)
FF_EFFECT = (
    ("type", "u16"),
    ("id", "s16"),
    ("direction", "u16"),
    ("trigger", _TRIGGER),
    ("replay", _REPLAY),
    ("periodic", _PERIODIC),  # of the union its largest member
)

# linux/watchdog.h, linux/rtc.h
WATCHDOG_INFO = (("options", "u32"), ("firmware_version", "u32"), ("identity", "char[32]"))
RTC_TIME = tuple(
    [
        ("tm_" + part, "s32")
        for part in ("sec", "min", "hour", "mday", "mon", "year", "wday", "yday", "isdst")
    ]
)

# linux/gpio.h, version 2
CHIP_INFO = (("name", "char[32]"), ("label", "char[32]"), ("lines", "u32"))
# The union in an attribute is u64 flags, u64 values or u32 debounce_period_us; the last takes the
# first four bytes, so that it has a declaration of its own where it is written.
ATTRIBUTE = (("id", "u32"), ("padding", "u32"), ("value", "u64"))
CONFIG_ATTRIBUTE = (("attr", ATTRIBUTE), ("mask", "u64"))
LINE_CONFIG = (
    ("flags", "u64"),
    ("num_attrs", "u32"),
    ("padding", "u32[5]"),
    ("attrs", (10, CONFIG_ATTRIBUTE)),
)
LINE_REQUEST = (
    ("offsets", "u32[64]"),
    ("consumer", "char[32]"),
    ("config", LINE_CONFIG),
    ("num_lines", "u32"),
    ("event_buffer_size", "u32"),
    ("padding", "u32[5]"),
    ("fd", "s32"),
)
LINE_VALUES = (("bits", "u64"), ("mask", "u64"))
LINE_INFO = (
    ("name", "char[32]"),
    ("consumer", "char[32]"),
    ("offset", "u32"),
    ("num_attrs", "u32"),
    ("flags", "u64"),
    ("attrs", (10, ATTRIBUTE)),
    ("padding", "u32[4]"),
)
LINE_EVENT = (
    ("timestamp_ns", "u64"),
    ("id", "u32"),
    ("offset", "u32"),
    ("seqno", "u32"),
    ("line_seqno", "u32"),
    ("padding", "u32[6]"),
)

# linux/i2c.h, linux/i2c-dev.h
I2C_MESSAGE = (("addr", "u16"), ("flags", "u16"), ("len", "u16"), ("buf", "pointer"))
I2C_MESSAGES = (("msgs", "pointer"), ("nmsgs", "u32"))
SMBUS = (("read_write", "u8"), ("command", "u8"), ("size", "u32"), ("data", "pointer"))

# asm-generic/termbits.h, linux/serial.h
TERMIOS2 = (
    ("c_iflag", "u32"),
    ("c_oflag", "u32"),
    ("c_cflag", "u32"),
    ("c_lflag", "u32"),
    ("c_line", "u8"),
    ("c_cc", "u8[19]"),
    ("c_ispeed", "u32"),
    ("c_ospeed", "u32"),
)
RS485 = (
    ("flags", "u32"),
    ("delay_rts_before_send", "u32"),
    ("delay_rts_after_send", "u32"),
    ("padding", "u32[5]"),
)

# linux/spi/spidev.h, one transfer to a message
SPI_TRANSFER = (
    ("tx_buf", "pointer64"),
    ("rx_buf", "pointer64"),
    ("len", "u32"),
    ("speed_hz", "u32"),
    ("delay_usecs", "u16"),
    ("bits_per_word", "u8"),
    ("cs_change", "u8"),
    ("tx_nbits", "u8"),
    ("rx_nbits", "u8"),
    ("word_delay_usecs", "u8"),
    ("pad", "u8"),
)

_MT, _EV, _WD, _RTC, _GPIO, _RND = (ord(letter) for letter in "mEWp\xb4R")

REQUESTS = tuple(
    [
        Request(*row)
        for row in (
            ("MTIOCTOP", "write", _MT, 1, 1, MTOP, "wait"),
            ("MTIOCGET", "read", _MT, 2, 1, MTGET, "read"),
            ("MTIOCPOS", "read", _MT, 3, 1, MTPOS, "read"),
            ("EVIOCGVERSION", "read", _EV, 0x01, 1, "s32", "read"),
            ("EVIOCGID", "read", _EV, 0x02, 1, INPUT_ID, "read"),
            ("EVIOCGNAME", "read", _EV, 0x06, 1, CALLER_SIZE, "read"),
            ("EVIOCGPHYS", "read", _EV, 0x07, 1, CALLER_SIZE, "read"),
            ("EVIOCGUNIQ", "read", _EV, 0x08, 1, CALLER_SIZE, "read"),
            ("EVIOCGPROP", "read", _EV, 0x09, 1, CALLER_SIZE, "read"),
            ("EVIOCGKEY", "read", _EV, 0x18, 1, CALLER_SIZE, "read"),
            ("EVIOCGLED", "read", _EV, 0x19, 1, CALLER_SIZE, "read"),
            ("EVIOCGSW", "read", _EV, 0x1B, 1, CALLER_SIZE, "read"),
            ("EVIOCGBIT", "read", _EV, 0x20, 0x20, CALLER_SIZE, "read"),
            ("EVIOCGABS", "read", _EV, 0x40, 0x40, ABSINFO, "read"),
            ("EVIOCSFF", "write", _EV, 0x80, 1, FF_EFFECT, "act"),
            ("EVIOCGRAB", "write", _EV, 0x90, 1, "s32", "act"),
            ("WDIOC_GETSUPPORT", "read", _WD, 0, 1, WATCHDOG_INFO, "read"),
            ("WDIOC_GETSTATUS", "read", _WD, 1, 1, "s32", "read"),
            ("WDIOC_GETBOOTSTATUS", "read", _WD, 2, 1, "s32", "read"),
            ("WDIOC_SETOPTIONS", "read", _WD, 4, 1, "s32", "act"),
            ("WDIOC_KEEPALIVE", "read", _WD, 5, 1, "s32", "act"),
            ("WDIOC_SETTIMEOUT", "both", _WD, 6, 1, "s32", "act"),
            ("WDIOC_GETTIMEOUT", "read", _WD, 7, 1, "s32", "read"),
            ("WDIOC_SETPRETIMEOUT", "both", _WD, 8, 1, "s32", "act"),
            ("WDIOC_GETPRETIMEOUT", "read", _WD, 9, 1, "s32", "read"),
            ("WDIOC_GETTIMELEFT", "read", _WD, 10, 1, "s32", "read"),
            ("RTC_RD_TIME", "read", _RTC, 0x09, 1, RTC_TIME, "read"),
            ("RTC_SET_TIME", "write", _RTC, 0x0A, 1, RTC_TIME, "act"),
            ("GPIO_GET_CHIPINFO", "read", _GPIO, 0x01, 1, CHIP_INFO, "read"),
            ("GPIO_V2_GET_LINEINFO", "both", _GPIO, 0x05, 1, LINE_INFO, "read"),
            ("GPIO_V2_GET_LINE", "both", _GPIO, 0x07, 1, LINE_REQUEST, "act"),
            ("GPIO_V2_LINE_SET_CONFIG", "both", _GPIO, 0x0D, 1, LINE_CONFIG, "act"),
            ("GPIO_V2_LINE_GET_VALUES", "both", _GPIO, 0x0E, 1, LINE_VALUES, "read"),
            ("GPIO_V2_LINE_SET_VALUES", "both", _GPIO, 0x0F, 1, LINE_VALUES, "act"),
            ("RNDGETENTCNT", "read", _RND, 0, 1, "s32", "read"),
            ("RNDADDTOENTCNT", "write", _RND, 1, 1, "s32", "act"),
            ("BLKRRPART", "none", 0x12, 95, 1, None, "wait"),
            ("FIFREEZE", "both", ord("X"), 119, 1, "s32", "wait"),
            ("FITHAW", "both", ord("X"), 120, 1, "s32", "wait"),
            ("HIDIOCGFEATURE", "both", ord("H"), 7, 1, CALLER_SIZE, "act"),
            ("LOOP_SET_FD", "legacy", 0x4C, 0x00, 1, None, "act"),
            ("I2C_SLAVE", "legacy", 0x07, 0x03, 1, None, "act"),
            ("I2C_FUNCS", "legacy", 0x07, 0x05, 1, "ulong", "read"),
            ("I2C_RDWR", "legacy", 0x07, 0x07, 1, I2C_MESSAGES, "act"),
            ("I2C_SMBUS", "legacy", 0x07, 0x20, 1, SMBUS, "act"),
            ("TCGETS", "legacy", 0x54, 0x01, 1, None, "read"),
            ("TCGETS2", "read", 0x54, 0x2A, 1, TERMIOS2, "read"),
            ("TCSETS2", "write", 0x54, 0x2B, 1, TERMIOS2, "act"),
            ("TCFLSH", "legacy", 0x54, 0x0B, 1, None, "act"),
            ("TIOCEXCL", "legacy", 0x54, 0x0C, 1, None, "act"),
            ("TIOCSBRK", "legacy", 0x54, 0x27, 1, None, "act"),
            ("TIOCCBRK", "legacy", 0x54, 0x28, 1, None, "act"),
            ("SPI_IOC_MESSAGE", "write", 0x6B, 0, 1, SPI_TRANSFER, "act"),
            ("SPI_IOC_RD_MODE32", "read", 0x6B, 5, 1, "u32", "read"),
            ("SPI_IOC_WR_MODE32", "write", 0x6B, 5, 1, "u32", "act"),
            ("TIOCGRS485", "legacy", 0x54, 0x2E, 1, RS485, "read"),
            ("TIOCSRS485", "legacy", 0x54, 0x2F, 1, RS485, "act"),
            ("SIOCGIFHWADDR", "legacy", 0x89, 0x27, 1, None, "read"),
        )
    ]
)


def find(name):
    """The Request called `name`. Raises LookupError."""
    for request in REQUESTS:
        if request.name == name:
            return request
    raise LookupError("%s: no request of this name is known here" % name)


def code_of(request, target, size=None, index=0):
    """The number of a request on `target`, a (codes.Layout, layout.Abi).

    `size` where the caller chooses it, `index` where the number carries one. Raises ValueError.
    """
    code_layout, abi = target
    if not 0 <= index < request.span:
        raise ValueError("%s: index: expected 0 to %d" % (request.name, request.span - 1))
    if request.direction == "legacy":
        return request.kind << 8 | request.number
    if request.argument == CALLER_SIZE:
        if size is None:
            raise ValueError("%s: size: missing; the caller chooses it" % request.name)
    else:
        size = 0 if request.argument is None else layout.size_of(request.argument, abi)
    number = request.number + index
    return codes.build(code_layout, request.direction, request.kind, number, size)


def look_up(number, target):
    """The Request that a number stands for on `target`, or None."""
    code_layout, abi = target
    code = codes.take_apart(code_layout, number)
    for request in REQUESTS:
        if request.kind != code.kind:
            continue
        index = code.number - request.number
        if 0 <= index < request.span and code_of(request, target, code.size, index) == number:
            return request
    return None


def describe(number, target):
    """What a number asks for, for people and for the wire: a dict of JSON."""
    code = codes.take_apart(target[0], number)
    known = look_up(number, target)
    return {
        "request": "0x%08x" % number,
        "name": known.name if known else None,
        "direction": known.direction if known else code.direction,
        "type": codes.kind_text(code.kind),
        "number": code.number,
        "size_bytes": code.size,
        "effect": known.effect if known else "unknown",
    }


def sentence(number, target):
    """A number in one line: `MTIOCGET (0x80306d02: read 'm' 2, 48 bytes)`."""
    words = describe(number, target)
    return "%s (%s: %s %s %d, %d bytes)" % (
        words["name"] or "an unknown request",
        words["request"],
        words["direction"],
        words["type"],
        words["number"],
        words["size_bytes"],
    )

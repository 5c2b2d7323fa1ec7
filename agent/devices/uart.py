"""Serial lines: set up as the other end has it, and bytes both ways.

Contract: `open(path, settings)` gives a Line that this process alone has, raw, what was received
before thrown away; settings that the line cannot have are refused, a speed it can only come near
(within 3 %) shows in `baud`. `read` and `write` never wait: b"" and 0 say "not yet"; an unplugged
adapter is `unavailable`. `set_break(on)` holds the line. Settings: baud, bits 5 to 8, parity
(none, even, odd), stop 1 or 2, flow (none, hardware, software), rs485 None or {rts_on_send,
before_ms, after_ms, receive_own, terminate}: then the driver switches the transmitter. Sources:
asm-generic/termbits.h and linux/serial.h; the few machines that number these otherwise are told.
"""

from agent.devices import codes, faults
from agent.errors import Unavailable

PARITIES = ("none", "even", "odd")
FLOWS = ("none", "hardware", "software")
DEFAULTS = {"baud": 9600, "bits": 8, "parity": "none", "stop": 1, "flow": "none", "rs485": None}
_CLASS = "class/tty"
_TOLERANCE = 33  # a speed may be off by a 33rd: more, and the last bit of a byte is missed

# c_cflag: any speed by number, receiver on, no modem lines; then what settings add
_BASE = 0x1000 | 0x80 | 0x800  # BOTHER, CREAD, CLOCAL
_PARITY = {"none": 0, "even": 0x100, "odd": 0x300}
_STOP_TWO, _RTSCTS = 0x40, 0x80000000
_IGNORE_BREAK, _XON_XOFF = 0x1, 0x1400  # c_iflag
_INPUT = 0  # of TCFLSH
# serial_rs485.flags
_RS485 = (("rts_on_send", 2), ("receive_own", 16), ("terminate", 32))
_ENABLED, _RTS_AFTER = 1, 4


def make(use):
    """The lines of this machine."""
    return Lines(use("ioctl"), use("sysfs"))


class Lines:
    """Opens lines by `transport`; `sysfs` knows which there are."""

    def __init__(self, transport, sysfs):
        self._transport = transport
        self._sysfs = sysfs
        # Paths that are open here. A superuser's second open is not kept out by the driver. Held
        # by whoever has put its own mark there, which `setdefault` does in one step.
        self._held = {}

    def lines(self):
        """Every line with hardware behind it: path, and the name of a USB adapter."""
        found = []
        for name in self._sysfs.names(_CLASS, "tty"):
            at = "%s/%s/" % (_CLASS, name)
            # A port that the driver only has room for has the type 0.
            if self._sysfs.names(at + "device") and self._sysfs.read(at + "type", "1") != "0":
                product = self._sysfs.read(at + "device/../../product", "")
                found.append({"path": "/dev/" + name, "name": product})
        return found

    def open(self, path, settings):
        """The Line at `path`. Raises DeviceError, or Unavailable on another machine's numbers."""
        if self._transport.target[0] is not codes.GENERIC:
            raise Unavailable("uart: this machine numbers its terminals in a way not known here")
        mark = object()
        if self._held.setdefault(path, mark) is not mark:
            raise faults.refusal(path, "another command has it", "busy")
        device = None
        try:
            device = self._transport.open(path, True)
            device.tell("TIOCEXCL", 0)
            line = Line(device, _set_up(device, settings), self._held)
            line.flush_input()
            return line
        except faults.DeviceError:
            if device is not None:
                device.close()
            del self._held[path]
            raise


def _set_up(device, settings):
    """Make the line what `settings` say; returns its speed."""
    told = device.ask("TCGETS2")
    flags = _BASE | (settings["bits"] - 5) << 4 | _PARITY[settings["parity"]]
    flags |= _STOP_TWO if settings["stop"] == 2 else 0
    flags |= _RTSCTS if settings["flow"] == "hardware" else 0
    told["c_cflag"] = flags
    told["c_iflag"] = _IGNORE_BREAK | (_XON_XOFF if settings["flow"] == "software" else 0)
    told["c_oflag"] = told["c_lflag"] = 0
    told["c_ispeed"] = told["c_ospeed"] = settings["baud"]
    device.tell("TCSETS2", told)
    if settings["rs485"]:
        device.tell("TIOCSRS485", _rs485(settings["rs485"]))
    now = device.ask("TCGETS2")
    if now["c_cflag"] & 0x30 != flags & 0x30:
        raise faults.refusal(device.path, "bits: the line cannot have %d" % settings["bits"])
    if abs(now["c_ospeed"] - settings["baud"]) * _TOLERANCE > settings["baud"]:
        words = (settings["baud"], now["c_ospeed"])
        raise faults.refusal(device.path, "baud %d: the line comes no nearer than %d" % words)
    return now["c_ospeed"]


def _rs485(wanted):
    flags = _ENABLED
    for name, bit in _RS485:
        flags |= bit if wanted[name] else 0
    if not wanted["rts_on_send"]:
        flags |= _RTS_AFTER
    return {
        "flags": flags,
        "delay_rts_before_send": wanted["before_ms"],
        "delay_rts_after_send": wanted["after_ms"],
    }


class Line:
    """An open line."""

    def __init__(self, device, baud, held):
        self.baud = baud
        self._device = device
        self._held = held

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def read(self, size):
        """At most `size` bytes that are there, b"" for none."""
        return self._device.read(size) or b""

    def write(self, data):
        """How many bytes of `data` the line took, 0 while it has no room."""
        return self._device.write(data) or 0

    def flush_input(self):
        """Throw away what was received and not read."""
        self._device.tell("TCFLSH", _INPUT)

    def set_break(self, on):
        """Hold the line in the break condition, or let it go."""
        self._device.tell("TIOCSBRK" if on else "TIOCCBRK", 0)

    def close(self):
        """Give the line back; a second time does nothing."""
        held, self._held = self._held, None
        if held is not None:
            del held[self._device.path]
            self._device.close()

"""An RP2040 with 2 MB of flash, in memory: it runs the very firmware that a board is given.

The one rule: time is the board's own. Where its processor waits, its clock jumps to what comes
next, so an hour of sleep costs nothing here; nothing depends on how fast this machine is. What is
in the flash when a board is given up, is what a power cut at that instruction would leave.

What rp2040py lacks: the second core, so no thread can be started. USB has no host here: the
console is what a script puts on UART 0 (`os.dupterm(machine.UART(0, 115200))`).
"""

import os
import struct
import time
from collections import deque

from littlefs import LittleFS, UserContext
from rp2040py.device.bootrom import BOOTROM_B1
from rp2040py.execute_batch import execute_batch
from rp2040py.simulator import Simulator
from rp2040py.utils.logging import ConsoleLogger, LogLevel

FLASH = 0x10000000
FLASH_BYTES = 2 << 20
BLOCK_BYTES = 4096  # what the flash erases at once, and littlefs' block
_PAGE_BYTES = 256
_UF2_BYTES = 512
_NEWLINE = 10

# The stack in the chip's memory, which begins at 0; firmware/rp2040/mpconfigboard.cmake says so.
_STACK_BOTTOM, _STACK_TOP = 0x3E000, 0x42000
_UNTOUCHED = b"\xa5"

# Instructions between two looks at the emulator's alarms; one that is due ends it earlier.
_BATCH = 256
# What a board may take of a processor's time here before it counts as hung, however busy that is.
PATIENCE_S = 600
BYTE_NS = 20_000  # of emulated time from one byte on a wire to the next: about 500,000 baud


class Hung(Exception):
    """The board did not come to what was waited for; the message ends with its console."""


class Wire:
    """One UART of the board: `take(byte)` is called with what it sends, `send` is what it gets.

    `bell` is a pin that goes up behind the last byte: a board that asks a UART whether anything
    is there wakes itself by asking (its driver's mutex sends an event), and would never sleep.
    """

    def __init__(self, simulator, uart, take, bell=None):
        self._uart = uart
        self._bell = bell
        self._waiting = deque()
        self._alarm = simulator.clock.create_alarm(self._feed)
        self._is_feeding = False
        uart.on_byte = take
        # The emulator says again and again that all has been sent, even where this has just been
        # acknowledged, and the board would do nothing but serve that interrupt.
        uart.check_interrupts = lambda: uart.rp2040.set_interrupt(
            uart.irq, bool(uart._interrupt_status & uart._interrupt_mask)
        )

    def send(self, data):
        """Let the board receive these bytes, one behind the other."""
        self._waiting += data
        if self._bell is not None:
            self._bell.set_input_value(False)
        if not self._is_feeding:
            self._is_feeding = True
            self._alarm.schedule(BYTE_NS)

    def _feed(self):
        if not self._uart.rx_fifo.full:
            self._uart.feed_byte(self._waiting.popleft())
        self._is_feeding = bool(self._waiting)
        if self._is_feeding:
            self._alarm.schedule(BYTE_NS)
        elif self._bell is not None:
            self._bell.set_input_value(True)


class Board:
    """From power on to power off. `flash` is all of it, as `image` or an earlier `flash` gives."""

    def __init__(self, flash):
        self._simulator = Simulator()
        self.chip = chip = self._simulator.rp2040
        chip.logger = ConsoleLogger(LogLevel.ERROR)
        chip.load_bootrom(BOOTROM_B1)
        chip.flash[:FLASH_BYTES] = flash
        self._pio, chip.pio = chip.pio, []  # nothing uses it, and it is asked at each instruction
        chip.watchdog.on_watchdog_trigger = self._reset
        chip.core.pc = FLASH
        chip.sram[_STACK_BOTTOM:_STACK_TOP] = _UNTOUCHED * (_STACK_TOP - _STACK_BOTTOM)
        self.console = bytearray()
        self.resets = 0
        self.wire(0, self._show)

    def wire(self, number, take, bell=None):
        """Connect a UART and the pin `bell`; returns its Wire."""
        pin = None if bell is None else self.chip.gpio[bell]
        return Wire(self._simulator, self.chip.uart[number], take, pin)

    def pause(self):
        """Have `run` ask its question before the next instruction."""
        self._simulator.stopped = True

    def _show(self, byte):
        self.console.append(byte)
        if byte == _NEWLINE:
            self.pause()

    @property
    def flash(self):
        """All of the flash as it is now."""
        return bytes(self.chip.flash[:FLASH_BYTES])

    @property
    def stack_bytes(self):
        """The most that the processor's stack has held since power on."""
        stack = bytes(self.chip.sram[_STACK_BOTTOM:_STACK_TOP])
        return len(stack.lstrip(_UNTOUCHED))

    @property
    def now_ms(self):
        """Milliseconds of the board's time since power on."""
        return self._simulator.clock.nanos / 1e6

    @property
    def text(self):
        """What the console has shown."""
        return self.console.decode("utf-8", "replace")

    def _reset(self):
        self.resets += 1
        self.chip.pio = self._pio
        self.chip.enter_reset(from_watchdog=True)
        self.chip.leave_reset()
        self.chip.pio = []
        self.pause()

    def run(self, until, most_s=3600):
        """Run until `until()` holds, asked at each line, at each reset and at each `pause`.

        Raises Hung after `most_s` of the board's seconds, or PATIENCE_S of a processor's here.
        """
        deadline = time.process_time() + PATIENCE_S
        last_ms = self.now_ms + most_s * 1000
        alarm = self._simulator.clock.create_alarm(self.pause)
        alarm.schedule(most_s * 1e9)
        while not until():
            if self.now_ms >= last_ms or time.process_time() > deadline:
                words = (self.now_ms / 1000, self.chip.core.pc, self.text[-3000:])
                raise Hung("after %.3f s, at %#x; its console:\n%s" % words)
            self._simulator.stopped = False
            execute_batch(self._simulator, _BATCH)
        alarm.cancel()

    def run_until(self, word, most_s=3600):
        """Run until the console has shown `word`; what it has shown since the call."""
        start = len(self.console)
        self.run(lambda: word in self.console[start:].decode("utf-8", "replace"), most_s)
        return self.console[start:].decode("utf-8", "replace")


def image(firmware, files, files_bytes):
    """All of a flash: the firmware, a UF2 file, and {path: bytes} in its last `files_bytes`."""
    flash = bytearray(b"\xff" * FLASH_BYTES)
    with open(firmware, "rb") as file:
        data = file.read()
    for at in range(0, len(data), _UF2_BYTES):
        address, size = struct.unpack_from("<II", data, at + 12)
        flash[address - FLASH : address - FLASH + size] = data[at + 32 : at + 32 + size]
    flash[-files_bytes:] = _formatted(files, files_bytes)
    return bytes(flash)


def _formatted(files, files_bytes):
    disk = _disk(UserContext(buffsize=files_bytes), files_bytes)
    disk.format()
    disk.mount()
    for path, content in files.items():
        folder = os.path.dirname(path)
        if folder:
            disk.makedirs(folder, exist_ok=True)
        with disk.open(path, "wb") as file:
            file.write(content)
    disk.unmount()
    return bytes(disk.context.buffer)


def _disk(context, files_bytes):
    return LittleFS(
        context=context,
        block_size=BLOCK_BYTES,
        block_count=files_bytes // BLOCK_BYTES,
        prog_size=_PAGE_BYTES,
        mount=False,
    )


def files_in(flash, files_bytes):
    """{path: bytes} of every file in a flash."""
    context = UserContext(buffsize=files_bytes)
    context.buffer[:] = flash[-files_bytes:]
    disk = _disk(context, files_bytes)
    disk.mount()
    found = {}
    for folder, _, names in disk.walk("/"):
        for name in names:
            path = folder.rstrip("/") + "/" + name
            with disk.open(path, "rb") as file:
                found[path] = file.read()
    disk.unmount()
    return found

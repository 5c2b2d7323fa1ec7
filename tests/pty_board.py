"""A stock MicroPython at a serial port: a board made of what every machine has.

The interpreter is the unix port, unchanged, with its own REPL. What a board has beside that is
made here: the port (a pseudo terminal, whose other end any serial program may open), the root of
the file system (littlefs, in a file that is the flash), `machine.reset`, boot.py and main.py at a
start, a soft reset by Ctrl-D. Its power may be cut at any byte: the process is killed.
"""

import fcntl
import os
import pty
import select
import signal
import subprocess
import termios
import threading
import time
import tty
from pathlib import Path

START = Path(__file__).resolve().parent / "pty_board_start.py"
BLOCK = 4096  # bytes; as there
LOOK_S = 0.05  # so often the relay looks whether it is to end
SHOWN = 20000  # bytes of its output that are kept


class PtyBoard:
    """`folder` holds the flash; `device` is what a serial program opens."""

    def __init__(self, interpreter, folder, blocks=640):
        self.interpreter, self.folder = interpreter, Path(folder)
        self.flash = self.folder / "flash.img"
        self.folder.mkdir(exist_ok=True)
        if not self.flash.exists():
            self.flash.write_bytes(b"\xff" * BLOCK * blocks)
        self._watchdog = self.folder / "watchdog"  # when it runs out, while it is armed
        self.starts = 0  # cold ones
        self.output = b""  # the last of what it said
        self.received = 0  # bytes that came to it
        self.cut_after = None  # how many may come until the power is cut
        self._plug_in()
        self._inner = self._process = None
        self._wants_raw = self._ended = False
        self._lock = threading.RLock()  # of all that is set here
        self._thread = threading.Thread(target=self._relay, daemon=True)
        self._thread.start()

    def _plug_in(self):
        self._outer, self._held = pty.openpty()  # held open: else reading ends with a user
        tty.setraw(self._held)
        self.device = os.ttyname(self._held)

    def power_on(self):
        """Give it power; its port may have another name then."""
        with self._lock:
            self._launch("cold")

    def power_off(self):
        """Take its power, at once: a port on USB goes with it."""
        with self._lock:
            if self._process is not None:
                self._process.send_signal(signal.SIGKILL)
                self._process.wait()
                os.close(self._inner)
                self._inner = self._process = None
                gone = self._outer, self._held
                self._plug_in()
                for descriptor in gone:
                    os.close(descriptor)

    def close(self):
        """Take it away."""
        self.power_off()
        self._ended = True
        self._thread.join()
        os.close(self._outer)
        os.close(self._held)

    def _launch(self, kind):
        self._inner, outer = pty.openpty()
        tty.setraw(outer)
        modes = termios.tcgetattr(outer)
        modes[3] |= termios.ISIG  # Ctrl-C, while a program runs
        termios.tcsetattr(outer, termios.TCSANOW, modes)
        self.starts += kind == "cold"
        if kind == "cold":  # a soft reset stops no watchdog
            self._watchdog.write_bytes(b"")
        self._wants_raw = kind == "soft"
        command = [self.interpreter, "-i", str(START), str(self.folder), kind]

        def become_owner():
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C is a signal

        self._process = subprocess.Popen(
            command, stdin=outer, stdout=outer, stderr=outer, start_new_session=True,
            preexec_fn=become_owner,
        )  # fmt: skip
        os.close(outer)

    def _relay(self):
        while not self._ended:
            with self._lock:
                inner, outer = self._inner, self._outer
            places = [outer] if inner is None else [outer, inner]
            try:
                ready = select.select(places, [], [], LOOK_S)[0]
            except OSError:  # closed meanwhile
                continue
            with self._lock:
                self._bite()
                if inner in ready and inner == self._inner:
                    self._from_board()
                if outer in ready and outer == self._outer:
                    self._to_board(os.read(self._outer, 256))

    def _bite(self):
        """Reset it where its watchdog has run out."""
        text = self._watchdog.read_bytes() if self._watchdog.exists() else b""
        if text and self._process is not None and time.time() > float(text):
            self._process.send_signal(signal.SIGKILL)

    def _to_board(self, data):
        if self._inner is None:
            return
        self.received += len(data)
        if self.cut_after is not None and self.received > self.cut_after:
            data = data[: max(0, len(data) - (self.received - self.cut_after))]
            os.write(self._inner, data)
            self.cut_after = None
            self.power_off()
            return
        os.write(self._inner, data)

    def _from_board(self):
        try:
            data = os.read(self._inner, 4096)
        except OSError:  # it ended
            data = b""
        if data:
            self.output = (self.output + data)[-SHOWN:]
            os.write(self._outer, data)
            if self._wants_raw and self.output.endswith(b">>> "):
                self._wants_raw = False
                os.write(self._inner, b"\x01")
            return
        status = self._process.wait()
        os.close(self._inner)
        if status == -signal.SIGTERM:  # it never came to be a board
            self._inner = self._process = None
            return
        if status == 0:  # Ctrl-D
            os.write(self._outer, b"MPY: soft reboot\r\n")
        self._launch("cold" if status else "soft")

"""A stock MicroPython at the other end of a serial line, reached through mpremote's transport.

The one rule: what is sent there is small, needs nothing but what every MicroPython has, and says
in its answer what is on the medium, never what was sent. A device is what pyserial opens: a port,
`socket://HOST:PORT`, `rfc2217://HOST:PORT`.
"""

import ast
import binascii
import os
import time
from collections import namedtuple

import serial
import serial.tools.list_ports
from mpremote.transport import TransportError, TransportExecError
from mpremote.transport_serial import SerialTransport

from .plan import BEFORE, NEW, READ, ROOT, Present, parents

OLDEST = (1, 25)
MPY_VERSION = 6  # of what mpy-cross writes
CHUNK = 2048  # of a file, in one statement: a board holds it twice, once in base 64
ENTER_S = 30  # for what runs there to end: an agent says goodbye to its broker first
QUIET_S = 0.4  # a prompt is one when nothing comes after it
SILENT_S = 20  # for one answer: a full flash is erased block after block

# What the board is asked to know before it is asked anything. A watchdog that its agent may have
# armed cannot be stopped on most chips: so it is fed, by whoever took the agent's place.
HELPER = """
import os, sys, gc
from hashlib import sha256 as _hash
from binascii import a2b_base64 as _un, hexlify as _hex
_buf = memoryview(bytearray(512))
_wdt = None
def _feed():
    if _wdt:
        _wdt.feed()
def _has(path, text):
    try:
        with open(path) as f:
            return text in f.read()
    except OSError:
        return False
def _guard():
    global _wdt
    import machine
    armed = _has('/agent.json', '"wdt') or _has('/limpet/state.0', ' trial ')
    if (armed or _has('/limpet/state.1', ' trial ')) and hasattr(machine, 'WDT'):
        _wdt = machine.WDT(timeout=8000)
def _sum(path):
    h = _hash()
    with open(path, 'rb') as f:
        n = f.readinto(_buf)
        while n:
            _feed()
            h.update(_buf[:n])
            n = f.readinto(_buf)
    return _hex(h.digest()).decode()
def _file(path):
    _feed()
    try:
        s = os.stat(path)
        if not s[0] & 0x4000:
            print(repr((path, s[6], _sum(path))))
    except OSError:
        pass
def _is_folder(path):
    try:
        return os.stat(path)[0] & 0x4000
    except OSError:
        return False
def _walk(folder):
    try:
        rows = list(os.ilistdir(folder))
    except OSError:
        return
    print(repr((folder, -1, '')))
    for row in rows:
        path = folder.rstrip('/') + '/' + row[0]
        _walk(path) if row[1] == 0x4000 else _file(path)
def _copy(old, new):
    with open(old, 'rb') as f, open(new, 'wb') as g:
        n = f.readinto(_buf)
        while n:
            _feed()
            g.write(_buf[:n])
            n = f.readinto(_buf)
def _sync():
    getattr(os, 'sync', lambda: None)()
gc.collect()
_guard()
"""
FACTS = (
    "import sys,gc;_i=sys.implementation;print(repr((_i.name,tuple(_i.version),"
    "getattr(_i,'_machine',sys.platform),getattr(_i,'_mpy',0),sys.platform,"
    "getattr(gc,'mem_free',lambda:0)(),_frozen)))"
)
FROZEN = """
try:
    import agent, limpet_start
    _frozen = True
except ImportError:
    _frozen = False
"""

# version: as numbers; mpy: of .mpy files; memory: bytes free of the heap; frozen: it has the agent
Facts = namedtuple("Facts", "name version machine mpy platform memory frozen", defaults=(False,))


class BoardProblem(Exception):
    """The board cannot be reached, or does not do what it is asked; the message says why."""


def find():
    """The one board on this machine's ports. Raises BoardProblem where there is none, or more."""
    ports = [port for port in serial.tools.list_ports.comports() if port.vid is not None]
    if len(ports) == 1:
        return ports[0].device
    if not ports:
        raise BoardProblem("no board: nothing on USB has a serial port; name one as DEVICE")
    names = ", ".join(sorted(port.device for port in ports))
    raise BoardProblem("several boards, name one of them: " + names)


class Line(SerialTransport):
    """mpremote's transport, which nowhere waits longer than SILENT_S."""

    def read_until(self, *words, timeout=None, **more):
        """As it is there; None, for ever, is not."""
        return super().read_until(*words, timeout=min(timeout or SILENT_S, SILENT_S), **more)


class Board:
    """One board, its interpreter stopped and asked for what follows. Raises BoardProblem."""

    def __init__(self, device, baud=115200):
        self.device = device
        try:
            self._line = Line(device, baud, timeout=1)
        except (TransportError, serial.SerialException, OSError, ValueError) as error:
            raise BoardProblem(why_not(device, error)) from error

    def enter(self):
        """Stop what runs, and get a clean interpreter that runs nothing; its Facts."""
        with trouble("stopping what runs on " + self.device):
            self._interrupt()
            self._line.enter_raw_repl(soft_reset=True, timeout_overall=ENTER_S)
            self._ask(FROZEN)
            facts = Facts(*ast.literal_eval(self._ask(FACTS)))
            check_facts(facts)
            self._ask(HELPER)
        return facts

    def _interrupt(self):
        """Ctrl-C until the prompt is there: the first ends the agent, which then says goodbye."""
        port, seen, end = self._line.serial, b"", time.monotonic() + ENTER_S
        while time.monotonic() < end:
            port.write(b"\x03\x02\r")  # stop; out of the raw mode that a dead run left
            quiet = time.monotonic() + QUIET_S
            while time.monotonic() < quiet:
                count = port.in_waiting
                if count:
                    seen = (seen + port.read(count))[-2000:]
                    quiet = time.monotonic() + QUIET_S
                    if time.monotonic() > end:
                        break
                else:
                    time.sleep(0.01)
            if seen.endswith(b">>> "):
                return
        words = "no MicroPython prompt within %d s; " % ENTER_S
        raise BoardProblem(words + ("it said %r" % seen[-80:] if seen else "nothing came at all"))

    def _ask(self, code):
        data, error = self._line.exec_raw(code, timeout=SILENT_S)
        if error:
            raise TransportExecError(data, error.decode(errors="replace"))
        return data.decode()

    def look(self, paths):
        """What is there, of the slots and of `paths`: a Present."""
        paths = sorted({one + end for one in (*paths, *READ) for end in ("", NEW, BEFORE)})
        paths = [path for path in paths if not path.startswith(ROOT + "/")]
        with trouble("looking at what is there"):
            lines = self._ask(
                "_walk(%r)\nfor _p in %r:\n _file(_p)\n" % (ROOT, list(paths))
            ).splitlines()
            rows = [ast.literal_eval(line) for line in lines]
            files = {path: (size, digest) for path, size, digest in rows if size >= 0}
            folders = {path for path, size, _ in rows if size < 0} | {"/"}
            asked = {parent for path in paths for parent in parents(path)}
            code = "for _p in %r:\n if _is_folder(_p): print(_p)"
            folders.update(self._ask(code % sorted(asked)).splitlines())
            contents = {path: self._read(path) for path in READ if path in files}
            block, free = ast.literal_eval(
                self._ask("_s=os.statvfs('/');print(repr((_s[1] or _s[0],_s[3])))")
            )
        return Present(files, folders, contents, block, free)

    def _read(self, path):
        parts = []
        self._ask("_f=open(%r,'rb')" % path)
        while True:
            part = self._ask("print(_hex(_f.read(%d)).decode())" % CHUNK).strip()
            if not part:
                break
            parts.append(binascii.unhexlify(part))
        self._ask("_f.close()")
        return b"".join(parts)

    def do(self, step):
        """Take one step of a plan, and see that it took effect."""
        with trouble("%s %s" % (step.verb, step.path)):
            *before, last = VERBS[step.verb](step)
            for code in before:
                self._ask(code)
            if step.digest is None:
                self._ask(last)
            elif (
                self._ask("%s\n_sync();print(_sum(%r))" % (last, step.path)).strip() != step.digest
            ):
                raise BoardProblem("%s: what was written is not what is there" % step.path)

    def reset(self):
        """Start the board anew, with what it holds now."""
        with trouble("restarting"):
            self._line.exec_raw_no_follow("import machine\nmachine.reset()")

    def close(self):
        """Let go of the port."""
        try:
            self._line.close()
        except (OSError, serial.SerialException):
            pass  # it is gone; so is what there was to close


def writing(step):
    """Statements that write a file: as few as can be, since each is a round trip."""
    found = ["_f=open(%r,'wb')" % step.path]
    for at in range(0, len(step.data), CHUNK):
        text = binascii.b2a_base64(step.data[at : at + CHUNK], newline=False).decode()
        found.append("_feed();_f.write(_un('%s'))" % text)
    found[:2] = ["\n".join(found[:2])]
    found[-1] += "\n_f.close()"
    return found


# What a step is on the board: the statements for it, one after the other.
VERBS = {
    "folder": lambda step: ["os.mkdir(%r)" % step.path],
    "write": writing,
    "copy": lambda step: ["_copy(%r,%r)" % (step.source, step.path)],
    "rename": lambda step: ["os.rename(%r,%r)" % (step.source, step.path)],
    "remove": lambda step: ["os.remove(%r)" % step.path],
    "remove-folder": lambda step: ["os.rmdir(%r)" % step.path],
}


class trouble:  # noqa: N801 - a context manager, called like a function
    """What goes wrong inside becomes a BoardProblem that says what was being done."""

    def __init__(self, doing):
        self.doing = doing

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, TransportExecError):
            last = error.error_output.strip().splitlines()[-1:]
            raise BoardProblem("%s: %s" % (self.doing, "".join(last))) from error
        if isinstance(error, (TransportError, serial.SerialException, OSError)):
            raise BoardProblem("%s: the board is gone (%s)" % (self.doing, error)) from error
        if isinstance(error, (ValueError, SyntaxError, IndexError)):
            raise BoardProblem("%s: not an answer: %s" % (self.doing, error)) from error


def check_facts(facts):
    """Refuse an interpreter that the agent does not run on."""
    if facts.name != "micropython":
        raise BoardProblem(
            "%s is no MicroPython: it needs one of %d.%d or newer" % (facts.name, *OLDEST)
        )
    if facts.version[:2] < OLDEST:
        words = (*facts.version[:2], *OLDEST)
        raise BoardProblem("MicroPython %d.%d is too old: it needs %d.%d or newer" % words)
    if facts.mpy & 0xFF != MPY_VERSION:
        words = (facts.mpy & 0xFF, MPY_VERSION)
        raise BoardProblem("it takes .mpy files of version %d, not of %d" % words)


def why_not(device, error):
    """Why a port cannot be opened, in words that help."""
    if "://" in device:
        return "%s cannot be reached: %s" % (device, error)
    if not os.path.exists(device):
        return "no board: there is no %s" % device
    if not os.access(device, os.R_OK | os.W_OK):
        return "%s may not be opened by this user: is it in the group dialout?" % device
    try:
        serial.Serial(device, exclusive=True).close()
    except (OSError, serial.SerialException) as reason:
        if "lock" in str(reason) or "usy" in str(reason):
            return "%s is busy: another program has it open" % device
        return "%s cannot be opened: %s" % (device, reason)
    return "%s cannot be opened: %s" % (device, error)

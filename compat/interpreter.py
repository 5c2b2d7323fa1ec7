"""What interpreters do differently and CPython's library has no one name for.

One rule: everything that must ask which interpreter this is stands here, or in a back end, or in
`firmware/`; the rest of the house asks this module. It starts no thread and opens nothing on
import.
"""

import gc
import os
import sys
import time

_implementation = sys.implementation
_CPYTHON = _implementation.name == "cpython"

try:
    import _thread
except ImportError:
    _thread = None


def _thread_safety():
    if _thread is None:
        return "none"
    if _CPYTHON:
        return "gil"
    # The attribute exists since 1.26. Before that a build cannot be asked, and the usual unix and
    # rp2 builds are without the lock.
    return "gil" if getattr(_implementation, "_thread", "unsafe") == "GIL" else "unsafe"


# 'gil': threads may share objects. 'unsafe': the collector may free an object that another thread
# still holds, whatever the code locks. 'none': there is no `_thread`.
THREADS = _thread_safety()

if hasattr(time, "ticks_ms"):
    ticks_ms = time.ticks_ms
    ticks_diff = time.ticks_diff
else:

    def ticks_ms():
        """Milliseconds of a counter that only goes forward; only differences mean anything."""
        return time.monotonic_ns() // 1_000_000

    def ticks_diff(end, start):
        """Milliseconds from `start` to `end`, two values of `ticks_ms`."""
        return end - start


if _CPYTHON:

    def sync_file(file):
        """Return once what was written to the open `file` is on the medium. Raises OSError."""
        file.flush()
        os.fsync(file.fileno())

    def sync_folder(path):
        """Return once the names in the folder `path` are on the medium. Raises OSError."""
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def list_folder(path):
        """Yield `(name, its kind as in st_mode)`; None as a name that is no UTF-8."""
        with os.scandir(path) as entries:
            for entry in entries:
                try:
                    entry.name.encode()
                except UnicodeError:
                    yield None, 0
                else:
                    yield entry.name, entry.stat(follow_symlinks=False).st_mode & 0o170000

else:
    # On the unix port flush() is fsync (vfs_posix_file.c), of a folder opened as a file too. Where
    # a port has os.sync (most boards), that writes out every file system.
    _sync_all = getattr(os, "sync", None)

    def sync_file(file):
        """Return once what was written to the open `file` is on the medium. Raises OSError."""
        file.flush()
        if _sync_all:
            _sync_all()

    def sync_folder(path):
        """Return once the names in the folder `path` are on the medium. Raises OSError."""
        if _sync_all:
            _sync_all()
            return
        folder = open(path)
        try:
            folder.flush()
        finally:
            folder.close()

    def list_folder(path):
        """Yield `(name, its kind as in st_mode)`; None as a name that is no UTF-8."""
        entries = os.ilistdir(path)
        while True:
            try:
                entry = next(entries)
            except StopIteration:
                return
            except UnicodeError:
                yield None, 0
            else:
                yield entry[0], entry[1]


def format_exception(error):
    """The traceback of `error` as text, in the interpreter's own form."""
    import io

    text = io.StringIO()
    if hasattr(sys, "print_exception"):
        sys.print_exception(error, text)
    else:
        import traceback

        traceback.print_exception(error, file=text)
    return text.getvalue()


def stacks_on_signal():
    """Have SIGUSR1 print every thread's stack to stderr; False where that cannot be had."""
    try:
        import faulthandler
        import signal

        faulthandler.register(signal.SIGUSR1, all_threads=True)
    except (ImportError, AttributeError, OSError, ValueError):
        return False
    return True


def set_wall_clock(unix_ms):
    """Set the system's wall clock. Raises OSError where it may not, or where nothing here can."""
    if hasattr(time, "clock_settime"):
        time.clock_settime(time.CLOCK_REALTIME, unix_ms / 1000)
        return
    try:
        import machine

        clock = machine.RTC()
    except (ImportError, AttributeError):
        clock = None
    if clock is not None:
        moment = time.gmtime(unix_ms // 1000 - (946684800 if time.gmtime(0)[0] == 2000 else 0))
        clock.datetime(moment[:3] + (moment[6],) + moment[3:6] + (0,))
        return
    _set_by_library(unix_ms)


def _set_by_library(unix_ms):
    try:
        import ffi
    except ImportError:
        raise OSError(38, "nothing in this interpreter sets the clock")  # ENOSYS
    import struct

    moment = struct.pack("ll", unix_ms // 1000, unix_ms % 1000 * 1000)  # struct timeval
    if ffi.open(None).func("i", "settimeofday", "pp")(moment, None) != 0:
        raise OSError(os.errno())


def program():
    """The words that start another interpreter like this one; its own options come behind them."""
    if _CPYTHON:
        return [sys.executable, "-u"]  # what it prints is seen at once
    # limpetd runs the agent unless it is told to be an interpreter.
    return [sys.executable] + (["--python"] if "limpetd" in sys.modules else [])


_WINDOW = 10  # bits; never what a stream asks for: 15 would take 34 KB of heap


def inflate(source):
    """What reads the raw deflate stream in `source`, which has `readinto(buffer)`.

    It has `read(count)`, which may give less, and b"" at the end. A broken stream raises
    ValueError or OSError or EOFError.
    """
    if _CPYTHON:
        return _Inflated(source)
    import io

    import deflate

    class Source(io.IOBase):
        """What the decoder, written in C, can read from."""

        def readinto(self, buffer):
            return source.readinto(buffer)

    return deflate.DeflateIO(Source(), deflate.RAW, _WINDOW)


class _Inflated:
    def __init__(self, source):
        import zlib

        self._source = source
        self._buffer = bytearray(256)
        self._decoder = zlib.decompressobj(-_WINDOW)
        self._error = zlib.error

    def read(self, count):
        """At most `count` bytes."""
        decoder = self._decoder
        while not decoder.eof:
            data = decoder.unconsumed_tail
            if not data:
                data = bytes(self._buffer[: self._source.readinto(self._buffer)])
            try:
                found = decoder.decompress(data, count)
            except self._error as error:
                raise ValueError(str(error))
            if found:
                return found
            if not data:
                raise EOFError("the stream ends early")
        return b""


def random_bytes(count):
    """`count` bytes from the system's source of randomness."""
    return os.urandom(count)


# Measured on a 2 MB heap, a request at a time: collecting only when the heap is full spreads the
# garbage over more memory than the processor caches, 282 us for a round trip; after every eighth
# of the heap 200 us, after every sixteenth 234 us, after every 128th 771 us.
_COLLECT_AFTER = 8


def pace_collector():
    """Collect garbage after each eighth of the heap, to be called once everything is loaded."""
    gc.collect()
    if hasattr(gc, "threshold"):
        gc.threshold((gc.mem_alloc() + gc.mem_free()) // _COLLECT_AFTER)


def memory():
    """Bytes of the Python heap in use and free, None where the interpreter does not tell."""
    if hasattr(gc, "mem_alloc"):
        return {"used_bytes": gc.mem_alloc(), "free_bytes": gc.mem_free()}
    return {"used_bytes": None, "free_bytes": None}


def describe():
    """Name, version, build and thread safety of this interpreter, as a dict of strings."""
    return {
        "name": _implementation.name,
        "version": _version(),
        "build": sys.version.split("; ")[-1] if not _CPYTHON else sys.version.split(" (")[0],
        "machine": _machine(),
        "threads": THREADS,
    }


def _version():
    version = _implementation.version
    numbers = ".".join([str(part) for part in version[:3]])
    suffix = version[3] if len(version) > 3 else ""
    return numbers + ("-" + suffix if suffix not in ("", "final") else "")


def _machine():
    named = getattr(_implementation, "_machine", "")
    if named and " [" not in named:  # a board's own name; the unix port gives its compiler's
        return named
    import platform

    if hasattr(platform, "machine"):
        return "%s %s" % (platform.system().lower(), platform.machine())
    words = platform.platform().split("--")[0].split("-")  # Linux-1.26.1-x86_64--with-glibc2.36
    return "%s %s" % (words[0].lower(), words[-1])

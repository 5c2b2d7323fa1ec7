"""The start of an agent that is updated: chooses the slot, counts trials, hands over.

    python3 limpet_start.py ROOT --config FILE      as python3 -m agent --config FILE, from a slot

It is never part of an update. The one rule: whatever is on the medium, something whole is started,
and a release on trial is started only after that attempt has been counted there. ROOT holds

    a/ b/             the slots: files, and .limpet/manifest, which names all of them
    state.0 state.1   what is where, written in turns: the newer whole one counts

A `State` says which slot is `good`, and what is in the other one (`kind`): "none", "fetching",
"staged", "trial" with `tries` left, or "previous". The digests are those of the manifests.
"""

import gc
import hashlib
import os
import sys
from binascii import crc32, hexlify
from collections import namedtuple

VERSION = 1  # of what the agent in a slot may expect of this file
MANIFEST = ".limpet/manifest"
IMAGE = "limpetd"  # the name of an executable in its slot
REASON = "reason"  # file in ROOT: what a trial died of
STALLED_S = 60  # a trial that does not say for so long that it lives is ended
RESTART = 75  # as agent.__main__ has it: start me again
NOTHING_WHOLE = 78

# floor     the least release that may be put in use; failed: the one that failed here last
# reason    a word: why it went back; "-" for nothing
State = namedtuple(
    "State", "turn good sequence digest kind other other_digest tries floor failed reason"
)
FIRST = State(0, "a", 0, "-", "none", 0, "-", 0, 0, 0, "-")

# (files, root, state, slot, and None or an image's path or a limpet_esp32.Ota); None: no slots
here = None


class Files:
    """The real files. Raises OSError."""

    def open(self, path, mode):
        """As open()."""
        return open(path, mode)

    def sync(self, file):
        """Return once what was written to `file` is on the medium."""
        file.flush()
        if hasattr(os, "fsync"):
            os.fsync(file.fileno())
        elif hasattr(os, "sync"):
            os.sync()

    def sync_folder(self, path):
        """Return once the names in the folder are on the medium."""
        if hasattr(os, "O_RDONLY"):
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
            return
        with open(path) as folder:  # MicroPython on Linux: flush is fsync, of a folder too
            folder.flush()

    def rename(self, old, new):
        """Give a file another name, in place of the file that has it."""
        os.rename(old, new)

    def make_executable(self, path):
        """For a file of mode 755."""
        if hasattr(os, "chmod"):
            os.chmod(path, 0o755)
            return
        import _linux

        _linux.chmod(path, 0o755)

    def entries(self, folder):
        """[(name, 'f', 'd' or '?')]: symbolic links and the like are '?'."""
        if hasattr(os, "ilistdir"):
            kinds = {0x4000: "d", 0x8000: "f"}
            return [(row[0], kinds.get(row[1], "?")) for row in os.ilistdir(folder)]
        with os.scandir(folder) as rows:
            return [(row.name, _kind_of(row)) for row in rows]


def _kind_of(row):
    if row.is_symlink():
        return "?"
    return "d" if row.is_dir() else "f" if row.is_file() else "?"


def encode_state(state):
    """One line, with a check behind it."""
    text = "limpet-state " + " ".join([str(value) for value in state])
    return ("%s %08x\n" % (text, crc32(text.encode()) & 0xFFFFFFFF)).encode()


def decode_state(data):
    """The State in a record, None if it is not whole."""
    try:
        words = data.decode().split(" ")
        values = [int(word) if word.isdigit() else word for word in words[1:10] + words[10:11]]
        state = State(*(values + words[11:12]))
    except (UnicodeError, ValueError, TypeError):
        return None
    return state if encode_state(state) == data else None


def read_state(files, root):
    """The newer State that is whole, FIRST if there is none."""
    newest = FIRST
    for index in (0, 1):
        try:
            with files.open("%s/state.%d" % (root, index), "rb") as file:
                state = decode_state(file.read(400))
        except OSError:
            continue
        if state and state.turn > newest.turn:
            newest = state
    return newest


def write_state(files, root, state):
    """Store `state` as the next one; returns it as stored. The only commit point there is."""
    state = State(*((state[0] + 1,) + tuple(state[1:])))
    with files.open("%s/state.%d" % (root, state.turn % 2), "wb") as file:
        file.write(encode_state(state))
        files.sync(file)
    return state


def change(state, **values):
    """`state` with other values."""
    return State(*[values.get(name, state[at]) for at, name in enumerate(NAMES)])


NAMES = ("turn", "good", "sequence", "digest", "kind", "other", "other_digest", "tries", "floor")
NAMES += ("failed", "reason")


def other(slot):
    """The other slot."""
    return "b" if slot == "a" else "a"


def is_whole(files, folder, digest):
    """Whether a slot holds what its manifest names and nothing else, and that is the manifest."""
    try:
        if file_digest(files, folder + "/" + MANIFEST) != digest:
            return False
        named = {MANIFEST}
        with files.open(folder + "/" + MANIFEST, "rb") as file:
            file.readline()
            line = file.readline()
            while line:
                wanted, path = line.decode().strip().split(" ", 1)
                if file_digest(files, folder + "/" + path) != wanted:
                    return False
                named.add(path)
                line = file.readline()
        return not any([path not in named for path in strangers(files, folder, "")])
    except (OSError, ValueError):
        return False


def strangers(files, folder, inner):
    """Paths of everything in a slot but what an interpreter left compiled, which is not read.

    What is no file, as a link, has a slash behind it: no manifest names it, wherever it leads.
    """
    for name, kind in files.entries(folder + "/" + inner if inner else folder):
        path = inner + "/" + name if inner else name
        if kind == "d":
            if name not in (".limpet", "__pycache__"):
                yield from strangers(files, folder, path)
        else:
            yield path if kind == "f" else path + "/"


def file_digest(files, path):
    """SHA-256 of a file, in hex."""
    total = hashlib.sha256()
    buffer = memoryview(bytearray(1024))  # one for all: a small heap would be left in pieces
    with files.open(path, "rb") as file:
        count = file.readinto(buffer)
        while count:
            total.update(buffer[:count])
            count = file.readinto(buffer)
    return hexlify(total.digest()).decode()


def choose(files, root, state):
    """(slot to start, State to store first or the same): None for the slot if none is whole."""
    good, spare = state.good, other(state.good)
    if state.kind == "trial":
        if not is_whole(files, root + "/" + spare, state.other_digest):
            # It never ran: so it is not marked as failed, or it could never come again.
            state = change(state, kind="none", reason="not-whole")
        elif state.tries:
            return spare, change(state, tries=state.tries - 1)
        else:
            reason = "not-confirmed" if state.reason == "-" else state.reason
            state = change(state, kind="none", failed=state.other, reason=reason)
    if is_whole(files, root + "/" + good, state.digest):
        return good, state
    in_reserve = state.kind in ("previous", "staged") and state.other >= state.floor
    if in_reserve and is_whole(files, root + "/" + spare, state.other_digest):
        return spare, state
    return None, state


def prepare(files, root):
    """Choose, and store what must be known before it starts: (slot, State)."""
    stored = read_state(files, root)
    slot, state = choose(files, root, stored)
    if state != stored:
        try:
            state = write_state(files, root, state)
        except OSError:
            # An attempt that cannot be counted is not made.
            is_good = is_whole(files, root + "/" + stored.good, stored.digest)
            return stored.good if is_good else slot, stored
    return slot, state


def settle_image(files, root, path):
    """As `prepare`, of an executable at `path`; its slot holds it as IMAGE.

    (slot, State, whether it is to be started anew): what is at `path` is replaced, at once or not
    at all, by that of the slot. What is there and is of no slot was put there by its owner, and
    stays: (None, State, False).
    """
    stored = read_state(files, root)
    slot, state = choose(files, root, stored)
    try:
        if state.kind == "trial" and _is_the_other(files, root, slot, path):
            # A start that only replaces is no try of what it puts there: else two power cuts here
            # would be the end of a good release. The record shows that the next can be counted.
            write_state(files, root, stored)
            replace(files, image_path(root, slot), path)
            return slot, stored, True
    except OSError:
        pass
    slot, state = prepare(files, root)
    try:
        if _is_the_other(files, root, slot, path):
            replace(files, image_path(root, slot), path)
            return slot, state, True
        if slot and file_digest(files, image_path(root, slot)) == file_digest(files, path):
            return slot, state, False
    except OSError:
        pass
    return None, state, False


def _is_the_other(files, root, slot, path):
    """Whether what is at `path` is the other slot's, and not this one's."""
    if not slot:
        return False
    running = file_digest(files, path)
    if file_digest(files, image_path(root, slot)) == running:
        return False
    return file_digest(files, image_path(root, other(slot))) == running


def image_path(root, slot):
    """The executable in a slot."""
    return "%s/%s/%s" % (root, slot, IMAGE)


def replace(files, source, path):
    """Put a copy of `source` at `path`, at once: there is the old one or the new one, whole."""
    with files.open(source, "rb") as file, files.open(path + ".new", "wb") as out:
        buffer = memoryview(bytearray(1024))
        count = file.readinto(buffer)
        while count:
            out.write(buffer[:count])
            count = file.readinto(buffer)
        files.sync(out)
    files.make_executable(path + ".new")
    files.rename(path + ".new", path)
    files.sync_folder(path.rsplit("/", 1)[0])


def start_image(root, path, arguments, files=None):
    """As `start`, for an executable that holds the agent; `path` is where it is started from."""
    files = files or Files()
    slot, state, is_replaced = settle_image(files, root, path)
    if is_replaced:
        return RESTART
    return run(files, root, slot, state, arguments, path)


def start(root, arguments, files=None):
    """Start the agent with its command line; returns the exit status."""
    files = files or Files()
    slot, state = prepare(files, root)
    if hasattr(sys, "pycache_prefix"):  # CPython: what is left compiled is never read
        sys.dont_write_bytecode = True
        sys.pycache_prefix = root + "/none"
    if slot:
        sys.path.insert(0, root + "/" + slot)
    return run(files, root, slot, state, arguments, None)


def run(files, root, slot, state, arguments, image):
    """Hand over to the agent; `image` is what else holds it, see `here`."""
    global here
    here = (files, root, state, slot, image)
    is_trial = state.kind == "trial" and slot not in (None, state.good)
    if is_trial:
        watch(STALLED_S)
    gc.collect()
    try:
        # With no slot it is a frozen one, which is the rescue.
        return __import__("agent.__main__", None, None, ("main",)).main(arguments)
    except Exception as error:  # noqa: BLE001 - whatever a release dies of, the next start counts
        if slot is None and isinstance(error, ImportError):
            print("limpet_start: no slot in %s is whole, and this firmware has no agent" % root)
            return NOTHING_WHOLE
        if not is_trial:
            raise
        note_reason(files, root, "%s: %s" % (type(error).__name__, error))
        return RESTART
    finally:
        if is_trial:
            watch(0)


def note_reason(files, root, text):
    """Keep what a trial died of; nothing depends on it."""
    try:
        with files.open(root + "/" + REASON, "wb") as file:
            file.write(text.encode()[:400])
            files.sync(file)
    except OSError:
        pass


watch_name = None  # how a stalled trial is ended here; None: not at all


def watch(seconds):
    """End this process if it does not call again within `seconds`; 0: leave it alone."""
    global watch_name
    for name, arm in WATCHES:
        try:
            arm(seconds)
            watch_name = name
            return
        except (ImportError, AttributeError, OSError):
            pass


def _signal(seconds):
    import signal

    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds)


def _ffi(seconds):
    import ffi

    ffi.open(None).func("I", "alarm", "I")(seconds)


def _linux(seconds):
    import _linux

    _linux.alarm(seconds)


def _board(seconds):
    # A board's watchdog takes 8 s at most, and is never stopped: so a timer feeds it, as often as
    # it may, and for ever once the trial is over.
    import machine

    global _dog, _timer, _feeds
    if _dog is None:
        if not seconds:
            return
        make = machine.WDT
        try:
            _timer = machine.Timer(-1)
        except ValueError:  # a port without timers that are only software
            _timer = machine.Timer(0)
        _timer.init(period=_FEED_MS, callback=_feed)
        _dog = make(timeout=8000)
    _feeds = seconds * 1000 // _FEED_MS if seconds else -1
    _dog.feed()


def _feed(timer):
    global _feeds
    if _feeds and _dog is not None:
        _feeds -= 1
        _dog.feed()


_FEED_MS = 2000
_dog = _timer = None
_feeds = 0


def _shell(seconds):
    # os.system's shell is our child; the one it leaves behind waits, and kills us or is killed.
    if here is None:
        raise OSError("no slot was started")
    name = here[1].replace("'", "") + "/watch"
    wait = (
        "(sleep %d; kill -9 $PPID) >/dev/null 2>&1 & echo $! >" % seconds if seconds else "rm -f"
    )
    words = (name, name, wait, name)
    os.system("[ -f '%s' ] && kill $(cat '%s') 2>/dev/null; %s '%s'" % words)


WATCHES = (
    ("alarm", _signal),
    ("alarm", _linux),
    ("alarm", _ffi),
    ("board", _board),
    ("shell", _shell),
)

if __name__ == "__main__":
    import limpet_start  # once more, under the name that the agent looks for it

    sys.exit(limpet_start.start(sys.argv[1], sys.argv[2:]))

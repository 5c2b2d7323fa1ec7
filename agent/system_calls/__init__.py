"""Linux calls that the interpreters' own library lacks: descriptors, pipes, processes.

The one rule: every back end has the same functions, all of which return at once, and imports
nothing of the agent. Contract of a back end:

    open(path, flags, mode) -> descriptor, closed on exec; close(descriptor)
    pipe() -> (descriptor to read, descriptor to write), both closed on exec
    read(descriptor, size) -> bytes, b"" at the end; write(descriptor, data) -> count; only after a
        poll has said that they would not wait
    spawn(arguments, stdin, stdout, stderr, environment) -> pid, in a session of its own, with no
        other descriptor of ours; `arguments[0]` is a whole path; environment is ["NAME=value"]
    wait(pid) -> None while it runs, else its exit status, or the signal that ended it as -n
    kill(pid, signal): a negative pid means its group
    O_PATH, O_DIRECTORY, O_NOFOLLOW, which differ between machines

All raise OSError.
"""

from agent.errors import Unavailable

# Numbers that are the same on every architecture that Linux runs MicroPython on
# (asm-generic/fcntl.h, arch/mips is another one and not met here).
O_RDONLY, O_WRONLY, O_RDWR = 0, 1, 2
O_CREAT, O_EXCL = 0o100, 0o200

BACKENDS = (
    ("cpython", "agent.system_calls.cpython"),
    ("linux", "agent.system_calls.native"),
    ("ffi", "agent.system_calls.foreign"),
)

_state = {"loaded": None, "reason": None}  # the main thread's, which loads before any worker asks


def load():
    """The back end of this interpreter. Raises Unavailable with every reason."""
    prepare()
    if _state["loaded"] is None:
        raise Unavailable(_state["reason"])
    return _state["loaded"]


def prepare():
    """Look for a back end now, so that no worker has to import; whoever needs it is told."""
    if _state["loaded"] is None and _state["reason"] is None:
        _look()


def _look():
    reasons = []
    for name, path in BACKENDS:
        try:
            module = __import__(path)
            for part in path.split(".")[1:]:
                module = getattr(module, part)
            _try(module)
            _state["loaded"] = module
            return
        except (ImportError, AttributeError, OSError) as error:
            reasons.append("%s: %s" % (name, error))
    _state["reason"] = "no calls of Linux here; " + "; ".join(reasons)


def _try(module):
    """Raise OSError unless the flags mean here what they are called, and /proc is there.

    /proc/self is a link, so that it must be refused.
    """
    flags = module.O_PATH | module.O_DIRECTORY | module.O_NOFOLLOW
    module.close(module.open("/proc/self/fd", flags & ~module.O_NOFOLLOW, 0))
    try:
        module.close(module.open("/proc/self", flags, 0))
    except OSError:
        return
    raise OSError("a link was followed though it was told not to")

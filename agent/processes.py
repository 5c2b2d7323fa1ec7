"""A program under way: its pipes, its process group, and how it is brought to its end.

The one rule: nothing here waits, and nothing that was started outlives the agent. A shell starts
the program and leaves a watcher in the program's group, which reads a pipe that only the agent
holds open: when the agent ends, however that happens, the watcher sees the pipe's end and kills
the group. What a program leaves behind in its group when it ends is killed too; who wants a daemon
starts it with `setsid`.

Each Process has one owner, the job that runs it.
"""

import os
import select

from agent import system_calls, terminal
from agent.errors import LimpetError, Unavailable

SHELL = "/bin/sh"
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
INHERITED = ("PATH", "HOME", "LANG", "TZ")  # of the agent's own environment; nothing else is given
OUT, ERR = 1, 2
PIPE_BYTES = 4096  # PIPE_BUF: what a pipe that poll calls writable takes without waiting
HANG_UP, INTERRUPT, KILL, TERMINATE = 1, 2, 9, 15
AGAIN = 11  # EAGAIN
END_OF_INPUT = b"\x04"  # typed at a terminal
LAST_LOOKS = 16  # at a terminal whose program has ended: what it wrote last comes a moment later
GRACE_MS = 400  # between asking a group to end and killing it
REAP_MS = 2000  # after which a killed program that is still there is left to the next look

# $1: the descriptor of the agent's pipe; $2: the folder; then the program. The watcher holds
# neither input nor output of the program, or nobody would ever see their ends.
_FRONT = (
    "exec 3</proc/$PPID/fd/$1||exit 126;"
    "{ trap '' INT TERM HUP;read x<&3;kill -9 0;}>/dev/null 2>&1&"
    'cd "$2"||exit 126;shift 2;exec "$@" 3<&-'
)
# The same at a terminal, $3. There a shell gives each of its jobs a group of its own, so the
# watcher goes through all processes of the session, $$, and leaves itself for the end.
_FRONT_AT_TERMINAL = (
    "exec 3</proc/$PPID/fd/$1||exit 126;"
    "{ trap '' INT TERM HUP;read x<&3;read -r w x</proc/self/stat;for f in /proc/[0-9]*/stat;do "
    "read -r l<$f&&p=${l%% *}&&set -- ${l##*) }&&"
    '[ "$4" = $$ ]&&[ $p != $w ]&&kill -9 $p;done;kill -9 $w;}>/dev/null 2>&1&'
    'cd "$2"||exit 126;exec <>"$3" >&0 2>&0;shift 3;exec "$@" 3<&-'
)

_state = {"life": None, "left": []}  # the agent's pipe, made once; killed programs not reaped yet


class NoProgram(LimpetError):
    """There is no program of that name to run."""

    code = "not-found"


def environment(added):
    """["NAME=value"] for a program: what it inherits, and `added`, which wins."""
    words = {"PATH": DEFAULT_PATH}
    for name in INHERITED:
        value = os.getenv(name)
        if value:
            words[name] = value
    for line in added:
        name, _, value = line.partition("=")
        words[name] = value
    return words


def find_program(name, path, folder):
    """The path of a program, looked for as a shell would. Raises NoProgram."""
    if "/" in name:
        places = [name if name.startswith("/") else folder + "/" + name]
    else:
        places = [part + "/" + name for part in path.split(":") if part]
    for place in places:
        try:
            mode = os.stat(place)[0]
        except OSError:
            continue
        if mode & 0o170000 == 0o100000 and mode & 0o111:
            return place
    where = "the PATH, " + path if "/" not in name else folder
    raise NoProgram("%s: no such program in %s" % (name, where))


def life_line(calls):
    """The descriptor whose other end the agent holds for as long as it lives."""
    if _state["life"] is None:
        _state["life"] = calls.pipe()
    return _state["life"][0]


def _reap_left(calls):
    _state["left"] = [pid for pid in _state["left"] if calls.wait(pid) is None]


class Process:
    """Starts the program. `words` is the environment as a dict. Raises NoProgram, OSError.

    `takes_input`: its standard input is `write`'s, else empty. `is_split`: errors come apart from
    output; else in one pipe, in their true order. `size`, (rows, columns): at a terminal instead,
    for all three; raises Unavailable.
    """

    def __init__(self, arguments, words, folder, takes_input, is_split, size=None):
        self._calls = calls = system_calls.load()
        _reap_left(calls)
        try:
            os.stat(SHELL)
        except OSError:
            raise Unavailable("there is no %s here, which starts programs" % SHELL)
        program = find_program(arguments[0], words["PATH"], folder)
        front = [SHELL, "-c", _FRONT, "limpet", str(life_line(calls)), folder]
        self.at_terminal = size is not None
        self._looks = LAST_LOOKS if self.at_terminal else 0
        self._open = {}  # descriptor: OUT or ERR
        self._input = None
        self._poller = select.poll()
        self._wants_room = select.poll()
        self.status = None
        given = []
        try:
            if size is not None:
                front[2] = _FRONT_AT_TERMINAL
                front.append(self._take_terminal(size))
                out = err = source = self._input_end(False, given)
            else:
                source = self._input_end(takes_input, given)
                out = self._output_end(OUT, given)
                err = self._output_end(ERR, given) if is_split else out
            front.append(program)
            lines = ["%s=%s" % pair for pair in words.items()]
            self.pid = calls.spawn(front + arguments[1:], source, out, err, lines)
        except Exception:
            self._close_all()
            raise
        finally:
            for descriptor in given:
                calls.close(descriptor)

    def _input_end(self, takes_input, given):
        if not takes_input:
            given.append(self._calls.open("/dev/null", system_calls.O_RDONLY, 0))
            return given[-1]
        source, self._input = self._calls.pipe()
        given.append(source)
        self._wants_room.register(self._input, select.POLLOUT)
        return source

    def _take_terminal(self, size):
        self._input, path = terminal.open_terminal(self._calls, *size)
        self._open[self._input] = OUT
        self._poller.register(self._input, select.POLLIN)
        self._wants_room.register(self._input, select.POLLOUT)
        return path

    def _output_end(self, kind, given):
        mine, theirs = self._calls.pipe()
        given.append(theirs)
        self._open[mine] = kind
        self._poller.register(mine, select.POLLIN)
        return theirs

    def read(self):
        """What has come, a list of (OUT or ERR, bytes); each at most PIPE_BYTES."""
        found = []
        for ready in self._poller.poll(0):
            descriptor = ready[0]
            try:
                data = self._calls.read(descriptor, PIPE_BYTES)
            except OSError as error:  # of a terminal alone; EIO: nobody is at it any more
                data = None if error.args[0] == AGAIN else b""
            if data is None:
                continue
            if data:
                found.append((self._open[descriptor], data))
            else:
                self._close(descriptor)
        return found

    def write(self, data):
        """Give it input: how many bytes were taken, 0 for not now, None if it takes no more."""
        if self._input is None:
            return None
        if not self._wants_room.poll(0):
            return 0
        try:
            return self._calls.write(self._input, data[:PIPE_BYTES]) or 0
        except OSError as error:
            if error.args[0] == AGAIN:
                return 0
            self.close_input()  # EPIPE
            return None

    def close_input(self):
        """It gets no more input."""
        if self._input is None:
            return
        self._wants_room.unregister(self._input)
        if self.at_terminal:
            self._type(END_OF_INPUT)
        else:
            self._calls.close(self._input)
        self._input = None

    def _type(self, data):
        try:
            self._calls.write(self._input, data)
        except OSError:
            pass  # nobody reads what is typed there

    def resize(self, rows, columns):
        """Its terminal has another size."""
        for descriptor in self._open:
            terminal.set_size(descriptor, rows, columns)

    def is_silent(self):
        """Whether nothing more comes of it, once it has ended and `read` has found nothing."""
        self._looks -= 1
        return self._looks < 0 or not self._open

    def has_ended(self):
        """Whether the program itself has; then `status` says how, a signal as -n."""
        if self.status is None:
            self.status = self._calls.wait(self.pid)
        return self.status is not None

    def signal(self, number):
        """Send a signal to the whole group."""
        try:
            self._calls.kill(-self.pid, number)
        except OSError:
            pass  # nobody is left in it

    def ask_to_end(self):
        """Ask the whole group: a shell at a terminal heeds only that somebody hangs up."""
        self.signal(HANG_UP if self.at_terminal else TERMINATE)

    def kill(self):
        """End all of it now; what was not read is lost. To be called once, at the end."""
        self.signal(KILL)
        if self.at_terminal:
            for pid in terminal.in_session(self.pid):
                try:
                    self._calls.kill(pid, KILL)
                except OSError:
                    pass  # it has ended meanwhile
        self._close_all()
        if not self.has_ended():
            _state["left"].append(self.pid)

    def _close(self, descriptor):
        if descriptor == self._input:  # a terminal's
            self._wants_room.unregister(descriptor)
            self._input = None
        self._poller.unregister(descriptor)
        del self._open[descriptor]
        self._calls.close(descriptor)

    def _close_all(self):
        self.close_input()
        for descriptor in list(self._open):
            self._close(descriptor)

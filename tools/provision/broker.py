"""A real MQTT broker on loopback, for the demo, the tests and the benches.

The one rule: what is started here is ended here, by its process id, however the block ends. The
broker listens on 127.0.0.1 alone, on a port that was free, and is up once `start` returns.
"""

import collections
import glob
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from provision import Unavailable, cache, debian, environment
from provision.steps import step

AMQTT = "amqtt==0.12.1"
_AMQTT_LIMITS = (
    "MQTT 3.1.1 only, ignores keep-alive, sends retained messages nobody asked for:"
    " good for a look, not for tests"
)
# Where distributions put mosquitto: often not on the PATH of a person without root.
_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin:/opt/homebrew/sbin:/usr/local/bin"
_UP_WITHIN_S = 20
_DOWN_WITHIN_S = 5
_ATTEMPTS = 5

# What a broker writes to its log once it listens.
UP_SIGNS = {"mosquitto": " running", "amqtt": "Listener 'default' bind"}


class Kind(collections.namedtuple("Kind", "name version program environment limits")):
    """A broker that can be started: `name` mosquitto or amqtt, `program` its path,
    `environment` what to add to its environment, `limits` what to know of it, empty for mosquitto.
    """

    @property
    def description(self):
        """One line for people: name, version, and where its limits are, those."""
        return "%s %s" % (self.name, self.version) + (self.limits and " (%s)" % self.limits)


def find():
    """The `Kind` to use: the system's mosquitto, else the distribution's unpacked, else amqtt.

    Gets what is missing; raises `Unavailable` with the reason of each when none can be had.
    """
    reasons = []
    for candidate in (_system_mosquitto, _unpacked_mosquitto, _amqtt):
        try:
            return candidate()
        except Unavailable as error:
            reasons.append(str(error))
    raise Unavailable("no MQTT broker can be had: %s" % "; ".join(reasons))


def start(nodelay=False, extra_lines=(), kind=None):
    """Start a broker on a free port of 127.0.0.1 and return it as a `Broker` once it is up.

    Use it in a `with` block, which ends it. `nodelay` is mosquitto's `set_tcp_nodelay`;
    `extra_lines` go into its configuration and win over the lines set here (nothing persistent,
    anybody may connect). Raises `Unavailable` with the end of the log if it does not come up.
    """
    kind = kind or find()
    attempts = _ATTEMPTS
    while True:
        broker = Broker(kind, _free_port(), nodelay, extra_lines)
        try:
            broker.restart()
            return broker
        except Unavailable:
            # Between asking for a free port and the broker's taking it, another may have come.
            attempts -= 1
            if not attempts or "in use" not in broker.log_text():
                broker.close()
                raise
            broker.close()
        except BaseException:
            broker.close()
            raise


class Broker:
    """A broker that was started: `url`, `host`, `port`, `pid`, `log` (the path of its log)."""

    def __init__(self, kind, port, nodelay=False, extra_lines=()):
        self.kind = kind
        self.host = "127.0.0.1"
        self.port = port
        self.url = "mqtt://127.0.0.1:%d" % port
        self._folder = tempfile.mkdtemp(prefix="limpet-broker-")
        self.log = os.path.join(self._folder, "log")
        self._config = os.path.join(self._folder, "config")
        self._process = None
        write = CONFIGS[kind.name]
        with open(self._config, "w", encoding="utf-8") as file:
            file.write(write(port, nodelay, extra_lines, self._folder))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    @property
    def pid(self):
        """The process id while it runs, else None."""
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if running else None

    def wait(self):
        """Wait until it ends; its exit status."""
        return self._process.wait()

    def log_text(self):
        """What it has written so far, as text."""
        try:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def kill(self):
        """End it as a power cut would: nothing is saved, no client is told."""
        self._end(signal.SIGKILL)

    def stop(self):
        """Ask it to end, and wait; what it keeps is kept for `restart`."""
        self._end(signal.SIGTERM)

    def restart(self):
        """Start it again (stopping it first if it runs) on the same port, with the same files."""
        self.stop()
        begun_at = len(self.log_text())
        option = ["-c", self._config]
        with open(self.log, "ab") as log:
            try:
                self._process = subprocess.Popen(
                    [self.kind.program, *option],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=self._folder,
                    env=dict(os.environ, **self.kind.environment),
                )
            except OSError as error:
                raise Unavailable("cannot run %s: %s" % (self.kind.program, error)) from None
        self._wait_until_up(begun_at)

    def close(self):
        """End it and remove its files; harmless when that has been done."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _end(self, number):
        if self.pid is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(_DOWN_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait_until_up(self, begun_at):
        deadline = time.monotonic() + _UP_WITHIN_S
        while self.pid is not None and time.monotonic() < deadline:
            # Its own word first: a port that answers may be another's, and ours about to end.
            if self._says_running(begun_at) and self._accepts():
                return
            time.sleep(0.01)
        ended = "ended at once" if self.pid is None else "is not up after %d s" % _UP_WITHIN_S
        self.kill()
        tail = "\n".join("    " + line for line in self.log_text().splitlines()[-10:])
        raise Unavailable("the broker %s %s; its log says\n%s" % (self.kind.name, ended, tail))

    def _says_running(self, begun_at):
        return UP_SIGNS[self.kind.name] in self.log_text()[begun_at:]

    def _accepts(self):
        try:
            socket.create_connection((self.host, self.port), 1).close()
        except OSError:
            return False
        return True


def mosquitto_config(port, nodelay, extra_lines, folder):
    """The text of mosquitto.conf; a setting named in `extra_lines` replaces the one made here."""
    lines = [
        "listener %d 127.0.0.1" % port,
        "allow_anonymous true",
        "persistence false",
        "persistence_location %s/" % folder,
        "set_tcp_nodelay %s" % ("true" if nodelay else "false"),
        "log_dest stderr",
    ]
    if os.geteuid() == 0:
        # Else it becomes a user who may not exist here and may not enter the folder.
        lines.append("user root")
    replaced = {line.split()[0] for line in extra_lines if line.strip()} - {"listener"}
    kept = [line for line in lines if line.split()[0] not in replaced]
    return "\n".join([*kept, *extra_lines, ""])


def amqtt_config(port, nodelay, extra_lines, folder):
    """The text of amqtt's configuration, which knows none of mosquitto's settings."""
    if extra_lines:
        raise Unavailable("amqtt cannot do what mosquitto's %s does" % ", ".join(extra_lines))
    return (
        "listeners:\n  default:\n    type: tcp\n    bind: 127.0.0.1:%d\n"
        "plugins:\n  amqtt.plugins.authentication.AnonymousAuthPlugin:\n"
        "    allow_anonymous: true\n" % port
    )


# What writes the configuration of each kind; peers.py adds others.
CONFIGS = {"mosquitto": mosquitto_config, "amqtt": amqtt_config}


def _system_mosquitto():
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path=_FOLDERS)
    if not program:
        raise Unavailable("mosquitto is not installed")
    return probe_mosquitto(program, {})


def _unpacked_mosquitto():
    program = "usr/sbin/mosquitto"

    def unpack(target):
        with step("fetching mosquitto from the system's package sources"):
            debian.Archive().unpack(["mosquitto"], target)
        if not os.path.exists(os.path.join(target, program)):
            raise Unavailable("the system's package mosquitto holds no %s" % program)

    home = cache.made("debian/mosquitto", unpack)
    patterns = ("lib/*-linux-gnu*", "usr/lib/*-linux-gnu*")
    libraries = [path for name in patterns for path in glob.glob(os.path.join(home, name))]
    return probe_mosquitto(os.path.join(home, program), {"LD_LIBRARY_PATH": ":".join(libraries)})


def probe_mosquitto(program, extra):
    """Ask mosquitto for its version, which shows also that it runs here."""
    try:
        done = subprocess.run(
            [program, "-h"], capture_output=True, text=True, env=dict(os.environ, **extra)
        )
    except OSError as error:
        raise Unavailable("%s does not run: %s" % (program, error)) from None
    words = done.stdout.split()
    if words[:2] != ["mosquitto", "version"]:
        said = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no output"]
        raise Unavailable("%s does not run: %s" % (program, said[0]))
    return Kind("mosquitto", words[2], program, extra, "")


def _amqtt():
    home = "%s-%s" % (environment.folder(), AMQTT)
    environment.make(home, [AMQTT], "the broker amqtt")
    return Kind("amqtt", AMQTT.split("==")[1], os.path.join(home, "bin/amqtt"), {}, _AMQTT_LIMITS)


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

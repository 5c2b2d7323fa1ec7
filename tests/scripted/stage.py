"""Where another's scripted brokers find our client in the place of theirs.

One rule: their files stay as they are, in the cache; what stands here is a folder that looks like
their build, with a small shell script wherever a program of theirs would be, which starts
client.py under that program's name. What it says on its standard error, and a status other than
0, are kept in `faults`.
"""

import os
import shlex
import socket
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CLIENT = HERE / "client.py"

# SIGTERM is how their scripts end a client; ours ends by itself when its connection does.
_STAND_IN = """\
#!/bin/sh
trap '' TERM
export SSL_FOLDER=%s
%s "$@" 2>>%s && exit 0
status=$?
echo "%s ended with status $status" >>%s
exit $status
"""


# What paho's tests start, by the name of the program that it stands for. They interrupt a client
# to end it, once the file says that it may be; ours would be interrupted on its own way out, too.
_PAHO_STAND_IN = """\
import os, signal, subprocess
def end(*signal):
    status = child.poll()
    child.kill()
    os._exit(status or 0)
environment = dict(os.environ, SSL_FOLDER=os.environ["PAHO_SSL_PATH"])
faults = os.open(%r, os.O_WRONLY | os.O_APPEND)
words = %r + [os.environ["PAHO_SERVER_PORT"]]
child = subprocess.Popen(words, env=environment, stderr=faults)
signal.signal(signal.SIGINT, end)
open(os.environ["PAHO_TEST_READY_FILE"], "w").close()
os._exit(child.wait())
"""


def make_clients(folder, command):
    """Put our client in the place of every program in `folder`; returns where faults are kept."""
    faults = folder / "faults"
    faults.touch()
    for path in folder.glob("*.py"):
        words = [*command, "paho/" + path.stem]
        path.write_text(_PAHO_STAND_IN % (str(faults), words))
    return faults


class Stage:
    """A folder like a build of mosquitto; `clients` are the commands for `c` and for `cpp`."""

    def __init__(self, folder, source, clients):
        self.source = source
        self.folder = folder
        self.faults = folder / "faults"
        self.faults.touch()
        self._at = folder / "test" / "lib"
        for kind, command in zip(("c", "cpp"), clients, strict=True):
            (self._at / kind).mkdir(parents=True)
            for path in source.glob("lib/%s/*.%s" % (kind, kind)):
                self._stand_in(self._at / kind / (path.stem + ".test"), path.stem, command)

    def _stand_in(self, path, name, command):
        words = shlex.join([*command, "mosquitto/" + name])
        faults = shlex.quote(str(self.faults))
        ssl = shlex.quote(str(self.source / "ssl"))
        path.write_text(_STAND_IN % (ssl, words, faults, name, faults))
        path.chmod(0o755)

    def run(self, script, timeout_s=120):
        """(status, output) of one of their scripts, on a port of its own."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environment = dict(os.environ, BUILD_ROOT=str(self.folder), PYTHONDONTWRITEBYTECODE="1")
        done = subprocess.run(
            [sys.executable, str(script), str(port)],
            cwd=self._at,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        return done.returncode, done.stdout + done.stderr

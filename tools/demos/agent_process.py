"""One agent in a process of its own, with a folder for its configuration, data and log.

Rule: what is started here is ended here, by its process id: first asked, so that it says goodbye
to the broker, then made to.
"""

import json
import os
import signal
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# How long each way of asking gets before the next, harder one.
ENDINGS = ((signal.SIGINT, 5), (signal.SIGTERM, 2), (signal.SIGKILL, None))
TAIL_LINES = 15
RESTART = 75  # the agent's exit status that asks whoever started it to start it again


class AgentProcess:
    """`with AgentProcess(interpreter, device, address) as agent:` runs until the block ends.

    `interpreter` is a path, `address` a `fleet.address.Address`.
    """

    def __init__(self, interpreter, device, address):
        self.interpreter = interpreter
        self.device = device
        self.address = address
        self._folder = None
        self._process = None

    def __enter__(self):
        # Only for this user to read: a broker's password may be in the configuration.
        self._folder = tempfile.TemporaryDirectory(prefix="limpet-demo-")
        path = os.path.join(self._folder.name, "agent.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self._configuration(), file)
        # In a session of its own: Ctrl-C at the terminal is for the demo to handle.
        self._start()
        return self

    def _start(self):
        path = os.path.join(self._folder.name, "agent.json")
        with open(self._log_path, "ab") as log:
            self._process = subprocess.Popen(
                [self.interpreter, "-m", "agent", "--config", path],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def __exit__(self, *_exception):
        try:
            self._end()
        finally:
            self._folder.cleanup()

    @property
    def pid(self):
        return self._process.pid

    @property
    def data(self):
        """The folder it keeps its data in."""
        return os.path.join(self._folder.name, "data")

    def wait(self, seconds):
        """Its exit status once it has ended, None if it still runs after so many seconds.

        One that ended to be started again, as `system.restart` has it, is started again.
        """
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        if status == RESTART:
            self._start()
            return None
        return status

    def log_tail(self):
        """The last lines of its log, indented."""
        with open(self._log_path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()[-TAIL_LINES:]
        return "\n".join("    " + line for line in lines or ["(nothing)"])

    @property
    def _log_path(self):
        return os.path.join(self._folder.name, "agent.log")

    def _configuration(self):
        mqtt = {"host": self.address.host, "port": self.address.port, "session_expiry_s": 0}
        if self.address.user is not None:
            mqtt["username"] = self.address.user
        if self.address.password is not None:
            mqtt["password"] = self.address.password
        return {"device": self.device, "mqtt": mqtt, "data": self.data}

    def _end(self):
        for number, seconds in ENDINGS:
            if self._process.poll() is not None:
                return
            self._process.send_signal(number)
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                pass

"""Sets the stage: which broker, which interpreter, and an agent that is online.

Rule: it says what it chose and why, and leaves a context open for the rest of the demo; closing
that context ends everything, the last thing first.
"""

import contextlib
import secrets
import time
from dataclasses import dataclass

from fleet import Fleet, FleetError
from fleet import address as addresses
from fleet.connection import connect
from fleet.topics import Topics
from provision import Unavailable, runtimes
from provision import broker as brokers

from . import DemoFailed
from .agent_process import TAIL_LINES, AgentProcess

ROOT_TOPIC = "limpet"
ONLINE_WITHIN_S = 20
LOOK_EVERY_S = 0.1
CLEAR_WITHIN_S = 5
# Best first. Our own build takes a minute to make, so that it is taken only where it is.
PREFERRED = ("micropython", "micropython-gil", "micropython-oldest")


@dataclass(frozen=True)
class Stage:
    """What the rest of the demo needs. `broker` is None if it is not ours."""

    address: addresses.Address
    url: str
    agent: AgentProcess
    broker: brokers.Broker | None

    def fail_if_ended(self):
        """Wait a moment, and raise DemoFailed if something that must run has ended."""
        fail_if_ended(self.agent)
        if self.broker and self.broker.pid is None:
            lines = self.broker.log_text().splitlines()[-TAIL_LINES:]
            raise DemoFailed("\n    ".join(["the broker ended; its log says", *lines]))


@contextlib.contextmanager
def set_up(url, runtime_name, say):
    """A Stage with an agent online. Raises DemoFailed; `say(label, text)` tells what is chosen.

    `url` is the user's own broker, or None to start one.
    """
    with contextlib.ExitStack() as stack:
        runtime = choose_runtime(runtime_name, say)
        broker = None if url else _start_broker(stack)
        address = addresses.parse(url or broker.url)
        say("broker", f"{broker.kind.description if broker else 'yours'}, {address}")
        device = "demo" if broker else f"demo-{secrets.token_hex(3)}"
        if not broker:
            stack.callback(clear, address, device)
        agent = stack.enter_context(AgentProcess(runtime.path, device, address))
        say("device", f"{device}, process {agent.pid}, data in {agent.data}")
        running = Stage(address, url or broker.url, agent, broker)
        wait_until_online(running)
        yield running


def choose_runtime(name, say):
    """The interpreter called `name`, else the best MicroPython to be had, else CPython."""
    try:
        runtime = runtimes.get(name) if name else _best(say)
    except Unavailable as error:
        raise DemoFailed(str(error)) from None
    kind = "CPython" if runtime.name == "cpython" else "MicroPython"
    say("runtime", f"{kind} {runtime.version} ({runtime.origin}), threads: {runtime.threads}")
    return runtime


def _best(say):
    for name in PREFERRED:
        if name == "micropython-gil" and runtimes.look(name).path is None:
            continue
        try:
            return runtimes.get(name)
        except Unavailable as error:
            say("", f"no {name}: {error}")
    return runtimes.get("cpython")


def _start_broker(stack):
    try:
        return stack.enter_context(brokers.start())
    except Unavailable as error:
        raise DemoFailed(str(error)) from None


def wait_until_online(running):
    """Return once the device says that it is online. Raises DemoFailed with the log's tail."""
    agent = running.agent
    deadline = time.monotonic() + ONLINE_WITHIN_S
    try:
        with Fleet(running.url, ROOT_TOPIC) as fleet:
            while time.monotonic() < deadline:
                device = fleet.device(agent.device)
                if device and device.state == "online":
                    return
                running.fail_if_ended()
    except FleetError as error:
        raise DemoFailed(f"{error}\nthe agent's log says\n{agent.log_tail()}") from None
    raise DemoFailed(
        f"the agent is not online after {ONLINE_WITHIN_S} s; its log says\n{agent.log_tail()}"
    )


def fail_if_ended(agent):
    """Wait a moment, and raise DemoFailed if the agent has ended by then."""
    status = agent.wait(LOOK_EVERY_S)
    if status is not None:
        raise DemoFailed(f"the agent ended (status {status}); its log says\n{agent.log_tail()}")


def clear(address, device):
    """Take away what the device left on a broker that is not ours: its retained topics."""
    with contextlib.suppress(FleetError):
        connection = connect(address, None, lambda *_: None, CLEAR_WITHIN_S)
        done = []
        for topic in Topics(ROOT_TOPIC, "demo").state(device):
            connection.publish(topic, b"", retain=True, on_acknowledged=done.append)
        deadline = time.monotonic() + CLEAR_WITHIN_S
        while len(done) < 2 and time.monotonic() < deadline:
            if connection.lost.wait(LOOK_EVERY_S):
                break
        connection.close()

"""What the tests of labs share: an agent in a guest, and calls that last as long as they need."""

import contextlib
import shutil
import time
from collections import namedtuple

import pytest
from conftest import Caller
from firmwares import linux
from labs import machine
from provision import Unavailable

PATIENCE_S = 60
REPLY_S = 15  # until it becomes a job, of which a long result is told once and not kept

Device = namedtuple("Device", ("name", "caller"))


@contextlib.contextmanager
def guest_online(broker, name, workers, boot_s, **options):
    """(the Device `name` in a guest, once it is online, and the machine.Machine).

    It runs the single file; `options` are the machine's. Skips where one of them cannot be had.
    """
    folder = machine.folder()
    caller = Caller(broker)
    caller.follow("limpet/%s/status" % name)
    guest = None
    try:
        agents = [(name, linux.program("armhf"), workers)]
        guest = machine.Machine(folder, broker.port, agents, **options)
        guest.start()
        end = time.monotonic() + boot_s
        while b'"online"' not in caller.messages.get(timeout=end - time.monotonic()).payload:
            pass
        yield Device(name, caller), guest
    except Unavailable as reason:
        pytest.skip(str(reason))
    finally:
        if guest is not None:
            guest.close()
            print(open(guest.console, errors="replace").read()[-6000:])
        caller.close()
        shutil.rmtree(folder)


def call(device, method, params=None):
    """The result of a call, also where it became a job meanwhile."""
    reply = device.caller.call(device, method, params, reply_within=REPLY_S)
    assert "result" in reply, reply
    result = reply["result"]
    if not isinstance(result, dict) or set(result) != {"job"}:
        return result
    return finish(device, result["job"])


def finish(device, job):
    """The result of a job, once it has ended."""
    end = time.monotonic() + PATIENCE_S
    state = {}
    while time.monotonic() < end:
        state = device.caller.call(device, "job.get", {"job": job})["result"]
        if "result" in state or "error" in state:
            assert "result" in state, state
            return state["result"]
        time.sleep(0.1)
    raise AssertionError("%s did not end: %s" % (job, state))


def refusal(device, method, params):
    """The error that a call must end in."""
    return device.caller.call(device, method, params)["error"]


def allow(device, *spans):
    """Let the device's policy allow these and no others, to write too."""
    call(device, "policy.set", {"hardware": [dict({"write": True}, **span) for span in spans]})

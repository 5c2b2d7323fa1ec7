"""limpetd as the first process of a system that holds nothing else, on a real ARM kernel."""

import re
import shutil
import time
from types import SimpleNamespace

import pytest
from conftest import Caller
from firmwares import linux
from labs import machine
from provision import Unavailable

NAME = "arm-first"
BOOT_S = 300  # of patience, on a busy machine; 10 s on an idle one
TOLD = re.compile(rb"lab: zombies (\d+), agents (\d+)")


@pytest.fixture(scope="module")
def guest(broker):
    """The machine with limpetd as its first process, online."""
    folder = machine.folder()
    caller = Caller(broker)
    caller.follow("limpet/%s/status" % NAME)
    try:
        agents = [(NAME, linux.program("armhf", tls=False), "auto")]
        guest = machine.Machine(folder, broker.port, agents, kind="armhf", is_first=True)
        guest.start()
    except Unavailable as reason:
        caller.close()
        pytest.skip(str(reason))
    try:
        guest.caller = caller
        wait_for_boot(caller, 1)
        yield guest
    finally:
        guest.close()
        print(open(guest.console, errors="replace").read()[-4000:])
        caller.close()
        shutil.rmtree(folder)


def wait_for_boot(caller, number):
    end = time.monotonic() + BOOT_S
    wanted = b'"boot": %d,' % number
    while True:
        payload = caller.messages.get(timeout=end - time.monotonic()).payload
        if b'"online"' in payload and wanted in payload:
            return


def test_an_agent_that_ends_is_started_again_and_nothing_is_left_over(guest):
    device = SimpleNamespace(name=NAME)
    assert "result" in guest.caller.call(device, "system.restart")
    wait_for_boot(guest.caller, 2)
    assert guest.caller.call(device, "system.ping")["result"] == {}
    told = len(TOLD.findall(console(guest)))
    end = time.monotonic() + BOOT_S
    while len(TOLD.findall(console(guest))) <= told + 1:  # the one after next is surely of now
        assert time.monotonic() < end
        time.sleep(0.1)
    assert TOLD.findall(console(guest))[-1] == (b"0", b"2")  # the first process is one of them


def console(guest):
    with open(guest.console, "rb") as file:
        return file.read()

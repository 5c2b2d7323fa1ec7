"""limpetd on a real 32-bit ARM kernel: in 4 MB of address space, over MQTT, with its figures.

It runs from a slot there, and is replaced by an update; each process of it has that limit.
"""

import os
import re
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import Caller
from firmwares import linux
from labs import machine
from provision import Unavailable
from update_yard import Yard, wait_for_update

SLOTS, KEYRING = "run/slots", "etc/keyring"
NAME = "arm-limpetd"
LIMIT_KIB = 4096
CALLS = {"full": 10_000}.get(os.environ.get("LIMPET_SIZE"), 100)
BEYOND_FILE_KIB = 1024  # of address space, idle and connected, besides the file's own pages
BOOT_S = 300  # of patience, on a busy machine; 10 s on an idle one
TAKES = re.compile(rb"lab: takes %s VmPeak: (\d+) kB VmSize: (\d+) kB" % NAME.encode())


@pytest.fixture(scope="module")
def guest(broker, tmp_path_factory):
    """The machine, limpetd without TLS online in it from a slot, a caller, and the yard."""
    folder = machine.folder()
    caller = Caller(broker)
    caller.follow("limpet/%s/status" % NAME)
    caller.follow("limpet/%s/event/update" % NAME)
    here = tmp_path_factory.mktemp("yard")
    yard = Yard(here / "depot", broker, NAME)
    try:
        program = linux.program("armhf", tls=False)
        yard.release(1, image(program))
        yard.install(1, here / "root")
        update = {"keyring": "/" + KEYRING, "channel": NAME, "healthy_s": 0, "within_s": BOOT_S}
        guest = machine.Machine(
            folder,
            broker.port,
            [(NAME, program, "auto")],
            kind="armhf",
            limit_kib=LIMIT_KIB,
            files={KEYRING: Path(yard.keyring).read_bytes(), **content(here / "root")},
            changes={"update": update},
            options="--slots /" + SLOTS,
        )
        guest.start()
    except Unavailable as reason:
        caller.close()
        yard.close()
        pytest.skip(str(reason))
    try:
        end = time.monotonic() + BOOT_S
        while b'"online"' not in caller.messages.get(timeout=end - time.monotonic()).payload:
            pass
        yield SimpleNamespace(caller=caller, console=guest.console, yard=yard, program=program)
    finally:
        guest.close()
        print(open(guest.console, errors="replace").read()[-4000:])
        caller.close()
        yard.close()
        shutil.rmtree(folder)


def image(program, more=b""):
    """What a release of limpetd holds."""
    return {"limpetd": (Path(program).read_bytes() + more, "755")}


def content(root):
    """{path in the guest: bytes} of a device's slots, folders before what is in them."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.is_file():
            found["%s/%s" % (SLOTS, path.relative_to(root))] = path.read_bytes()
    return found


def takes(guest):
    """(VmPeak, VmSize) in KiB, as the guest tells next."""
    told = len(TAKES.findall(console(guest)))
    end = time.monotonic() + BOOT_S
    while time.monotonic() < end:
        found = TAKES.findall(console(guest))
        if len(found) > told:
            return [int(number) for number in found[-1]]
        time.sleep(0.1)
    raise AssertionError("the guest told nothing")


def console(guest):
    with open(guest.console, "rb") as file:
        return file.read()


def test_idle_it_takes_a_megabyte_beside_its_own_file(guest):
    device = SimpleNamespace(name=NAME)
    assert guest.caller.call(device, "system.ping")["result"] == {}
    file_kib = os.path.getsize(linux.program("armhf", tls=False)) // 1024
    _, size = takes(guest)
    print("address space: %d KiB, of which the file %d" % (size, file_kib))
    assert size - file_kib <= BEYOND_FILE_KIB


def test_very_many_commands_leave_it_within_its_limit(guest):
    device = SimpleNamespace(name=NAME)
    for number in range(CALLS):
        text = "%d" % number
        answer = guest.caller.call(device, "system.echo", {"text": text})
        assert answer["result"] == {"text": text}
    peak, _ = takes(guest)
    print("%d commands; address space at most %d KiB" % (CALLS, peak))
    assert peak <= LIMIT_KIB


def test_an_update_of_itself_is_made_within_its_limit(guest):
    device = SimpleNamespace(name=NAME)
    guest.yard.publish(guest.yard.release(2, image(guest.program, b"another one")))
    words = wait_for_update(guest.caller, device, lambda words: words["state"] == "confirmed")
    assert (words["sequence"], words["slot"]) == (2, "b")
    assert guest.caller.call(device, "update.status")["result"]["sequence"] == 2
    peak, _ = takes(guest)
    print("updated; address space at most %d KiB" % peak)
    assert peak <= LIMIT_KIB

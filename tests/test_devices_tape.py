"""Tape drives that misbehave: only fakes can be made to."""

from support import raises

from agent.devices import codes, layout, requests, tape
from agent.devices.faults import DeviceError
from agent.devices.ioctl_fake import FakeTransport
from agent.devices.tape_fake import FakeTape

PATH = "/dev/nst0"
TARGET = (codes.GENERIC, layout.LINUX_32)


def transport(**options):
    return FakeTransport({PATH: FakeTape(TARGET, **options)}, TARGET)


def test_the_talks_answer_is_read_from_its_bytes():
    words = {"mt_type": 0x72, "mt_resid": 0, "mt_fileno": 3, "mt_blkno": 7}

    class Answers(FakeTape):
        def ioctl(self, number, buffer):
            buffer[:] = layout.pack(requests.MTGET, words, TARGET[1])
            return 0

    with FakeTransport({PATH: Answers(TARGET)}, TARGET).open(PATH) as device:
        told = tape.status(device)
    assert (told["file_number"], told["block_number"], told["partition"]) == (3, 7, 0)


def test_a_drive_of_another_kind_is_refused():
    with transport(kind=0x01).open(PATH) as device:
        for call in (lambda: tape.status(device), lambda: tape.operate(device, "rewind")):
            error = raises(DeviceError, call)
            assert error.code == "unavailable" and "unsupported tape type 0x1" in error.message


def test_a_protected_tape_is_read_only():
    protected = transport(protected=True)
    error = raises(DeviceError, protected.open, PATH, True)
    assert (error.code, error.data["name"]) == ("denied", "EROFS")
    with protected.open(PATH) as device:
        assert "write-protected" in tape.status(device)["flags"]
        assert raises(DeviceError, tape.operate, device, "weof").data["name"] == "EACCES"
        assert raises(DeviceError, tape.write_block, device, b"x").data["name"] == "EBADF"


def test_an_ejected_tape_shows_and_comes_back():
    with transport().open(PATH) as device:
        tape.operate(device, "offline")
        assert tape.status(device)["flags"] == ["no-tape"]
        assert raises(DeviceError, tape.operate, device, "rewind").data["name"] == "EIO"
        tape.operate(device, "load")
        assert "bot" in tape.status(device)["flags"]


def test_a_drive_that_vanishes_says_so_and_still_closes():
    drives = transport()
    device = drives.open(PATH, True)
    drives.vanish(PATH)
    for call in (
        lambda: tape.status(device),
        lambda: tape.read_block(device, 512),
        lambda: tape.write_block(device, b"x"),
    ):
        error = raises(DeviceError, call)
        assert (error.code, error.data["name"]) == ("unavailable", "ENODEV")
    device.close()
    assert drives.open_files == 0


def test_a_block_longer_than_asked_is_an_error():
    with transport().open(PATH, True) as device:
        tape.write_block(device, b"12345678")
        tape.operate(device, "rewind")
        assert raises(DeviceError, tape.read_block, device, 4).data["name"] == "ENOMEM"


def test_every_operation_has_a_number_of_its_own():
    numbers = [operation.number for operation in tape.OPERATIONS.values()]
    assert len(set(numbers)) == len(numbers) == 29

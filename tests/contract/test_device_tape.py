"""The tape contract, on fake drives of several machines, on a recording, and on a real driver."""

from device_lab import implementations
from support import raises

from agent.devices import tape
from agent.devices.faults import DeviceError
from agent.devices.ioctl_recorded import Player, Recorder
from agent.devices.tape_fake import FakeTape

PATH = "/dev/nst0"
# The kernel's emulated drive keeps four bytes of each block, and gives zeros for the rest.
BLOCK = b"limp" + bytes(508)
OTHER = b"rock" + bytes(508)


IMPLEMENTATIONS = implementations(PATH, FakeTape)
_fake = IMPLEMENTATIONS[0][1]


class Recorded:
    def __init__(self):
        self.transport = Recorder(_fake().transport)


IMPLEMENTATIONS.append(("recorder", Recorded))


def fresh(start):
    """An open drive at the beginning of a tape that this test may overwrite."""
    device = start().transport.open(PATH, True)
    tape.operate(device, "rewind")
    if tape.status(device)["block_size_bytes"]:  # a real drive may come up with a fixed size
        tape.operate(device, "setblk", 0)
    return device


def place(device):
    told = tape.status(device)
    return told["file_number"], told["block_number"]


def write_two_files(device):
    for data in (BLOCK, OTHER):
        tape.write_block(device, data)
        tape.operate(device, "weof", 1)


def test_a_rewound_tape_is_at_its_beginning(start):
    with fresh(start) as device:
        told = tape.status(device)
        assert (told["file_number"], told["block_number"], told["partition"]) == (0, 0, 0)
        assert "bot" in told["flags"] and "online" in told["flags"]
        assert "eof" not in told["flags"] and told["type"] in ("scsi-1", "scsi-2")


def test_two_files_are_written_spaced_to_and_read_back(start):
    with fresh(start) as device:
        write_two_files(device)
        assert place(device) == (2, 0)
        tape.operate(device, "rewind")
        assert tape.read_block(device, 512) == BLOCK
        assert tape.read_block(device, 512) == b""
        assert place(device) == (1, 0)
        tape.operate(device, "rewind")
        tape.operate(device, "fsf", 1)
        assert tape.read_block(device, 512) == OTHER
        assert place(device) == (1, 1)


def test_eod_is_after_everything(start):
    with fresh(start) as device:
        write_two_files(device)
        tape.operate(device, "rewind")
        assert place(device) == (0, 0)
        tape.operate(device, "eod")
        told = tape.status(device)
        assert told["file_number"] == 2 and "eod" in told["flags"]


def test_the_place_is_kept_over_a_close(start):
    transport = start().transport
    with transport.open(PATH, True) as device:
        tape.operate(device, "rewind")
        write_two_files(device)
    with transport.open(PATH) as device:
        assert place(device)[0] == 2
        tape.operate(device, "rewind")


def test_an_unknown_place_is_minus_one(start):
    with fresh(start) as device:
        write_two_files(device)
        tape.operate(device, "bsf", 1)
        assert place(device)[1] == -1


def test_an_unknown_operation_is_refused_with_the_known_ones(start):
    with fresh(start) as device:
        error = raises(DeviceError, tape.operate, device, "wind")
        assert error.code == "bad-params" and "rewind" in error.message


def test_a_count_is_checked_before_anything_moves(start):
    with fresh(start) as device:
        for name, count in (
            ("fsf", 0),
            ("fsf", -1),
            ("fsf", 1 << 23),
            ("rewind", 2),
            ("erase", 2),
        ):
            error = raises(DeviceError, tape.operate, device, name, count)
            assert error.code == "bad-params" and name in error.message
        assert place(device) == (0, 0)


def test_a_block_has_a_size(start):
    with fresh(start) as device:
        for size in (0, -1, 1 << 24):
            assert "block" in raises(DeviceError, tape.read_block, device, size).message
        assert "block" in raises(DeviceError, tape.write_block, device, b"").message


def test_what_the_driver_refuses_names_path_request_and_errno(start):
    with fresh(start) as device:
        write_two_files(device)
        tape.operate(device, "rewind")
        error = raises(DeviceError, tape.operate, device, "fsf", 5)
        assert error.code == "failed" and error.data["name"] == "EIO"
        assert error.data["path"] == PATH and error.data["request"]["name"] == "MTIOCTOP"
        assert "MTIOCTOP" in error.message and PATH in error.message


def test_a_second_user_finds_it_busy(start):
    transport = start().transport
    with transport.open(PATH):
        error = raises(DeviceError, transport.open, PATH)
        assert error.code == "busy" and error.data["name"] == "EBUSY"
    transport.open(PATH).close()


def test_a_closed_drive_says_so_and_closes_again(start):
    device = fresh(start)
    device.close()
    device.close()
    assert "closed" in raises(DeviceError, tape.status, device).message


def test_a_wrong_request_is_the_callers_fault(start):
    with fresh(start) as device:
        error = raises(DeviceError, device.ask, "WDIOC_GETTIMEOUT")
        assert error.data["name"] in ("ENOTTY", "EINVAL") and error.code == "bad-params"


def test_what_was_recorded_plays_again_and_nothing_else(start):
    recorder = Recorder(start().transport)
    with recorder.open(PATH) as device:
        tape.operate(device, "rewind")
        before = tape.status(device)
        raises(DeviceError, tape.operate, device, "fsf", 70000)
    player = Player(recorder.calls, recorder.target)
    with player.open(PATH) as device:
        tape.operate(device, "rewind")
        assert tape.status(device) == before
        assert raises(DeviceError, tape.operate, device, "fsf", 70000).data["name"] == "EIO"
        assert "has ended" in raises(DeviceError, tape.status, device).message
    with Player(recorder.calls, recorder.target).open(PATH) as device:
        assert "recorded next" in raises(DeviceError, device.ask, "MTIOCPOS").message
    assert raises(DeviceError, player.open, "/dev/nst1").code == "unavailable"

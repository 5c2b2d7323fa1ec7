"""Opening what is no device, asking what no driver knows, and leaving nothing open after it.

On the machine's own /dev/null and /dev/random, through whatever back end this runtime has.
"""

import os

from support import raises, skip, temporary_folder

from agent.devices import Devices, faults, ioctl
from agent.devices.faults import DeviceError
from agent.errors import Unavailable

FAILURES = 10000


def transport():
    devices = Devices()
    try:
        devices.load("ioctl")
    except Unavailable as reason:
        skip(reason.message)
    return ioctl.Transport(devices.load("file")[1])


def open_descriptors():
    return len(os.listdir("/proc/self/fd"))


def test_a_wrong_request_names_errno_request_and_path():
    with transport().open("/dev/null") as device:
        error = raises(DeviceError, device.ask, "MTIOCGET")
    # The kernel says ENOTTY; the emulator of ARM, which knows requests by a list, ENOSYS.
    assert error.data["name"] in ("ENOTTY", "ENOSYS") and error.data["path"] == "/dev/null"
    assert error.data["request"]["name"] == "MTIOCGET"
    assert error.message.startswith("/dev/null: ioctl MTIOCGET (0x80")
    assert error.data["name"] in error.message


def test_a_right_request_is_answered_into_the_buffer():
    with transport().open("/dev/random") as device:
        assert 0 <= device.ask("RNDGETENTCNT") <= 4096


def test_what_is_no_device_is_not_opened():
    if not hasattr(os, "system"):
        skip("this interpreter cannot make a FIFO")
    here = transport()
    with temporary_folder() as folder:
        os.system("mkfifo %s/fifo" % folder)
        with open(folder + "/file", "w") as file:
            file.write("x")
        for path, what in (
            (folder + "/fifo", "a FIFO"),
            (folder + "/file", "a regular file"),
            (folder, "a folder"),
        ):
            error = raises(DeviceError, here.open, path)
            assert error.code == "bad-params" and what in error.message, error.message
    error = raises(DeviceError, here.open, "/dev/no-such-device")
    assert (error.code, error.data["name"]) == ("unavailable", "ENOENT")


def test_a_closed_device_says_so_and_closes_again():
    device = transport().open("/dev/null")
    device.close()
    device.close()
    for call in (
        lambda: device.ask("RNDGETENTCNT"),
        lambda: device.read(1),
        lambda: device.write(b"x"),
        lambda: device.pollable,
    ):
        assert "closed" in raises(DeviceError, call).message


def test_read_and_write_are_checked_by_the_driver():
    with transport().open("/dev/null") as device:
        assert device.read(10) == b""
        error = raises(DeviceError, device.write, b"x")
        assert error.data["name"] == "EBADF" and "write 1 bytes" in error.message


def test_failures_leave_no_descriptor_open():
    here = transport()
    before = open_descriptors()
    for turn in range(FAILURES // 2):
        raises(DeviceError, here.open, "/dev/no-such-device")
        with here.open("/dev/null") as device:
            raises(DeviceError, device.ask, "WDIOC_GETTIMEOUT" if turn % 2 else "MTIOCGET")
    assert open_descriptors() == before


def test_an_interrupted_question_is_asked_again_and_an_act_is_not():
    calls = []

    def interrupted(file, number, buffer):
        calls.append(number)
        raise faults.os_error(faults.EINTR)

    device = ioctl.Device("/dev/x", object(), interrupted, ioctl.this_machine())
    error = raises(DeviceError, device.ask, "RNDGETENTCNT")
    assert len(calls) == ioctl.RETRIES and error.data["name"] == "EINTR"
    del calls[:]
    error = raises(DeviceError, device.tell, "RNDADDTOENTCNT", 1)
    assert len(calls) == 1 and "in part" in error.message


def test_an_argument_that_does_not_fit_is_refused_before_the_call():
    with transport().open("/dev/random") as device:
        error = raises(DeviceError, device.tell, "RNDADDTOENTCNT", 1 << 31)
        assert error.code == "bad-params" and "RNDADDTOENTCNT: value: expected" in error.message
        assert "size: missing" in raises(DeviceError, device.ask, "EVIOCGNAME").message

"""What bad input and bad luck get from every family: a clear error, and nothing left open."""

import os

from device_registry import Bench, Job
from support import raises, skip, temporary_folder

from agent.devices import (
    Devices,
    adc,
    codes,
    faults,
    gpio,
    i2c,
    layout,
    led,
    onewire,
    pwm,
    rtc,
    spi,
    uart,
    watchdog,
)
from agent.devices.faults import DeviceError
from agent.devices.gpio_fake import FakeChip
from agent.devices.i2c_fake import FakeBus
from agent.devices.input_fake import FakeInput
from agent.devices.ioctl_fake import FakeTransport
from agent.devices.rtc_fake import FakeClock
from agent.devices.spi_fake import FakeChip as FakeSpi
from agent.devices.sysfs import Tree
from agent.devices.sysfs_fake import FakeTree
from agent.devices.tape_fake import FakeTape
from agent.devices.uart_fake import FakeLine
from agent.devices.watchdog_fake import FakeWatchdog
from agent.errors import LimpetError, Unavailable

TARGET = (codes.GENERIC, layout.LINUX_32)
FAILURES = 5000  # on fakes, and as many on real files
PATHS = {
    "gpio": "/dev/gpiochip0",
    "input": "/dev/input/event0",
    "tape": "/dev/nst0",
    "i2c": "/dev/i2c-1",
    "uart": "/dev/ttyS1",
    "rtc": "/dev/rtc0",
    "spi": "/dev/spidev0.0",
    "watchdog": "/dev/watchdog0",
}
# A call of each family that opens its device.
CALLS = (
    ("gpio.read", PATHS["gpio"], {"line": 1}),
    ("gpio.wait", PATHS["gpio"], {"line": 1, "wait_ms": 200}),
    ("input.read", PATHS["input"], {"wait_ms": 200}),
    ("tape.status", PATHS["tape"], {}),
    ("i2c.read", PATHS["i2c"], {"address": 0x48, "register": 0}),
    ("uart.read", PATHS["uart"], {"wait_ms": 200}),
    ("modbus.read", PATHS["uart"], {"address": 0, "wait_ms": 5, "tries": 1}),
    ("rtc.read", PATHS["rtc"], {}),
    ("spi.transfer", PATHS["spi"], {"data": [1]}),
    ("watchdog.start", PATHS["watchdog"], {"timeout_s": 5}),
)


class Machine:
    """One fake of each, on one transport."""

    def __init__(self):
        dog = FakeWatchdog(TARGET)
        self.transport = FakeTransport(
            {
                PATHS["gpio"]: FakeChip(TARGET),
                PATHS["input"]: FakeInput(TARGET, "button"),
                PATHS["tape"]: FakeTape(TARGET),
                PATHS["i2c"]: FakeBus(TARGET, {0x48: bytearray(256)}),
                PATHS["uart"]: FakeLine(TARGET),
                PATHS["rtc"]: FakeClock(TARGET),
                PATHS["spi"]: FakeSpi(TARGET, lambda data: data),
                PATHS["watchdog"]: dog,
            },
            TARGET,
        )
        self.bench = Bench(**families(self.transport, FakeTree(dog.files)))


def families(transport, sysfs):
    return {
        "ioctl": transport,
        "gpio": gpio.Chips(transport),
        "i2c": i2c.Buses(transport, sysfs),
        "uart": uart.Lines(transport, sysfs),
        "rtc": rtc.Clocks(transport, sysfs),
        "spi": spi.Chips(transport),
        "watchdog": watchdog.Watchdogs(transport, sysfs),
    }


def test_what_is_not_there_is_unavailable_by_name():
    here = Machine()
    for path in PATHS.values():
        here.transport.vanish(path)
    for method, path, params in CALLS:
        error = here.bench.refused(method, path=path, **params)
        assert error.code == "unavailable" and path in error.message, (method, error.message)
    assert here.transport.open_files == 0


class Closed:
    """A driver that lets nobody in."""

    def __init__(self, number):
        self._number = number

    def opened(self, writable):
        raise faults.os_error(self._number)


def test_no_permission_and_somebody_else_are_told_apart():
    for number, code in ((13, "denied"), (1, "denied"), (16, "busy"), (6, "unavailable")):
        transport = FakeTransport({path: Closed(number) for path in PATHS.values()}, TARGET)
        bench = Bench(**families(transport, FakeTree({})))
        for method, path, params in CALLS:
            error = bench.refused(method, path=path, **params)
            assert (error.code, error.data["errno"]) == (code, number), method
        assert transport.open_files == 0


def test_one_that_is_unplugged_in_the_middle_of_a_wait_says_so():
    for method, path, params in (
        ("input.read", PATHS["input"], {"wait_ms": 5000}),
        ("uart.read", PATHS["uart"], {"wait_ms": 5000}),
        ("uart.transact", PATHS["uart"], {"text": "x", "wait_ms": 5000}),
        ("modbus.read", PATHS["uart"], {"address": 0, "wait_ms": 5000, "tries": 1}),
    ):
        here = Machine()
        command = here.bench.registry.find(method)
        params = dict(params, path=path)
        steps = command.call(here.bench.registry.checked_params(command, params), Job())
        next(steps)
        if method == "modbus.read":
            next(steps)  # past the silence between frames
        here.transport.vanish(path)
        error = raises(DeviceError, run, steps)
        assert error.code == "unavailable" and error.data["name"] == "ENODEV", method
        assert here.transport.open_files == 0, method


def run(steps):
    while True:
        next(steps)


def test_a_cancelled_wait_gives_everything_back():
    for method, path, params in CALLS:
        here = Machine()
        command = here.bench.registry.find(method)
        if not isinstance(command.mode, tuple):
            continue
        params = here.bench.registry.checked_params(command, dict(params, path=path))
        steps = command.call(params, Job())
        next(steps)
        raises(KeyError, steps.throw, KeyError("cancelled"))
        assert here.transport.open_files == 0, method
        assert here.bench.refused(method, path="/dev/null", **dict(CALLS_BY[method]))


CALLS_BY = {method: params for method, _, params in CALLS}


def test_thousands_of_failures_on_fakes_leave_nothing_open():
    here = Machine()
    wrong = []
    for method, _, params in CALLS:
        wrong.append((method, "/dev/nothing", params))
    wrong.append(("gpio.read", PATHS["gpio"], {"line": 99}))
    wrong.append(("i2c.read", PATHS["i2c"], {"address": 0x29, "register": 0}))
    wrong.append(("i2c.transfer", PATHS["i2c"], {"address": 0x29, "size": 2}))
    wrong.append(("rtc.read", PATHS["rtc"], {}))
    wrong.append(("uart.read", PATHS["uart"], {"line": {"rs485": {}, "bits": 5}, "wait_ms": 0}))
    wrong.append(("watchdog.start", PATHS["watchdog"], {"timeout_s": 5000}))
    del here.bench.hardware.use("ioctl")._drivers[PATHS["uart"]].answers["TIOCSRS485"]
    for _ in range(FAILURES // len(wrong) + 1):
        for method, path, params in wrong:
            here.bench.refused(method, path=path, **params)
            del here.bench.asked[:]
    assert here.transport.open_files == 0


def test_thousands_of_failures_on_real_files_leave_no_descriptor_open():
    try:
        transport = Devices().use("ioctl")
    except Unavailable as reason:
        skip(reason.message)
    tree = FakeTree({})
    lines = uart.Lines(transport, tree)
    chips = gpio.Chips(transport)
    clocks = rtc.Clocks(transport, tree)
    before = len(os.listdir("/proc/self/fd"))
    settings = dict(uart.DEFAULTS)
    for _ in range(FAILURES // 4):
        # /dev/null opens, and then knows none of the requests
        for call, arguments in (
            (lines.open, ("/dev/null", settings)),
            (chips.open_inputs, ("/dev/null", [1], {})),
            (chips.value_before, ("/dev/null", 1, {})),
            (clocks.read, ("/dev/rtc-none", )),
        ):  # fmt: skip
            raises(LimpetError, call, *arguments)
    assert len(os.listdir("/proc/self/fd")) == before


def test_thousands_of_failures_on_drivers_files_leave_no_descriptor_open():
    try:
        before = len(os.listdir("/proc/self/fd"))
    except OSError:
        skip("nobody tells what is open here")
    with temporary_folder() as folder:
        for name in FILES:
            make_file(folder, name, FILES[name])
        use = {"sysfs": Tree(folder)}.__getitem__
        here = {
            "adc": adc.make(use),
            "pwm": pwm.make(use),
            "led": led.make(use),
            "onewire": onewire.make(use),
        }
        bench = Bench(**here)
        for turn in range(FAILURES // 2):
            method, params = WRONG_FILES[turn % len(WRONG_FILES)]
            error = bench.refused(method, **params)
            assert error.code in ("failed", "bad-params", "unavailable"), (method, error.code)
            del bench.asked[:]
        assert len(os.listdir("/proc/self/fd")) == before


FILES = {
    "bus/iio/devices/iio:device0/in_voltage0_raw": "many",
    "bus/iio/devices/iio:device0/in_temp_input": "nan",
    "class/pwm/pwmchip0/npwm": "1",
    "class/pwm/pwmchip0/pwm0/period": "x",
    "class/leds/green/brightness": "?",
    "class/leds/green/max_brightness": "1",
    "bus/w1/devices/28-000000000001/w1_slave": "ff : crc=c9 NO",
}
WRONG_FILES = (
    ("adc.read", {"path": "iio:device0"}),
    ("adc.read", {"path": "iio:device0", "channel": "voltage0"}),
    ("adc.read", {"path": "iio:device0", "channel": "temp"}),
    ("adc.read", {"path": "../../../etc", "channel": "temp"}),
    ("pwm.set", {"path": "pwmchip0", "channel": 0, "period_ns": 5, "duty_ns": 1}),
    ("pwm.set", {"path": "pwmchip0", "channel": 7, "period_ns": 5, "duty_ns": 1}),
    ("led.set", {"path": "green", "level": 1}),
    ("led.set", {"path": "red", "level": 1}),
    ("onewire.read", {"device": "28-000000000001"}),
    ("onewire.read", {"device": "28-000000000002"}),
)


def make_file(folder, path, text):
    """A file, with the folders that lead to it."""
    parts = path.split("/")
    for count in range(1, len(parts)):
        try:
            os.mkdir("/".join([folder] + parts[:count]))
        except OSError:
            pass  # it is there
    with open(folder + "/" + path, "w") as file:
        file.write(text)

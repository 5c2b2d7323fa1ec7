"""The contracts of sensors, pulses, lights and thermometers, through their declarations.

On fakes, on a board's `machine`, and in a lab on what its kernel's drivers have found.
"""

import sys

import fake_machine
from device_lab import TARGETS, in_lab, real
from device_registry import Bench, Job
from support import raises, skip

from agent.devices import adc, gpio, led, onewire, pwm
from agent.devices.faults import DeviceError, os_error
from agent.devices.gpio_fake import FakeChip
from agent.devices.ioctl_fake import FakeTransport
from agent.devices.sysfs import Tree
from agent.devices.sysfs_fake import FakeTree
from agent.errors import LimpetError

SENSOR, PULSES, LIGHT = "iio:device0", "pwmchip0", "green:status"
THERMOMETER = "28-000005e2fdc3"


def files():
    """A sysfs with one of each."""
    return {
        "bus/iio/devices/iio:device0/name": "ads1015",
        "bus/iio/devices/iio:device0/in_voltage0_raw": "1000",
        "bus/iio/devices/iio:device0/in_voltage1_raw": "-5",
        "bus/iio/devices/iio:device0/in_voltage1_scale": "0.5",
        "bus/iio/devices/iio:device0/in_voltage_scale": "3.000000",
        "bus/iio/devices/iio:device0/in_temp_raw": "100",
        "bus/iio/devices/iio:device0/in_temp_offset": "-50",
        "bus/iio/devices/iio:device0/in_temp_scale": "125",
        "bus/iio/devices/iio:device0/in_pressure_input": "101.325",
        "bus/iio/devices/iio:device0/in_count0_raw": "7",
        "bus/iio/devices/iio:device0/in_voltage0-voltage1_raw": "-40",
        "bus/iio/devices/iio:device0/in_voltage-voltage_scale": "0.25",
        "bus/iio/devices/iio:device0/in_accel_x_raw": "3",
        "bus/iio/devices/iio:device0/in_accel_scale": "0.5",
        "class/pwm/pwmchip0/npwm": "2",
        "class/pwm/pwmchip0/export": "",
        "class/leds/green:status/brightness": "0",
        "class/leds/green:status/max_brightness": "255",
        "class/leds/green:status/trigger": "none [heartbeat] timer",
        "bus/w1/devices/w1_bus_master1/w1_master_name": "w1_bus_master1",
        "bus/w1/devices/28-000005e2fdc3/w1_slave":
            "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125",
    }  # fmt: skip


class Linux:
    sensor, channel, pulses, light, bus = SENSOR, "voltage0", PULSES, LIGHT, "w1"

    def __init__(self):
        self.sysfs = FakeTree(files())
        self.sysfs.hooks = {
            "class/pwm/pwmchip0/export": self._export,
            "class/leds/green:status/trigger": self._choose,
        }
        chip = FakeTransport({"/dev/gpiochip0": FakeChip(TARGETS[0][1])}, TARGETS[0][1])
        self.line = "/dev/gpiochip0#5"
        self.transport = chip
        use = {"sysfs": self.sysfs, "gpio": gpio.Chips(chip)}.get
        self.bench = Bench(
            adc=adc.make(use), pwm=pwm.make(use), led=led.make(use), onewire=onewire.make(use)
        )

    def _export(self, number):
        at = "class/pwm/pwmchip0/pwm%s/" % number
        for name, text in (("period", "0"), ("duty_cycle", "0"), ("enable", "0")):
            self.sysfs.files[at + name] = text
        self.sysfs.files[at + "polarity"] = "normal"
        self.sysfs.hooks[at + "duty_cycle"] = lambda text: self._check(at, int(text), None)
        self.sysfs.hooks[at + "period"] = lambda text: self._check(at, None, int(text))

    def _check(self, at, duty, period):
        duty = int(self.sysfs.files[at + "duty_cycle"]) if duty is None else duty
        period = int(self.sysfs.files[at + "period"]) if period is None else period
        if duty > period:
            raise os_error(22)

    def _choose(self, name):
        # the kernel shows the choice in brackets: put there once the write is done
        self.sysfs.files["class/leds/green:status/trigger"] = "[%s]" % name

    def level(self):
        return int(self.sysfs.files["class/leds/green:status/brightness"])


class Lab:
    """Real drivers: a lab has some of these, by kind. What it has is looked for once."""

    sensor, channel, pulses, light, bus, line = None, "voltage0", None, None, None, None
    have = {}

    def __init__(self):
        if not self.have:
            kinds = ("adc", "pwm", "led", "onewire", "sysfs")
            self.have.update({name: real(name) for name in kinds if real(name)})
            Lab._look(self.have)
        self.bench = Bench(**self.have)
        self.sysfs = self.have["sysfs"]

    @classmethod
    def _look(cls, have):
        if "adc" in have:
            names = [row["path"] for row in have["adc"].sensors() if row["name"] == "ads1015"]
            cls.sensor = names[0] if names else None
        if in_lab("/sys/class/pwm/pwmchip0"):
            cls.pulses = "pwmchip0"
        if in_lab("/sys/class/leds/input0::capslock"):
            cls.light = "input0::capslock"
        if in_lab("/sys/bus/w1/devices/" + THERMOMETER):
            cls.bus = "w1"
        if in_lab("/sys/devices/platform/gpio-sim.0"):
            chips = real("gpio").chips()
            cls.line = [c["path"] for c in chips if c["label"] == "limpet"][0] + "#5"


class Board:
    sensor, channel, pulses, light, bus, line = "adc26", "voltage", "pwm", None, None, "pins#25"

    def __init__(self):
        if not hasattr(__import__("time"), "ticks_us"):
            sys.modules["time"].ticks_us = lambda: 7
        fake_machine.levels.clear()
        fake_machine.pulses.clear()
        fake_machine.voltages[26] = 32768
        pins = fake_machine.load("gpio_machine").make(None)
        lights = led.Lights({"gpio": pins}.__getitem__)
        self.bench = Bench(
            adc=fake_machine.load("adc_machine").make(None),
            pwm=fake_machine.load("pwm_machine").make(None),
            led=lights,
        )


IMPLEMENTATIONS = [("linux", Linux), ("machine", Board)]
if in_lab("/dev/uhid"):
    IMPLEMENTATIONS.append(("lab", Lab))


def having(start, what):
    here = start()
    if not getattr(here, what):
        skip("none here")
    return here


def test_a_sensor_is_read_in_its_unit(start):
    here = having(start, "sensor")
    told = here.bench.call("adc.read", path=here.sensor, channel=here.channel)
    assert told["unit"] == "mV" and told["value"] > 0 and told["raw"] > 0
    assert here.bench.asked == [("device", here.sensor, 0, 0, False)]
    assert here.bench.call("adc.list")[0]["channels"]
    error = here.bench.refused("adc.read", path=here.sensor, channel="smell")
    assert here.channel in error.message
    for path in ("iio:device7", "../../etc", "adc99", ""):
        assert here.bench.refused("adc.read", path=path, channel=here.channel)


def test_scales_and_offsets_are_those_of_the_channel_or_its_kind(start):
    here = linux(start)
    for channel, raw, value, unit in (
        ("voltage0", 1000, 3000, "mV"),
        ("voltage1", -5, -2.5, "mV"),
        ("temp", 100, 6250, "m°C"),
        ("pressure", None, 101.325, "kPa"),
        ("count0", 7, None, ""),
        ("voltage0-voltage1", -40, -10, "mV"),
        ("accel_x", 3, 1.5, "m/s2"),
    ):
        told = here.bench.call("adc.read", path=SENSOR, channel=channel)
        assert told == {"raw": raw, "value": value, "unit": unit}, told


def test_what_is_no_number_is_said_and_not_told_on(start):
    here = linux(start)
    place = {"path": SENSOR, "channel": "pressure"}
    for text in ("nan", "inf", "-inf", "many", ""):
        here.sysfs.files["bus/iio/devices/iio:device0/in_pressure_input"] = text
        error = here.bench.refused("adc.read", **place)
        assert error.code == "failed" and "in_pressure_input" in error.message, error.message
        here.sysfs.files["bus/iio/devices/iio:device0/in_voltage1_scale"] = text
        assert here.bench.refused("adc.read", path=SENSOR, channel="voltage1").code == "failed"


def of_kernel(start, what):
    here = having(start, what)
    if isinstance(here, Board):
        skip("a kernel's alone")
    return here


def linux(start):
    here = start()
    if not isinstance(here, Linux):
        skip("sysfs only")
    return here


def test_channels_of_a_real_converter_are_told_apart(start):
    here = having(start, "sensor")
    if not isinstance(here, Lab):
        skip("a lab's alone")
    for channel, value in (("voltage0", 1000), ("voltage1", 250), ("voltage0-voltage1", 750)):
        told = here.bench.call("adc.read", path=here.sensor, channel=channel)
        assert told == {"raw": value, "value": value, "unit": "mV"}, told


def test_pulses_are_set_and_what_was_is_told(start):
    here = having(start, "pulses")
    channel = 0 if isinstance(here, Lab) else 1
    place = {"path": here.pulses, "channel": channel, "period_ns": 1000000}
    here.bench.call("pwm.set", duty_ns=0, enabled=False, **place)
    del here.bench.asked[:]
    told = here.bench.call("pwm.set", duty_ns=250000, **place)
    assert told["before"]["enabled"] is False
    told = here.bench.call("pwm.set", duty_ns=0, **place)
    assert told["before"] == {
        "period_ns": 1000000, "duty_ns": 250000, "enabled": True, "inverted": False
    }  # fmt: skip
    here.bench.call("pwm.set", duty_ns=0, enabled=False, **place)
    assert here.bench.asked[0] == ("pin", here.pulses, channel, channel, True)
    assert "duty_ns" in here.bench.refused("pwm.set", duty_ns=1000001, **place).message
    for path, channel in (("pwmchip9", 0), (here.pulses, 77)):
        here.bench.refused("pwm.set", path=path, channel=channel, period_ns=5, duty_ns=1)


def test_a_pulse_never_outgrows_its_period_on_the_way(start):
    here = of_kernel(start, "pulses")
    place = {"path": here.pulses, "channel": 0}
    for period, duty in ((9000, 8000), (900, 450), (5000, 5000), (300, 0), (600, 600)):
        here.bench.call("pwm.set", period_ns=period, duty_ns=duty, **place)
        assert here.sysfs.number("class/pwm/pwmchip0/pwm0/duty_cycle") == duty
    if isinstance(here, Lab):
        told = here.bench.call("pwm.set", period_ns=900, duty_ns=9, inverted=True, **place)
        assert told["before"]["period_ns"] == 600 and not told["before"]["inverted"]
        told = here.bench.call("pwm.set", period_ns=900, duty_ns=9, **place)
        assert told["before"]["inverted"] and told["before"]["enabled"]
        return
    del here.sysfs.written[:]
    here.bench.call("pwm.set", period_ns=600, duty_ns=600, inverted=True, **place)
    order = [path.rsplit("/", 1)[1] for path, _ in here.sysfs.written]
    assert order == ["enable", "polarity", "period", "duty_cycle", "enable"]


def test_a_light_is_switched_and_a_pattern_puts_all_back(start):
    here = linux(start)
    assert here.bench.call("led.list") == [
        {"path": LIGHT, "brightness": 0, "most": 255, "trigger": "heartbeat"}
    ]
    steps = [{"level": 255, "ms": 1}, {"level": 3, "ms": 1}]
    here.bench.call("led.blink", path=LIGHT, pattern=steps, times=2)
    levels = [text for path, text in here.sysfs.written if path.endswith("brightness")]
    assert levels == ["255", "3", "255", "3", "0"]
    assert here.sysfs.written[-1] == ("class/leds/green:status/trigger", "heartbeat")
    assert here.bench.asked[0] == ("device", LIGHT, 0, 0, True)
    assert here.bench.call("led.set", path=LIGHT, level=9) == {"before": 0}
    assert here.level() == 9
    assert "at most 255" in here.bench.refused("led.set", path=LIGHT, level=256).message
    assert LIGHT in here.bench.refused("led.set", path="red", level=1).message


def test_a_real_light_is_lit_and_given_back_to_its_trigger(start):
    here = having(start, "light")
    if not isinstance(here, Lab):
        skip("a lab's alone")
    told = [row for row in here.bench.call("led.list") if row["path"] == here.light][0]
    assert (told["most"], told["trigger"]) == (1, "kbd-capslock")
    here.bench.call("led.blink", path=here.light, pattern=[{"level": 1, "ms": 5}], times=2)
    assert [row for row in here.bench.call("led.list") if row["path"] == here.light] == [told]
    for before, level in ((0, 1), (1, 0)):
        assert here.bench.call("led.set", path=here.light, level=level) == {"before": before}
        assert here.sysfs.number("class/leds/%s/brightness" % here.light) == level
    here.sysfs.write("class/leds/%s/trigger" % here.light, "kbd-capslock")
    assert "at most 1" in here.bench.refused("led.set", path=here.light, level=2).message


def test_a_light_on_a_line_is_switched_by_the_same_commands(start):
    here = having(start, "line")
    assert here.bench.call("led.set", path=here.line, level=1) == {"before": 0}
    here.bench.call("led.blink", path=here.line, pattern=[{"level": 0, "ms": 1}], times=1)
    # a line that nobody holds keeps its level on a board; gpio-sim lets go of it
    before = 0 if isinstance(here, Lab) else 1
    assert here.bench.call("led.set", path=here.line, level=0) == {"before": before}
    chip, line = here.line.split("#")
    assert here.bench.asked[0] == ("pin", chip, int(line), int(line), True)
    assert "at most 1" in here.bench.refused("led.set", path=here.line, level=2).message
    here.bench.refused("led.set", path="pins#x", level=1)
    here.bench.check_closed(
        (
            ("led.set", {"path": here.line, "level": 1}),
            ("led.blink", {"path": here.line}),
            ("adc.read", {"path": here.sensor or SENSOR}),
            (
                "pwm.set",
                {"path": here.pulses or PULSES, "channel": 0, "period_ns": 9, "duty_ns": 1},
            ),
            ("onewire.read", {"device": THERMOMETER}),
            ("onewire.list", {}),
        )
    )


def test_a_real_thermometer_measures(start):
    here = having(start, "bus")
    if not isinstance(here, Lab):
        skip("a lab's alone")
    assert here.bench.call("onewire.list")["devices"] == ["28-000000000001", THERMOMETER]
    told = here.bench.call("onewire.read", device=THERMOMETER)
    assert told == {"millidegrees": 23125, "unit": "m°C"}
    assert here.bench.refused("onewire.read", device="28-1").code == "unavailable"


def test_a_cancelled_pattern_puts_all_back(start):
    here = linux(start)
    command = here.bench.registry.find("led.blink")
    steps = command.call(here.bench.registry.checked_params(command, {"path": LIGHT}), Job())
    next(steps)
    assert here.level() == 1
    raises(KeyError, steps.throw, KeyError("cancelled"))
    assert here.level() == 0
    assert here.sysfs.written[-1][1] == "heartbeat"


def test_a_thermometer_is_read_and_a_broken_answer_is_no_number(start):
    here = linux(start)
    assert here.bench.call("onewire.list") == {"devices": [THERMOMETER]}
    told = here.bench.call("onewire.read", device=THERMOMETER)
    assert told == {"millidegrees": 23125, "unit": "m°C"}
    at = "bus/w1/devices/%s/w1_slave" % THERMOMETER
    for text, words in (
        ("72 : crc=57 NO\n72 t=23125", "checksum"),
        ("", "checksum"),
        ("50 05 4b 46 7f ff 0c 10 1c : crc=1c YES\n50 05 t=85000", "lost power"),
    ):
        here.sysfs.files[at] = text
        assert words in here.bench.refused("onewire.read", device=THERMOMETER).message
    here.sysfs.files[at] = "ff : crc=1c YES\nff t=-1250"
    assert here.bench.call("onewire.read", device=THERMOMETER)["millidegrees"] == -1250
    assert here.bench.refused("onewire.read", device="28-1").code == "unavailable"
    assert here.bench.refused("onewire.read", path="onewire3", device="28-1")


def test_the_kernels_own_files_are_read_as_the_fake_is(start):
    from support import temporary_folder

    with temporary_folder() as folder:
        tree = Tree(folder)
        with open(folder + "/value", "w") as file:
            file.write(" 12\n")
        assert tree.number("value") == 12 and tree.names("", "val") == ["value"]
        tree.write("value", 7)
        assert tree.read("value") == "7" and tree.read("none", "x") == "x"
        assert tree.number("none", -1) == -1 and tree.names("nowhere") == []
        assert raises(DeviceError, tree.read, "none").data["name"] == "ENOENT"
        assert raises(DeviceError, tree.write, "none", 1).data["name"] == "ENOENT"
        tree.write("value", "x")
        assert "expected a number" in raises(DeviceError, tree.number, "value").message
        assert raises(LimpetError, tree.child, "", "../value").code == "unavailable"

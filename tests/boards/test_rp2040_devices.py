"""Each family of device commands on an emulated RP2040, over MicroPython's own `machine`.

What `machine` does there is what the fake in tests/fake_machine.py stands for. The chips at the
pins are here: they take and give what a logic analyser would see.
"""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT / "tools/labs"))
sys.path.append(str(ROOT / "tests"))
import fake_machine  # noqa: E402
import fake_onewire  # noqa: E402
from chips import Thermometer  # noqa: E402

BYTES_OF_CHIP = 256
RESET_US, ONE_US = 300, 15  # of 1-wire: what is longer, and what is shorter
PRESENT_US, PULL_US = 200, 30  # so long a device holds the wire then


class Registers:
    """A chip on I2C at 0x48 with 256 registers, at the board's controller."""

    def __init__(self, bus):
        self._bus = bus
        self._data = bytearray(BYTES_OF_CHIP)
        self._place = 0
        self._is_first = False
        bus.on_connect = self._connect
        bus.on_write_byte = self._write
        bus.on_read_byte = self._read

    def _connect(self, address, mode):
        self._is_first = True
        self._bus.complete_connect(address == 0x48)

    def _write(self, value):
        if self._is_first:
            self._place = value
        else:
            self._data[self._place] = value
            self._place = (self._place + 1) % BYTES_OF_CHIP
        self._is_first = False
        self._bus.complete_write(True)

    def _read(self, is_wanted_more):
        value = self._data[self._place]
        self._place = (self._place + 1) % BYTES_OF_CHIP
        self._bus.complete_read(value)


class Wire:
    """1-wire at a pin, by the times between its edges."""

    def __init__(self, chip, line, devices):
        self._clock = chip.clock
        self._pin = chip.gpio[line]
        self._devices = devices
        self._since = 0
        self._release = chip.clock.create_alarm(lambda: self._pin.set_input_value(True))
        self._pin.set_input_value(True)
        self._pin.add_listener(self._changed)

    def _changed(self, value, last):
        if value == 0:
            self._since = self._clock.nanos
        elif last == 0:
            self._let_go((self._clock.nanos - self._since) / 1000)

    def _let_go(self, low_us):
        if low_us > RESET_US:
            for device in self._devices:
                device.reset()
            self._hold(PRESENT_US)
            return
        bit = 1 if low_us < ONE_US else 0
        if min([bit] + [device.slot(bit) for device in self._devices]) < bit:
            self._hold(PULL_US)

    def _hold(self, us):
        self._pin.set_input_value(False)
        self._release.schedule(us * 1000)


class Edges:
    """When a pin went up and down, in ms of the board's time."""

    def __init__(self, board, line):
        self.ups, self.downs = [], []
        self._board = board
        board.chip.gpio[line].add_listener(self._note)

    def _note(self, value, last):
        found = {0: self.downs, 1: self.ups}.get(int(value))
        if found is not None:
            found.append(self._board.now_ms)


def loop_back(pin):
    """What a pad drives is on it, too; the emulator leaves that to whoever is outside."""

    def follow(value, last):
        if int(value) in (0, 1):
            pin.set_input_value(int(value) == 1)

    pin.add_listener(follow)


@pytest.fixture(scope="module")
def told(board):
    """{method: all that the board printed of it}, and what was seen at its pins."""
    names = ("device_registry.py", "support.py")
    files = {name: (ROOT / "tests" / name).read_text() for name in names}
    pico = board({"main.py": "import devices", **files})
    chip = pico.chip
    chip.adc.channel_values[0] = 2048
    spi = chip.spi[0]
    spi.on_transmit = lambda value: spi.complete_transmit(value ^ 0xFF)
    Registers(chip.i2c[0])
    broken = Thermometer([0x28, 0xB0, 0, 0, 0, 0, 0], 20)
    broken.is_broken = True
    warm = Thermometer([0x28, 0xC3, 0xFD, 0xE2, 0x05, 0, 0], 23.125)
    cold = Thermometer([0x28, 1, 0, 0, 0, 0, 0], -10.0625)
    Wire(chip, 22, [warm, cold, broken])
    chip.gpio[6].set_input_value(False)
    chip.gpio[21].set_input_value(True)
    for number in (2, 25):
        loop_back(chip.gpio[number])
    line = pico.wire(1, lambda byte: line.send(bytes([byte ^ 0x20 if byte >= 64 else byte])))
    seen = {"cs": Edges(pico, 17), "light": Edges(pico, 25)}
    pico.run_until("@waits")
    alarm = chip.clock.create_alarm(lambda: chip.gpio[6].set_input_value(True))
    alarm.schedule(50e6)
    pico.run_until("@pulses")
    seen["pulses"] = Edges(pico, 15)
    pico.run_until("@starves")
    pico.run_until("@survey", 30)  # which comes behind why it started
    assert pico.resets == 1
    found = {}
    for row in pico.text.splitlines()[:-1]:  # the last one may be half there
        if row.startswith("@"):
            method, _, words = row[1:].partition(" ")
            found.setdefault(method, []).append(json.loads(words))
    print(pico.text)
    return found, seen


def test_the_board_finds_its_own_back_ends(told):
    by_name = told[0]["survey"][0]
    names = "gpio uart i2c spi adc pwm onewire rtc memory watchdog"
    for name in names.split(" "):
        assert by_name[name] == "machine", name
    assert by_name["led"] == "lines" and by_name["modbus"] == "own" and by_name["pci"] is None


# What the fakes have beside: what a test moves them by, and what MicroPython documents for ports
# other than this one.
BESIDE = {"WDT": {"made"}, "ADC": {"read_uv"}, "_onewire": {"wires"}}


def public(thing):
    return {name for name in dir(thing) if not name.startswith("_")}


def test_the_fakes_have_nothing_that_a_boards_own_modules_lack(told):
    found = told[0]
    for kind, names in found["machine"][0].items():
        beside = public(getattr(fake_machine, kind)) - set(names)
        assert beside == BESIDE.get(kind, set()), kind
    assert public(fake_onewire) - set(found["_onewire"][0]) == BESIDE["_onewire"]


def test_pins_are_driven_read_and_felt(told):
    found = told[0]
    assert found["gpio.write"][:2] == [{"before": 0, "value": 1}, {"before": 1, "value": 0}]
    assert found["gpio.write"][2]["value"] == 1
    assert found["gpio.read"][:2] == [{"value": 0}, {"value": 1}]
    assert found["gpio.read"][2]["error"] == "bad-params"
    edge = found["gpio.wait"][0]["edges"][0]
    assert (edge["line"], edge["edge"], edge["number"]) == (6, "rising", 1)


def test_a_light_blinks(told):
    found, seen = told
    assert found["led.set"] == [{"before": 0}] and found["led.blink"] == [{}]
    assert len(seen["light"].downs) >= 3


def test_a_voltage_is_measured(told):
    first, smell, none = told[0]["adc.read"]
    assert abs(first["raw"] - 32768) < 32 and first["unit"] == "mV"
    assert "voltage" in smell["message"] and none["error"] == "bad-params"


def test_pulses_have_their_length(told):
    found, seen = told
    first, inverted, off, none = found["pwm.set"]
    assert first["before"]["enabled"] is False and none["error"] == "bad-params", found["pwm.set"]
    ups, downs = seen["pulses"].ups, seen["pulses"].downs
    periods = [after - before for before, after in zip(ups, ups[1:], strict=False)][2:10]
    assert all(abs(period - 1) < 0.02 for period in periods), periods
    highs = [min(d for d in downs if d > up) - up for up in ups[2:10]]
    assert all(abs(high - 0.25) < 0.02 for high in highs), highs


def test_a_chip_on_spi_answers_while_it_is_selected(told):
    found, seen = told
    short, long, none = found["spi.transfer"]
    assert short == {"data": [0x60, 0xFF, 0xFE]} and long == {"data": [0xFA] * 300}
    assert none["error"] == "bad-params"
    assert len(seen["cs"].downs) == 1


def test_a_chip_on_i2c_keeps_its_registers(told):
    found = told[0]
    # A scan goes out bit by bit at the pins, past the controller that the chip hangs on.
    assert found["i2c.write"][0]["before"] == [0, 0, 0]
    assert found["i2c.read"][0] == {"data": [1, 2, 3]} and "error" in found["i2c.read"][1]


def test_a_line_a_clock_and_memory(told):
    found = told[0]
    assert found["uart.transact"][0]["text"] == "PING\n"
    assert found["rtc.read"][0]["unix_s"] in (1800000001, 1800000002)
    assert found["memory.read"][0]["value"] & 0xFFFFFFF == 0x0002927, found["memory.read"]


def test_thermometers_on_a_pin(told):
    found = told[0]
    names = ["28-000000000001", "28-0000000000b0", "28-000005e2fdc3"]
    assert sorted(found["onewire.list"][0]["devices"]) == names
    warm, cold, broken, none = found["onewire.read"]
    assert (warm["millidegrees"], cold["millidegrees"]) == (23125, -10062)
    assert "checksum" in broken["message"] and none["error"] == "unavailable"
    assert found["onewire.list"][1] == {"devices": []}


def test_a_watchdog_that_starves_restarts_the_board(told):
    found = told[0]
    assert found["watchdog.start"] == [{"timeout_s": 2}]
    before, after = [rows[0]["reset_causes"] for rows in found["watchdog.list"]]
    assert (before, after) == (["power-on"], ["watchdog"])

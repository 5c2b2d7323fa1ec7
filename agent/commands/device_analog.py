"""`adc.*`, `pwm.*`, `led.*`, `onewire.*`: what measures and what glows, each in a few rows.

The one rule: reading a sensor wants the policy's leave as writing does: on a board it takes a pin
into use. A pattern of lights is a task, and puts everything back when it ends or is cancelled.
"""

from agent import schema
from agent.commands.device_parameters import path
from agent.commands.hardware import TASK
from agent.errors import BadParams

NEEDS = ("adc", "pwm", "led", "onewire")
MAX_STEPS = 32


def _sensors(hardware, params):
    return hardware.use("adc").sensors()


def _measure(hardware, params):
    hardware.guard("device", params["path"], 0, 0, False)
    return hardware.use("adc").read(params["path"], params["channel"])


def _chips(hardware, params):
    return hardware.use("pwm").chips()


def _set_pulse(hardware, params):
    channel = params["channel"]
    hardware.guard("pin", params["path"], channel, channel, True)
    pulse = (params["period_ns"], params["duty_ns"], params["enabled"], params["inverted"])
    return {"before": hardware.use("pwm").set(params["path"], channel, *pulse)}


def _lights(hardware, params):
    return hardware.use("led").lights()


def _open_light(hardware, params):
    chip, _, line = params["path"].rpartition("#")
    if chip and line.isdigit():
        hardware.guard("pin", chip, int(line), int(line), True)
    else:
        hardware.guard("device", params["path"], 0, 0, True)
    return hardware.use("led").open(params["path"])


def _check_levels(light, levels, name):
    for index, level in enumerate(levels):
        if level > light.most:
            where = name if len(levels) == 1 else "%s[%d].level" % (name, index)
            raise BadParams("%s: expected at most %d, got %d" % (where, light.most, level))


def _set_light(hardware, params):
    light = _open_light(hardware, params)
    try:
        _check_levels(light, [params["level"]], "level")
        before = light.get()
        light.set(params["level"])
        return {"before": before}
    finally:
        light.close()


def _blink(hardware, params, job):
    light = _open_light(hardware, params)
    try:
        steps = params["pattern"]
        _check_levels(light, [step["level"] for step in steps], "pattern")
        try:
            for turn in range(params["times"]):
                job.progress(turn / params["times"])
                for step in steps:
                    light.set(step["level"])
                    yield step["ms"]
        finally:
            light.restore()
    finally:
        light.close()
    return {}


def _on_wire(hardware, params):
    hardware.guard("bus", params["path"], 0, 0, False)
    return {"devices": hardware.use("onewire").devices(params["path"])}


def _temperature(hardware, params, job):
    hardware.guard("bus", params["path"], 0, 0, False)
    return (yield from hardware.use("onewire").read(params["path"], params["device"]))


_SENSOR = (
    path("the sensor, iio:device0; on a board adc26"),
    schema.text("channel", "voltage", low=1, high=40, about="as in adc.list"),
)
_NS = 1_000_000_000
_PULSE = (
    path("the chip, pwmchip0; on a board pwm"),
    schema.integer("channel", low=0, high=255, about="on a board the pin"),
    schema.integer("period_ns", low=1, high=100 * _NS, unit="ns"),
    schema.integer("duty_ns", low=0, high=100 * _NS, unit="ns", about="of them on"),
    schema.boolean("enabled", True),
    schema.boolean("inverted", False),
)
_LIGHT = path("the light, as in led.list, or CHIP#LINE: /dev/gpiochip0#5, on a board pins#25")
_LEVEL = schema.integer("level", low=0, high=65535, about="0 off; a line knows 0 and 1")
_STEP = (_LEVEL, schema.integer("ms", low=1, high=60000, unit="ms"))
_ON_OFF = [{"level": 1, "ms": 500}, {"level": 0, "ms": 500}]
_PATTERN = schema.sequence(
    "pattern", schema.structure("step", _STEP), _ON_OFF, low=1, high=MAX_STEPS
)
_TIMES = schema.integer("times", 5, low=1, high=100000)
_WIRE = schema.text("path", "w1", low=1, high=64, about="the bus, w1; on a board onewire22")
_DEVICE = schema.text("device", low=1, high=40, about="as in onewire.list, 28-000005e2fdc3")

COMMANDS = {
    "adc": (
        ("list", _sensors, (), "read", "repeat", "Every sensor: path, name, channels."),
        ("read", _measure, _SENSOR, "act", "repeat",
         "One reading. {raw, value: null where nothing says how to convert, unit}"),
    ),
    "pwm": (
        ("list", _chips, (), "read", "repeat", "Every chip: path, how many channels."),
        ("set", _set_pulse, _PULSE, "act", "once",
         "Makes pulses, which go on. {before: period_ns, duty_ns, enabled, inverted}"),
    ),
    "led": (
        ("list", _lights, (), "read", "repeat", "Every named light: brightness, most, trigger."),
        ("set", _set_light, (_LIGHT, _LEVEL), "act", "once", "Switches a light. {before}"),
        ("blink", _blink, (_LIGHT, _PATTERN, _TIMES), "act", "once",
         "Runs a pattern; then all is as before. {}", TASK),
    ),
    "onewire": (
        ("list", _on_wire, (_WIRE,), "act", "repeat", "What is on the bus. {devices}"),
        ("read", _temperature, (_WIRE, _DEVICE), "act", "repeat",
         "A temperature. {millidegrees, unit}", TASK),
    ),
}  # fmt: skip

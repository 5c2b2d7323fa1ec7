"""`device.*`: what hardware can be reached here; and the door to the families that reach it.

The one rule: a family is loaded when the first of its commands is asked for, by the main thread,
so that an agent which touches no device holds none of it. A family is data: a module with NEEDS,
the capabilities that it uses, and COMMANDS, rows of (verb, call, params, permission, repeat,
about): `call(hardware, params)` gives the result, the rest is what the registry says it is. A
seventh says how it runs: INLINE, or TASK for a generator `call(hardware, params, job)` that yields
the ms it wants to rest.
"""

from agent import schema
from agent.commands.registry import INLINE, PLAIN, Command

# The first part of a command's name: the module that has the family.
FAMILIES = {
    "ioctl": "agent.commands.device_ioctl",
    "tape": "agent.commands.device_tape",
    "input": "agent.commands.device_input",
    "gpio": "agent.commands.device_gpio",
    "pci": "agent.commands.device_pci",
    "uart": "agent.commands.device_uart",
    "modbus": "agent.commands.device_modbus",
    "i2c": "agent.commands.device_i2c",
    "spi": "agent.commands.device_spi",
    "adc": "agent.commands.device_analog",
    "pwm": "agent.commands.device_analog",
    "led": "agent.commands.device_analog",
    "onewire": "agent.commands.device_analog",
    "rtc": "agent.commands.device_rtc",
    "memory": "agent.commands.device_memory",
    "watchdog": "agent.commands.device_watchdog",
}


def load_family(name, hardware):
    """The commands of the family called `name`, () if there is none. The main thread's to call."""
    if name not in FAMILIES:
        return ()
    module = _module(FAMILIES[name])
    hardware.prepare(module.NEEDS)
    rows = module.COMMANDS
    if isinstance(rows, dict):  # small families share a module
        rows = rows[name]
    return [_declare(name, hardware, *row) for row in rows]


def _declare(family, hardware, verb, call, params, permission, repeat, about, mode=PLAIN):
    def run(values):
        return call(hardware, values)

    def run_task(values, job):
        return call(hardware, values, job)

    run = run_task if isinstance(mode, tuple) else run
    return Command("%s.%s" % (family, verb), run, params, permission, repeat, mode, about)


def commands(hardware):
    """The family that is always there."""

    def list_devices(params):
        return hardware.devices.survey()

    def describe_device(params):
        return hardware.devices.describe(params["name"])

    name = schema.text("name", low=1, high=32, about="a capability, as in device.list")
    return (
        Command(
            "device.list",
            list_devices,
            (),
            "read",
            "repeat",
            INLINE,
            "Every capability: its back end here, or every reason why there is none.",
        ),
        Command(
            "device.describe",
            describe_device,
            (name,),
            "read",
            "repeat",
            INLINE,
            "One capability: what it is for, and each back end with the reason it is not here.",
        ),
    )


def _module(name):
    module = __import__(name)
    for part in name.split(".")[1:]:
        module = getattr(module, part)
    return module

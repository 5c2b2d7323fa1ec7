"""Capabilities and their back ends: what can be done with hardware here, by what, or why not.

A capability has one contract, written in the module that is named after it, and back ends in
order of preference: rows of data, imported when tried. A back end is here if everything in its
`needs` is; what was missing is kept and told. The one rule: nothing is looked for by the name of
a platform, and nothing is opened on import. Fakes ship in `*_fake.py`, stand in no row, and pass
the same contract tests.
"""

import os
from collections import namedtuple

from agent.errors import Unavailable

# module  what to import, or '' where the capability's own module is all there is
# needs   what must be here: 'module NAME', 'path PATH', 'path START*', 'attribute MODULE NAME', or
#         'capability NAME'
Backend = namedtuple("Backend", ("name", "module", "needs"))
Capability = namedtuple("Capability", ("name", "about", "backends"))

CAPABILITIES = (
    Capability(
        "file",
        "device files opened without waiting",
        (
            Backend("cpython", "agent.devices.raw_cpython", ("attribute os O_NONBLOCK",)),
            Backend("linux", "agent.devices.raw_linux", ("module _linux",)),
            Backend("ffi", "agent.devices.raw_ffi", ("module ffi",)),
            Backend("plain", "agent.devices.raw_plain", ("path /dev/null",)),
        ),
    ),
    Capability(
        "window",
        "a device's memory, at exact widths",
        (
            Backend("cpython", "agent.devices.window_cpython", ("attribute mmap PROT_READ",)),
            Backend("linux", "agent.devices.window_linux", ("attribute _linux mmap",)),
            Backend("ffi", "agent.devices.window_ffi", ("module ffi", "module uctypes")),
        ),
    ),
    Capability(
        "program",
        "programs started and watched, Python of its own",
        (
            Backend("cpython", "agent.system_calls.cpython", ("attribute os posix_spawn",)),
            Backend("linux", "agent.system_calls.native", ("attribute _linux O_PATH",)),
            Backend("ffi", "agent.system_calls.foreign", ("module ffi", "path /proc/self/fd")),
        ),
    ),
    Capability(
        "ioctl",
        "requests to any device's driver",
        (Backend("linux", "agent.devices.ioctl", ("module fcntl", "path /dev")),),
    ),
    Capability(
        "sysfs",
        "what drivers tell in files",
        (Backend("linux", "agent.devices.sysfs", ("path /sys/class",)),),
    ),
    Capability(
        "tape",
        "tape drives: position, operations, blocks",
        (Backend("linux", "agent.devices.tape", ("capability ioctl", "path /dev/nst0")),),
    ),
    Capability(
        "input",
        "keyboards, buttons, knobs: names, identities, events",
        (Backend("linux", "agent.devices.input", ("capability ioctl", "path /dev/input")),),
    ),
    Capability(
        "gpio",
        "lines of GPIO chips: values, edges",
        (
            Backend("linux", "agent.devices.gpio", ("capability ioctl", "path /dev/gpiochip*")),
            Backend("machine", "agent.devices.gpio_machine", ("attribute machine Pin",)),
        ),
    ),
    Capability(
        "uart",
        "serial lines, RS-485 among them",
        (
            Backend("linux", "agent.devices.uart", ("capability ioctl", "path /sys/class/tty")),
            Backend("machine", "agent.devices.uart_machine", ("attribute machine UART",)),
        ),
    ),
    Capability(
        "modbus",
        "field devices, over serial lines and TCP",
        (Backend("own", "agent.devices.modbus_link", ()),),
    ),
    Capability(
        "i2c",
        "chips on I2C and SMBus",
        (
            Backend("linux", "agent.devices.i2c", ("capability ioctl", "path /dev/i2c-*")),
            Backend("machine", "agent.devices.i2c_machine", ("attribute machine I2C",)),
        ),
    ),
    Capability(
        "spi",
        "chips on SPI",
        (
            Backend("linux", "agent.devices.spi", ("capability ioctl", "path /dev/spidev*")),
            Backend("machine", "agent.devices.spi_machine", ("attribute machine SPI",)),
        ),
    ),
    Capability(
        "adc",
        "voltages and what other sensors measure",
        (
            Backend("linux", "agent.devices.adc", ("path /sys/bus/iio/devices/iio:*",)),
            Backend("machine", "agent.devices.adc_machine", ("attribute machine ADC",)),
        ),
    ),
    Capability(
        "pwm",
        "pulses of a given width",
        (
            Backend("linux", "agent.devices.pwm", ("path /sys/class/pwm/pwmchip*",)),
            Backend("machine", "agent.devices.pwm_machine", ("attribute machine PWM",)),
        ),
    ),
    Capability(
        "led",
        "lights, by name or by the line they hang on",
        (
            Backend("linux", "agent.devices.led", ("path /sys/class/leds",)),
            Backend("lines", "agent.devices.led", ("capability gpio",)),
        ),
    ),
    Capability(
        "onewire",
        "thermometers on 1-wire",
        (
            Backend("linux", "agent.devices.onewire", ("path /sys/bus/w1/devices",)),
            Backend(
                "machine",
                "agent.devices.onewire_machine",
                ("attribute machine Pin", "module _onewire"),
            ),
        ),
    ),
    Capability(
        "rtc",
        "clocks that run while all else is off",
        (
            Backend("linux", "agent.devices.rtc", ("capability ioctl", "path /dev/rtc*")),
            Backend("machine", "agent.devices.rtc_machine", ("attribute machine RTC",)),
        ),
    ),
    Capability(
        "memory",
        "physical memory and I/O ports",
        (
            Backend("linux", "agent.devices.memory", ("path /dev/mem", "capability window")),
            Backend("machine", "agent.devices.memory_machine", ("attribute machine mem32",)),
        ),
    ),
    Capability(
        "watchdog",
        "timers that restart the machine unless they are fed",
        (
            Backend(
                "linux", "agent.devices.watchdog", ("capability ioctl", "path /dev/watchdog*")
            ),
            Backend("machine", "agent.devices.watchdog_machine", ("attribute machine WDT",)),
        ),
    ),
    Capability(
        "pci",
        "PCI functions: headers, BARs, registers",
        (
            Backend(
                "linux",
                "agent.devices.pci_linux",
                ("path /sys/bus/pci/devices", "capability window"),
            ),
        ),
    ),
)


class Devices:
    """Loads back ends, and remembers which. Owner: the main thread, which loads all of them.

    `table` is CAPABILITIES or, in a test, another; `import_module(name)` and `has(need)` likewise.
    """

    def __init__(self, table=CAPABILITIES, import_module=None, has=None):
        self._table = table
        self._import = import_module or _import
        self._missing = has or missing
        self._loaded = {}
        self._made = {}

    def load(self, name):
        """(back end's name, module) of a capability. Raises Unavailable with every reason."""
        if name in self._loaded:
            return self._loaded[name]
        reasons = []
        for backend in self._find(name).backends:
            reason = self._reason(backend, {})
            if reason is None:
                try:
                    self._loaded[name] = (backend.name, self._import(backend.module))
                    return self._loaded[name]
                except ImportError as error:
                    reason = str(error)
            reasons.append("%s: %s" % (backend.name, reason))
        raise Unavailable("%s: not here; %s" % (name, "; ".join(reasons)))

    def use(self, name):
        """The capability's own object, made when first asked for. Raises Unavailable.

        A back end has `make(use)`, which gives what its contract describes over other
        capabilities; without one the module itself is it.
        """
        if name not in self._made:
            module = self.load(name)[1]
            make = getattr(module, "make", None)
            self._made[name] = make(self.use) if make else module
        return self._made[name]

    def put(self, name, made):
        """Have a capability be `made`: a fake, or what another program brings."""
        self._made[name] = made

    def survey(self):
        """What `about` tells of each capability: its back end, or why there is none.

        Imports no back end: it looks for what each needs, once: a board's file system takes
        milliseconds to say that a module is not there.
        """
        found = {}
        known = {}
        for row in self._table:
            found[row.name] = self._line(row, known)
        return found

    def describe(self, name):
        """One capability with all its back ends. Raises Unavailable for an unknown one."""
        row = self._find(name)
        backends = []
        for backend in row.backends:
            reason = self._reason(backend, {})
            words = {"name": backend.name, "here": reason is None}
            if reason is not None:
                words["reason"] = reason
            backends.append(words)
        return {"name": row.name, "about": row.about, "backends": backends}

    def _line(self, row, known):
        reasons = []
        for backend in row.backends:
            reason = self._reason(backend, known)
            if reason is None:
                known["capability " + row.name] = None
                return {"backend": backend.name}
            reasons.append("%s: %s" % (backend.name, reason))
        known["capability " + row.name] = absent = "; ".join(reasons)
        return {"absent": absent}

    def _reason(self, backend, known):
        """What a back end lacks, or None. `known` has what was looked for: {need: the same}."""
        for need in backend.needs:
            if need not in known:
                if need.startswith("capability "):
                    self._line(self._find(need[11:]), known)
                else:
                    known[need] = self._missing(need)
            if known[need] is not None:
                return known[need]
        return None

    def _find(self, name):
        for row in self._table:
            if row.name == name:
                return row
        known = ", ".join([row.name for row in self._table])
        raise Unavailable("%s: no capability is called so; there are %s" % (name, known))


def missing(need):
    """Why a need of a back end is not met here, or None if it is."""
    kind, _, thing = need.partition(" ")
    return _LOOKS[kind](thing)


def _missing_module(name):
    try:
        __import__(name)
    except ImportError as error:
        text = str(error)
        return text if " " in text else "no module named %s" % name
    return None


def _missing_path(path):
    try:
        if path.endswith("*"):
            folder, start = path[:-1].rsplit("/", 1)
            if not any(name.startswith(start) for name in os.listdir(folder)):
                return "no %s here" % path
        else:
            os.stat(path)
    except OSError:
        return "no %s here" % path
    return None


def _missing_attribute(words):
    module, _, name = words.partition(" ")
    if module not in _found:
        reason = _missing_module(module)
        if reason is not None:
            return reason
        # A board that is asked for `machine` looks through its file system first, each time.
        _found[module] = __import__(module)
    return None if hasattr(_found[module], name) else "%s has no %s" % (module, name)


_found = {}  # name: the module, of those that are there


_LOOKS = {"module": _missing_module, "path": _missing_path, "attribute": _missing_attribute}


def _import(name):
    module = __import__(name)
    for part in name.split(".")[1:]:
        module = getattr(module, part)
    return module

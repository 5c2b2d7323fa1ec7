"""`device.*`: what hardware can be reached here; and the door to the families that reach it.

The one rule: a family is loaded when the first of its commands is asked for, by the main thread,
so that an agent which touches no device holds none of it. What a family needs comes by its one
argument, a Hardware, which asks the device's policy before anything is opened.
"""

from agent import schema
from agent.commands.registry import Command
from agent.devices import Devices
from agent.errors import BadParams, LimpetError, Unavailable

# The first part of a command's name: the module that has the family.
FAMILIES = {
    "ioctl": "agent.commands.device_ioctl",
    "tape": "agent.commands.device_tape",
    "input": "agent.commands.device_input",
    "gpio": "agent.commands.device_gpio",
    "pci": "agent.commands.device_pci",
}


class NotAllowed(LimpetError):
    """No policy was given, so that nothing but harmless reads is allowed."""

    code = "denied"


def allow_nothing(kind, where, first, last, write):
    """The guard that stands until the device has a policy."""
    words = (kind, where, first, last)
    raise NotAllowed("%s %s, %d to %d: no policy allows anything here" % words)


class Hardware:
    """What a family may use.

    `guard(kind, where, first, last, write)` raises unless the policy allows it, as
    `policy.check_hardware` does; `workers` is how many threads run commands; `keep_alive_ms` is
    the link's, 0 for none. Owner: the main thread, until `open_transport` has been called.
    """

    def __init__(self, guard=allow_nothing, workers=0, keep_alive_ms=0, devices=None):
        self.guard = guard
        self.devices = devices or Devices()
        self._workers = workers
        self._keep_alive_ms = keep_alive_ms
        self._transport = None
        self._functions = None

    def pci_functions(self):
        """The functions on this machine's PCI bus. Raises Unavailable with every reason."""
        if self._functions is None:
            module = self.devices.load("pci")[1]
            self._functions = module.Functions(self.devices.load("window")[1])
        return self._functions

    def open_transport(self):
        """The real transport. Raises Unavailable with every reason."""
        if self._transport is None:
            module = self.devices.load("ioctl")[1]
            self._transport = module.Transport(self.devices.load("file")[1])
        return self._transport

    def prepare(self, name):
        """Import what a family needs, so that no worker has to; a refusal can wait."""
        try:
            if name == "pci":
                self.pci_functions()
            else:
                self.open_transport()
        except Unavailable:
            pass  # whoever needs it is told

    def check_wait(self, what, stall_ms):
        """Raise unless a call that may last long is harmless here, or the caller accepts a stall.

        A stall of at most half the keep-alive is safe: the broker waits for one and a half.
        """
        reason = self._stall_reason()
        if reason is None:
            return
        most = self._keep_alive_ms // 2 if self._keep_alive_ms else 60000
        if stall_ms is None:
            text = "%s may last minutes, and %s; stall_ms, at most %d, accepts that"
            raise Unavailable(text % (what, reason, most))
        if stall_ms > most:
            text = "stall_ms: expected at most %d, half the keep-alive, got %d"
            raise BadParams(text % (most, stall_ms))

    def _stall_reason(self):
        if not self._workers:
            return "without workers nobody is answered meanwhile"
        import fcntl

        if getattr(fcntl, "HOLDS_LOCK", False):
            return "a request through ffi stops every thread meanwhile"
        return None


def load_family(name, hardware):
    """The commands of the family called `name`, () if there is none. The main thread's to call."""
    module = FAMILIES.get(name)
    if module is None:
        return ()
    hardware.prepare(name)
    return _module(module).commands(hardware)


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
            True,
            "Every capability: its back end here, or every reason why there is none.",
        ),
        Command(
            "device.describe",
            describe_device,
            (name,),
            "read",
            "repeat",
            True,
            "One capability: what it is for, and each back end with the reason it is not here.",
        ),
    )


def _module(name):
    module = __import__(name)
    for part in name.split(".")[1:]:
        module = getattr(module, part)
    return module

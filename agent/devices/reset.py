"""Why the machine started: what the board, or the kernel's watchdogs, say of the last restart.

The one rule: it costs next to nothing and opens no device, since every agent asks at its start.
Source: linux/watchdog.h, WDIOC_GETBOOTSTATUS, as sysfs shows it.
"""

import os

CLASS = "/sys/class/watchdog"
_BITS = (
    (0x01, "overheat"),
    (0x02, "fan-fault"),
    (0x04, "external-1"),
    (0x08, "external-2"),
    (0x10, "power-under"),
    (0x20, "watchdog"),
    (0x40, "power-over"),
)
# What `machine.reset_cause` gives, by the name of the constant; ports have some of them.
_CONSTANTS = (
    ("WDT_RESET", "watchdog"),
    ("PWRON_RESET", "power-on"),
    ("HARD_RESET", "hard"),
    ("SOFT_RESET", "soft"),
    ("DEEPSLEEP_RESET", "deep-sleep"),
)


def causes_in(status):
    """A watchdog's boot status in words."""
    return [name for bit, name in _BITS if status & bit]


def causes_of(machine):
    """What a board's module `machine` says; [] where it cannot."""
    if not hasattr(machine, "reset_cause"):
        return []
    cause = machine.reset_cause()
    return [word for name, word in _CONSTANTS if getattr(machine, name, None) == cause]


def causes(folder=CLASS):
    """Each cause once; [] where nobody knows."""
    try:
        import machine

        found = causes_of(machine)
    except ImportError:
        found = []
    try:
        names = os.listdir(folder)
    except OSError:
        return found
    for name in sorted(names):
        found += [cause for cause in _told(folder, name) if cause not in found]
    return found


def _told(folder, name):
    try:
        with open("%s/%s/bootstatus" % (folder, name)) as file:
            return causes_in(int(file.read()))
    except (OSError, ValueError):
        return []

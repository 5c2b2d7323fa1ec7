"""What the back ends over a board's module `machine` share: names, and errors.

The one rule: a board's things are called by kind and number, `i2c0`, `adc26`, and what `machine`
raises leaves as a DeviceError.
"""

from agent.devices import faults


def number_of(path, kind):
    """The number in a name: 26 of `adc26`. Raises DeviceError."""
    if not (path.startswith(kind) and path[len(kind) :].isdigit()):
        raise faults.refusal(path, "expected %s and a number, as %s0" % (kind, kind))
    return int(path[len(kind) :])


def attempt(path, doing, call, *arguments, **options):
    """What a call of `machine` gives. Raises DeviceError for what it raises."""
    try:
        return call(*arguments, **options)
    except OSError as error:
        raise faults.from_os(error, path, doing)
    except (ValueError, TypeError) as error:
        raise faults.refusal(path, "%s: %s" % (doing, error))

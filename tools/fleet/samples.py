"""A device's samples, from a technician's side: what waits there, and batches as they come.

Rule: a sample is told once, and what is missing between two batches is counted: each batch names
the boot and the number of its first. A device may say anything else.
"""

from collections import namedtuple

from .errors import BadReply

# at_ms    Unix ms where the device's clock was right, else ms since its start
# is_unix  which of the two
# value    what JSON can hold
Sample = namedtuple("Sample", ("at_ms", "is_unix", "value"))
# boot     of the device
# samples  in their order, each once
# missing  how many did not come between the last batch and this one
Batch = namedtuple("Batch", ("boot", "samples", "missing"))

_LOOK_S = 1.0


def channels(fleet, device) -> list[dict]:
    """What the device tells of each of its channels. Raises as `Fleet.call`."""
    said = fleet.call(device, "data.list")
    rows = said.get("channels") if isinstance(said, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadReply(f"{device} does not list its channels in a form known here")
    return rows


def recent(fleet, device, channel, limit=20) -> Batch:
    """The newest samples that wait or left last, oldest first. Raises as `Fleet.call`."""
    said = fleet.call(device, "data.read", {"channel": channel, "limit": limit})
    if not isinstance(said, dict):
        raise BadReply(f"{device} does not tell samples in a form known here")
    return Batch(said.get("boot"), _samples(said), 0)


def follow(fleet, device, channel):
    """Yield each Batch as it comes, for ever; begins with the `recent` ones."""
    with fleet.listen(device, "data/" + channel) as feed:
        first = recent(fleet, device, channel)
        shown = {(first.boot, sample) for sample in map(repr, first.samples)}
        yield first
        boot = expected = None
        while True:
            said = feed.get(_LOOK_S)
            number = said.get("first") if said else None
            if not isinstance(number, int) or not isinstance(said.get("boot"), int):
                continue
            samples = _samples(said)
            same = said.get("boot") == boot and expected is not None
            skipped = max(0, expected - number) if same else 0  # a batch that came twice
            missing = max(0, number - expected) if same else 0
            boot, after = said.get("boot"), number + len(samples)
            expected = max(expected, after) if same else after
            fresh = [one for one in samples[skipped:] if (boot, repr(one)) not in shown]
            if fresh or missing:
                yield Batch(boot, fresh, missing)


def _samples(said):
    """Of the rows [time, quality, value] those that are some."""
    rows = said.get("samples")
    return [
        Sample(row[0], row[1] == "synced", row[2])
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, list) and len(row) == 3 and isinstance(row[0], int)
    ]

"""What an update takes of a small device's heap, from its offer to the restart; on MicroPython.

    micropython -X heapsize=SIZE tests/stress/update_heap.py MODE ROOT DEPOT CHANNEL [watched]

ROOT has release 1 in its slot, compiled, and two configurations; DEPOT has release 2. An agent is
made, as idle as it is before anybody calls: without updates (bare), with them (idle), or to take
that release (update), its pieces from the depot's files. Prints the bytes in use before it, and,
watched, at most: then the heap is collected at each step.
"""

import gc
import sys

MODE, ROOT, DEPOT, CHANNEL = sys.argv[1:5]
sys.path.append(ROOT)
import limpet_start  # noqa: E402 - found by the path above

files = limpet_start.Files()
slot, state = limpet_start.prepare(files, ROOT)
sys.path.insert(0, ROOT + "/" + slot)
sys.path.append(ROOT + "/" + slot + "/compat")
limpet_start.here = (files, ROOT, state, slot, None)

from agent import config  # noqa: E402
from agent.app import Agent  # noqa: E402

values = config.load(ROOT + "/" + ("bare" if MODE == "bare" else "agent") + ".json")
agent = Agent(values, None, lambda line: None)


def in_use():
    """Bytes of the heap that are in use."""
    gc.collect()
    return gc.mem_alloc()


if MODE != "bare" and not hasattr(agent.update, "slots"):
    print("no updates:", agent.update.reason)
    sys.exit(1)
print(MODE, in_use())
if MODE != "update":
    sys.exit(0)

from agent.update import updater  # noqa: E402

updater.STEPS = 1
update = agent.update


def publish(payload):
    """What is asked for is given, later."""
    asked.append(payload)
    return True


def answer():
    """Give one question its pieces, from the depot."""
    name, at, count = asked.pop(0).decode().split(" ")
    with open("%s/blobs/%s" % (DEPOT, name), "rb") as file:
        file.seek(int(at))
        left = int(count)
        while left:
            data = file.read(min(2048, left))
            update._depot.receive(("%s %s\n" % (name, at)).encode() + data)
            at, left = int(at) + len(data), left - len(data)
            if not data:
                break


asked = []
update._depot._publish = publish
update.connected(True)
with open("%s/releases/limpet-agent/%s/2" % (DEPOT, CHANNEL), "rb") as file:
    update.offer(file.read())
most, turns, now = 0, 0, agent.clock.now()
while not update.restarts:
    if asked:
        answer()
    update.step(now)
    now += 1
    turns += 1
    if len(sys.argv) > 5:
        most = max(most, in_use())
    if (
        update._retry_at is not None
        or turns > 100000
        or update.last
        and update.last[1] == "ignore"
    ):
        print("refused", update.last, update.slots.state)
        sys.exit(1)
print("most", most, "turns", turns)

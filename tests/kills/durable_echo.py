"""A device that echoes what comes on `kill/in` to `kill/out`, durably: PORT VERSION FOLDER.

One rule: it may be killed at any point. The echo and the acknowledgement are of one turn, so both
happen or neither. Runs on every interpreter.
"""

import sys

_HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
sys.path.insert(0, _HERE + "/../..")
sys.path.append(_HERE + "/../../compat")

import wakeup  # noqa: E402 - found through the path set above
from interpreter import random_bytes  # noqa: E402

from agent.clock import Clock  # noqa: E402
from agent.mqtt.backoff import Backoff  # noqa: E402
from agent.mqtt.events import Disconnected  # noqa: E402
from agent.mqtt.keeper import Keeper  # noqa: E402
from agent.mqtt.link import Link  # noqa: E402
from agent.mqtt.making_room import BLOCK  # noqa: E402
from agent.mqtt.session import (  # noqa: E402
    Received,
    Session,
    Subscribed,  # noqa: E402
)
from agent.mqtt.settings import Settings  # noqa: E402
from agent.records import Records  # noqa: E402


def main(port, version, folder):
    clock = Clock()
    settings = Settings(client_id="killed", version=version, keep_alive_s=5)
    session = Session(settings)
    link = Link(
        session, [("127.0.0.1", port)], wakeup.Channel(), Backoff(random_bytes, 5, 30, 1000, 30)
    )
    keeper = Keeper(session, Records(folder, "outbox"), 200)
    keeper.recover()
    link.output = keeper.output
    link.subscribe("kill/in", 2)
    held = []  # messages whose echo found no room
    while True:
        now = clock.now()
        for event in link.receive(now):
            if isinstance(event, Received):
                held.append(event.message)
            elif isinstance(event, Disconnected):
                held = []
            elif isinstance(event, Subscribed):
                link.publish("kill/ready", b"", 1)
        while held:
            message = held[0]
            if keeper.publish("kill/out", message.payload, message.qos, rule=BLOCK) is None:
                break
            link.acknowledge(held.pop(0))
        link.send(now)
        due = link.due
        link.wait(-1 if due is None else max(0, due - clock.now()))


main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])

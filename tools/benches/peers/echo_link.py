"""Our own link as a peer: echo every message of one topic to another, with nothing of the agent.

    INTERPRETER echo_link.py HOST PORT CALL_TOPIC REPLY_TOPIC [QOS [FOLDER]]

The loop that link.py's head asks of its owner. With FOLDER each echo is durable: it is in a log
there before it is sent, and what the log has cost so far stands in FOLDER/figures soon after.
"""

import json
import os
import sys

ROOT = __file__.rsplit("/", 4)[0]
sys.path.insert(0, ROOT)
sys.path.append(ROOT + "/compat")

import wakeup  # noqa: E402 - found through the path set above
from interpreter import pace_collector  # noqa: E402

from agent.clock import Clock  # noqa: E402
from agent.mqtt.link import Link  # noqa: E402
from agent.mqtt.session import Received, Session  # noqa: E402
from agent.mqtt.settings import Settings  # noqa: E402

FIGURES_MS = 200  # between two looks at what the log has cost


def keep(session, link, folder):
    """Make what is published durable; returns what publishes, and what tells its figures."""
    from agent.mqtt.keeper import Keeper
    from agent.records import Records

    keeper = Keeper(session, Records(folder, "outbox"))
    keeper.recover()
    link.output = keeper.output

    def tell():
        with open(folder + "/figures.new", "w") as file:
            json.dump(keeper.figures(), file)
        os.rename(folder + "/figures.new", folder + "/figures")  # whole, whenever it is read

    return keeper.publish, tell


def main(host, port, call, reply, qos="1", folder=None):
    """Echo until killed."""
    qos = int(qos)
    clock = Clock()
    session = Session(Settings(client_id=reply.rsplit("/", 1)[1], receive_maximum=32))
    link = Link(session, [(host, int(port))], wakeup.Channel())
    publish, tell = link.publish, None
    if folder:
        publish, tell = keep(session, link, folder)
    link.subscribe(call, qos)
    pace_collector()
    told_at = 0
    while True:
        now = clock.now()
        for event in link.receive(now):
            if isinstance(event, Received):
                publish(reply, event.message.payload, qos)
                link.acknowledge(event.message)
        link.send(now)
        left_ms = -1 if link.due is None else max(0, link.due - clock.now())
        if tell:
            left_ms = FIGURES_MS
            if now - told_at >= FIGURES_MS:
                told_at = now
                tell()
        link.wait(left_ms)


main(*sys.argv[1:])

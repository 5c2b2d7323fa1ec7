"""A device of nothing but the link: `PORT VERSION`; echoes `echo/in` to `echo/out` as it came.

Run by test_link_*.py on every interpreter. It ends when told `stop` there.
"""

import sys

_HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
sys.path.insert(0, _HERE + "/../..")
sys.path.append(_HERE + "/../../compat")

import wakeup  # noqa: E402 - found through the path set above
from interpreter import random_bytes  # noqa: E402

from agent.clock import Clock  # noqa: E402
from agent.mqtt.backoff import Backoff  # noqa: E402
from agent.mqtt.link import Link  # noqa: E402
from agent.mqtt.packets import Will  # noqa: E402
from agent.mqtt.session import Connected, Received, Session  # noqa: E402
from agent.mqtt.settings import Settings  # noqa: E402


def main(port, version):
    clock = Clock()
    settings = Settings(client_id="echo", version=version, keep_alive_s=5, receive_maximum=32)
    session = Session(settings, Will("echo/gone", b"the will", 1, False, None))
    backoff = Backoff(random_bytes, 10, 50)
    link = Link(session, [("127.0.0.1", port)], wakeup.Channel(), backoff)
    link.subscribe("echo/in", 2)
    while True:
        now = clock.now()
        for event in link.receive(now):
            if isinstance(event, Connected):
                link.publish("echo/here", b"%d" % event.version, 1, True)
            elif isinstance(event, Received):
                message = event.message
                if message.payload == b"stop":
                    link.close(now)
                    return
                if link.publish("echo/out", message.payload, message.qos, message.retain) is None:
                    print("dropped", message)
                link.acknowledge(message)
        link.send(now)
        link.wait(-1 if link.due is None else max(0, link.due - clock.now()))


main(int(sys.argv[1]), int(sys.argv[2]))

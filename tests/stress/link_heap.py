"""What the link takes of the heap, module by module: FOLDER of compiled files, PORT of a broker.

Run on MicroPython by tests/e2e/test_link_heap.py, in that folder; every line is `name bytes`. At
the peak is what lives then, garbage collected; how small a heap may be in which all of it can be
done tells the rest.
"""

import gc
import sys

sys.path[:0] = [sys.argv[1], sys.argv[1] + "/compat"]

MODULES = (
    "agent",
    "agent.mqtt.wire",
    "agent.mqtt.inbox",
    "agent.mqtt.outbox",
    "agent.mqtt.session",
    "agent.mqtt.settings",
    "agent.mqtt.tcp",
    "agent.mqtt.link",
)


def main(port):
    gc.collect()
    base = last = gc.mem_alloc()

    def tell(name):
        nonlocal last
        gc.collect()
        now = gc.mem_alloc()
        print(name, now - last)
        last = now

    for name in MODULES:
        __import__(name)
        tell(name)
    from agent.mqtt.link import Link
    from agent.mqtt.session import Connected, Received, Session
    from agent.mqtt.settings import Settings

    session = Session(Settings(client_id="heap", maximum_packet_bytes=4096))
    tell("session with 4 KiB")
    link = Link(session, [("127.0.0.1", port)])
    link.subscribe("heap/#")
    now = received = peak = 0
    while received < 20:
        for event in link.receive(now):
            if isinstance(event, Received):
                link.acknowledge(event.message)
                received += 1
            elif not isinstance(event, Connected):
                continue
            link.publish("heap/x", b"x" * 20, received & 1)
        link.send(now)
        gc.collect()
        peak = max(peak, gc.mem_alloc())
        link.wait(20)
        now += 1
    tell("connected")
    print("held", last - base)
    print("peak", peak - base)


main(int(sys.argv[2]))

"""A peer: echo every message of one topic to another, with umqtt.simple in its plain use.

    micropython echo_umqtt.py HOST PORT CALL_TOPIC REPLY_TOPIC [QOS]

The callback only keeps the message and the loop answers it: a publish at QoS 1 waits for its
acknowledgement inside wait_msg, so publishing from the callback would recurse once for each
message in flight. The library offers no way to set TCP_NODELAY, and writes a packet in five small
pieces.
"""

import sys

from umqtt.simple import MQTTClient


def main(host, port, call, reply, qos="1"):
    """Echo until killed."""
    waiting = []
    client = MQTTClient(reply.rsplit("/", 1)[1], host, int(port))
    client.set_callback(lambda topic, message: waiting.append(message))
    client.connect()
    client.subscribe(call.encode(), int(qos))
    while True:
        client.wait_msg()
        while waiting:
            client.publish(reply.encode(), waiting.pop(0), False, int(qos))


main(*sys.argv[1:])

"""A peer: echo every message of one topic to another, with paho-mqtt in its plain use.

    echo_paho.py HOST PORT CALL_TOPIC REPLY_TOPIC [QOS]

The library's own loop and a publish from the message callback; TCP_NODELAY through the callback
that the library has for settings of the socket.
"""

import socket
import sys

from paho.mqtt import client as mqtt


def main(host, port, call, reply, qos="1"):
    """Echo until killed."""

    def on_socket_open(client, userdata, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def on_connect(client, userdata, flags, reason, properties):
        client.subscribe(call, int(qos))

    def on_message(client, userdata, message):
        client.publish(reply, message.payload, int(qos))

    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.on_socket_open = on_socket_open
    client.on_connect = on_connect
    client.on_message = on_message
    client.connect(host, int(port))
    client.loop_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A TCP proxy that loses connections on command, for tests of what happens then.

Rule: it stands between a client and a broker and changes no byte by itself. `cut()` ends every
connection; while `open` is False new ones are ended at once. `refuse_version_5` makes the broker
behind it look like one that speaks MQTT 3.1.1 only; "in silence", it does not even say so.
`connects` holds the protocol level of each CONNECT, `refused` is released at each connection ended
at once.
"""

import contextlib
import socket
import threading

REFUSED_VERSION = b"\x20\x02\x00\x01"  # CONNACK of MQTT 3.1.1: unacceptable protocol version
VERSION_5 = 5


class CuttableProxy:
    """`with CuttableProxy(broker) as proxy:` listens on `proxy.url`."""

    def __init__(self, broker, refuse_version_5=False):
        self.target = (broker.host, broker.port)
        self.refuse_version_5 = refuse_version_5
        self.open = True
        self.connects = []
        self.refused = threading.Semaphore(0)
        self._sockets = []
        # Guards _sockets: the accepting thread adds while a test cuts.
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listener.getsockname()
        self.url = f"mqtt://{self.host}:{self.port}"

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_exception):
        self.open = False
        self._listener.close()
        self.cut()

    def cut(self):
        with self._lock:
            ended, self._sockets = self._sockets, []
        for connection in ended:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def inject(self, data):
        """Send bytes to every client, as if the broker had."""
        with self._lock:
            for client in self._sockets[::2]:
                client.sendall(data)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if not self.open:
                client.close()
                self.refused.release()
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        first = client.recv(4096)
        if not first:
            client.close()
            return
        self.connects.append(_protocol_level(first))
        if self.refuse_version_5 and self.connects[-1] == VERSION_5:
            if self.refuse_version_5 == "in silence":
                client.recv(1)  # until the client gives up
            else:
                client.sendall(REFUSED_VERSION)
            client.close()
            return
        server = socket.create_connection(self.target)
        server.sendall(first)
        with self._lock:
            self._sockets += [client, server]
        threading.Thread(target=_pump, args=(server, client), daemon=True).start()
        _pump(client, server)


def _protocol_level(packet):
    start = 1
    while packet[start] & 0x80:
        start += 1
    name = start + 1
    return packet[name + 2 + int.from_bytes(packet[name : name + 2], "big")]


def _pump(source, target):
    """Copy until one side ends, then end both."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)

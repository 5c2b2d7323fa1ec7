"""A TCP proxy that breaks connections on demand, between a client and a real broker.

One rule: what goes wrong, and after which byte, is told beforehand, so that a test can go through
every place in turn. Host only: it uses a thread for each direction of a connection.
"""

import contextlib
import select
import socket
import struct
import threading
import time

TO_BROKER, TO_CLIENT = 0, 1
DELAY_S = 5
MERGED_WITHIN_S = 0.05
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of zero seconds: close() sends RST


class Fault:
    """What befalls a connection, in one direction, after so many bytes: cut, reset, stall, delay.

    `piece` is how many bytes are handed on at a time, 0 for as they come; a `merge` hands them on
    only when none have come for a while, as one.
    """

    def __init__(self, kind="none", direction=TO_CLIENT, after=0, piece=0):
        self.kind = kind
        self.direction = direction
        self.after = after
        self.piece = piece


class Wire:
    """`faults` are for the connections in order; those that follow have none.

    With `others`, a list of (host, port), each connection goes to the next broker of all of them.
    `tap(connection, direction, data)` is called with all that one side has sent.
    """

    def __init__(self, host, port, faults=(), others=(), tap=None):
        self._tap = tap
        self._targets = [(host, port), *others]
        self._faults = list(faults)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listener.getsockname()
        self.connections = 0
        self.met = 0  # faults that came to pass
        # Bytes that were handed on, by direction and connection: each its own thread's to write.
        self.carried = ({}, {})
        self.down = False  # nobody comes through
        self._open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        # shutdown() ends the thread that waits in accept(); close() alone would not.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for channel in self._open:
            channel.close()

    def total(self):
        """Bytes that were handed on, both ways, to the end of what has come."""
        return sum(sum(counts.values()) for counts in self.carried)

    def cut(self, reset=False):
        """End every connection now, wherever its bytes are."""
        for channel in self._open:
            with contextlib.suppress(OSError):
                if reset:
                    channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                channel.shutdown(socket.SHUT_RDWR)
                channel.close()
        self._open = []

    def _accept(self):
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            try:
                if self.down:
                    raise OSError("down")
                target = self._targets[self.connections % len(self._targets)]
                broker = socket.create_connection(target)
            except OSError:
                client.close()
                continue
            self.connections += 1
            number = self.connections
            fault = self._faults.pop(0) if self._faults else Fault()
            pair = (client, broker)
            self._open += pair
            for channel in pair:
                channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for direction in (TO_BROKER, TO_CLIENT):
                words = (pair[direction], pair[1 - direction], direction, fault, number)
                threading.Thread(target=self._carry, args=words, daemon=True).start()

    def _carry(self, source, target, direction, fault, number):
        left = fault.after if direction == fault.direction and fault.kind != "none" else None
        # ValueError: `cut` closed what `_gather` waits for.
        with contextlib.suppress(OSError, ValueError):
            while data := source.recv(4096):
                if self._tap is not None:
                    self._tap(number, direction, data)
                if fault.kind == "merge":
                    data += self._gather(source)
                elif fault.kind == "delay":
                    if left is not None and len(data) > left:
                        self.met += 1
                        time.sleep(DELAY_S)
                        left = None
                elif left is not None and len(data) > left:
                    target.sendall(data[:left])
                    self._break(source, target, fault)
                    return
                if left is not None:
                    left -= len(data)
                counts = self.carried[direction]
                counts[source] = counts.get(source, 0) + len(data)
                self._hand_on(target, data, fault.piece)
        for channel in (source, target):
            with contextlib.suppress(OSError):
                channel.shutdown(socket.SHUT_RDWR)

    def _gather(self, source):
        """What comes until nothing has come for a while."""
        data = b""
        while select.select([source], [], [], MERGED_WITHIN_S)[0]:
            more = source.recv(4096)
            if not more:
                break
            data += more
        return data

    def _hand_on(self, target, data, piece):
        for at in range(0, len(data), piece or len(data)):
            target.sendall(data[at : at + (piece or len(data))])

    def _break(self, source, target, fault):
        self.met += 1
        if fault.kind == "stall":
            return  # both stay open, and nothing moves this way any more
        for channel in (source, target):
            with contextlib.suppress(OSError):
                if fault.kind == "reset":
                    channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                channel.shutdown(socket.SHUT_RDWR)
                channel.close()

"""Bytes between a command under way and its caller, while it runs.

A message on `stream/<call>/out`, and on `/in`, is a line of JSON and then bytes, to the end:

    {"n": 0}             number, counted from 0 without a gap in each direction
    {"n": 5, "end": true}        the last one
    {"n": 1, "want": 4, "bytes": 3496}    of the device: it takes what is numbered below `want`, of
                         at most so many bytes each; before that it takes nothing

The one rule: neither side is ever sent more than it has room for. Output waits until the link has
delivered what is under way, at most IN_FLIGHT messages, and a command whose output finds no room
waits with it. Input beyond `want` is a fault of the caller, and ends the stream. So memory is
bounded whatever the peer and the link do.
Sealed like the rest: `out` for the key that made the call, `in` is taken from that key alone.
Owner: the main thread, but for what the command does: `put`, `get`, `open`.
"""

import json
import threading

from agent.bad_message import BadMessage
from agent.errors import LimpetError, TooLarge
from agent.strict_json import parse_object

IN_FLIGHT = 4  # messages of one stream on their way
WINDOW = 4  # messages of input that wait to be read
HARD_LIMIT = 8  # times its room that a generator may write without a yield
MOST_ENDING = 8  # streams of commands that ended, whose last output has not left
# Of output in a message: what is under way leaves in one write, and a heap of 256 KiB has no
# 16 KiB in one piece for it after some use; a flood of output ended the agent there.
MOST_OUT_BYTES = 2048
OVERHEAD_BYTES = 600  # of a packet: topic, seal, properties and the line before the bytes
LEAST_BYTES = 64


class Stream:
    """One job's two directions. `room_bytes` of output may wait."""

    is_ended = False  # the command has ended: what waits still leaves
    is_last = False  # the last message has been made
    is_told = False  # and has left
    fault = None  # an error for whoever reads

    def __init__(self, job, room_bytes):
        self.job = job
        self.key = job.key
        self._room_bytes = room_bytes
        self._lock = threading.Lock()  # guards the two lists, the size and `takes`
        self._pieces = []
        self._size = 0
        self._input = []
        self.number = 0  # of the next message out
        self.pending = []  # packet identifiers of those on their way
        self.takes = None  # once it reads: how many messages of input were read
        self.wanted = 0  # what the caller was told last
        self.next_in = 0
        self.is_closed = False  # the caller has sent the last one
        self.unsent = None  # a message that the link had no room for

    @property
    def is_full(self):
        """Whether the command is to wait before it writes more."""
        return self._size >= self._room_bytes

    # The command's side.

    def put(self, data):
        """Add output. Raises TooLarge."""
        data = bytes(data)
        with self._lock:
            if self._size + len(data) > HARD_LIMIT * self._room_bytes:
                text = "%d bytes were written and not one yield let them leave"
                raise TooLarge(text % self._size)
            if data:
                self._pieces.append(data)
                self._size += len(data)
        self.job.call()

    def get(self):
        """The next input, None if there is none yet, b"" at its end. Raises BadMessage."""
        if self.takes is None:
            self.takes = 0
            self.job.call()
        with self._lock:
            data = self._input.pop(0) if self._input else None
            if data is not None:
                self.takes += 1
        if data is not None:
            self.job.call()
            return data
        if self.fault is not None:
            raise self.fault
        return b"" if self.is_closed else None

    # The main thread's side.

    def take(self, limit):
        """At most `limit` bytes of what waits, oldest first; and whether this made room again.

        Under one lock: output that fills it between a look and this would leave its command
        waiting for ever.
        """
        with self._lock:
            was_full = self.is_full
            taken, size = [], 0
            while self._pieces and size < limit:
                piece = self._pieces[0]
                if size + len(piece) > limit:
                    part = piece[: limit - size]
                    self._pieces[0] = piece[limit - size :]
                    piece = part
                else:
                    self._pieces.pop(0)
                taken.append(piece)
                size += len(piece)
            self._size -= size
            return b"".join(taken), was_full and not self.is_full

    def has_news(self):
        """Whether there is a message to send."""
        return self._size > 0 or self.is_ended or self._wants() > self.wanted

    def _wants(self):
        return 0 if self.takes is None else self.takes + WINDOW

    def head(self, in_bytes):
        """The line before the next message's bytes, which are taken already."""
        words = {"n": self.number}
        if self._wants() > self.wanted and not self.is_ended:
            self.wanted = words["want"] = self._wants()
            words["bytes"] = in_bytes
        if self.is_ended and not self._size:
            words["end"] = self.is_last = True
        self.number += 1
        return json.dumps(words).encode() + b"\n"

    def receive(self, payload):
        """Take a message of the caller; True if the command has something new to read."""
        end = payload.find(b"\n")
        try:
            words = parse_object(payload if end < 0 else payload[:end])
        except LimpetError as error:
            return self._spoil(error.message)
        number = words.get("n")
        if type(number) is not int or not 0 <= number <= self.next_in:
            return self._spoil("message %r came where %d was to" % (number, self.next_in))
        if number < self.next_in or self.is_closed:
            return False  # a copy
        if number >= self.wanted:
            return self._spoil("more was sent than was asked for")
        self.next_in += 1
        data = payload[end + 1 :] if end >= 0 else b""
        with self._lock:
            if data:
                self._input.append(data)
            else:
                self.takes += 1
        if words.get("end") is True:
            self.is_closed = True
        return True

    def _spoil(self, text):
        self.fault = BadMessage("the input stream: %s" % text)
        return True


class Streams:
    """The streams of all jobs.

    `link` is a Link, `gate` a Gate, `base` begins the device's topics, `out_bytes` and `in_bytes`
    are the most that a message holds in each direction, `stir(job)` lets a job go on that waits.
    """

    def __init__(self, link, gate, base, out_bytes, in_bytes, stir):
        self._link = link
        self._gate = gate
        self._base = base + "stream/"
        self._out_bytes = min(MOST_OUT_BYTES, max(LEAST_BYTES, out_bytes - OVERHEAD_BYTES))
        self._in_bytes = max(LEAST_BYTES, in_bytes - OVERHEAD_BYTES)
        self._stir = stir
        self._is_listening = False
        self._open = []  # appended to by commands' threads, which is one step; else the main's
        self.refused = 0  # messages that came for no stream, or not from its caller

    def open(self, job):
        """The Stream of a job. Raises TooLarge for one that has no name."""
        if job.id is None:
            raise TooLarge("a command whose request has no id has no stream")
        job.stream = Stream(job, 2 * self._out_bytes)
        self._open.append(job.stream)
        return job.stream

    def end(self, job):
        """A command has ended: its stream does, once all has left."""
        job.stream.is_ended = True
        ending = [stream for stream in self._open if stream.is_ended]
        if len(ending) > MOST_ENDING:
            self._open.remove(ending[0])

    def receive(self, topic, payload):
        """A message came on one of the topics that input comes on."""
        name = topic[len(self._base) : -len("/in")]
        for stream in self._open:
            if stream.job.id == name and not stream.is_ended:
                body = self._gate.open_chunk(topic, payload, stream.key)
                if body is not None:
                    if stream.receive(body):
                        self._stir(stream.job)
                    return
        self.refused += 1

    def step(self):
        """Send what there is room for."""
        for stream in list(self._open):
            if stream.takes is not None and not self._is_listening:
                self._is_listening = True
                self._link.subscribe(self._base + "+/in", 1)
            self._send(stream)
            if stream.is_told:
                self._open.remove(stream)

    def _send(self, stream):
        link = self._link
        if stream.pending:
            stream.pending = [number for number in stream.pending if link.is_pending(number)]
        topic = "%s%s/out" % (self._base, stream.job.id)
        while len(stream.pending) < IN_FLIGHT and link.connected and not stream.is_told:
            if stream.unsent is None and not self._prepare(stream, topic):
                return
            number = link.publish(topic, stream.unsent, 1, False)
            if number is None:
                return
            stream.unsent = None
            stream.pending.append(number)
            if stream.is_last:
                stream.is_told = True

    def _prepare(self, stream, topic):
        """Make the next message, if there is one to make."""
        if not stream.has_news():
            return False
        data, has_room_again = stream.take(self._out_bytes)
        payload = stream.head(self._in_bytes) + data
        stream.unsent = self._gate.seal(stream.key, topic, payload)
        if has_room_again:
            self._stir(stream.job)
        return True

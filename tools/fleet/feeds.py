"""What devices say on further topics of their own, as it comes: `log`, `reported`.

Rule: whoever is slow loses the oldest, which is counted, and nobody waits for anybody. With a key
only what is sealed for it is taken, and of one boot nothing that is older than what came before.
No socket here.
"""

import collections
import json
import queue
import threading

from .connection import MAXIMUM_MESSAGE_BYTES

MAXIMUM_WAITING = 1000  # messages that nobody has taken yet


class Feed:
    """`get(timeout)` gives the next object that the device said on this topic; `lost` counts
    those that there was no room for."""

    def __init__(self, feeds, topic):
        self._feeds = feeds
        self._topic = topic
        self._queue = queue.Queue(MAXIMUM_WAITING)
        self.lost = 0

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self._feeds.end(self._topic, self)

    def get(self, timeout):
        """The next object, or None when the time is over."""
        try:
            return self._queue.get(timeout=max(0, timeout))
        except queue.Empty:
            return None

    def put(self, said):
        while True:
            try:
                self._queue.put_nowait(said)
                return
            except queue.Full:
                self.lost += 1
                self._queue.get_nowait()


class Feeds:
    """Who listens to what. `refused` counts what was not taken, by reason."""

    def __init__(self):
        self._lock = threading.Lock()  # guards the dicts: the connection's thread, and callers
        self._listeners = {}  # topic: Feeds
        self._kept = {}  # topic: what the broker keeps there, as said last
        self._newest = {}  # topic: (nonce, number) of the seal seen last
        self.refused = collections.Counter()

    def listen(self, topic):
        """A Feed of `topic`, which begins with what the broker keeps there, if that was heard."""
        feed = Feed(self, topic)
        with self._lock:
            self._listeners.setdefault(topic, []).append(feed)
            if topic in self._kept:
                feed.put(self._kept[topic])
        return feed

    def end(self, topic, feed):
        with self._lock:
            self._listeners[topic].remove(feed)

    def __contains__(self, topic):
        return topic in self._listeners

    def take(self, topic, body, retained, seal):
        """A message came; `seal` is None without a key, False if it is wrong, else
        (nonce, number)."""
        with self._lock:
            try:
                said = self._judge(topic, body, seal)
            except ValueError as error:
                self.refused[str(error)] += 1
                return
            if retained or topic in self._kept:
                self._kept[topic] = said
            for feed in self._listeners[topic]:
                feed.put(said)

    def _judge(self, topic, body, seal):
        if seal is False:
            raise ValueError("a message whose seal is wrong")
        if seal is not None:
            nonce, number = self._newest.get(topic, (None, 0))
            if nonce == seal[0] and seal[1] < number:
                raise ValueError("a message older than one seen")
            self._newest[topic] = seal
        if len(body) > MAXIMUM_MESSAGE_BYTES:
            raise ValueError("too large")
        try:
            said = json.loads(body.decode()) if body else None
        except RecursionError:
            raise ValueError("too deep") from None
        if said is not None and not isinstance(said, dict):
            raise ValueError("not an object")
        return said

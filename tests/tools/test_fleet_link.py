"""The link that keeps a connection alive, over connections that are none."""

import queue
import threading

import pytest
from fleet import Refused, Unreachable, address
from fleet import link as links

FORBIDDEN = ("x/status", 0)
REPLIES = ("x/reply/+", 1)
TIMEOUT_S = 10


class Line:
    """Stands for a Connection; refuses to subscribe to FORBIDDEN."""

    version = 5

    def __init__(self):
        self.lost = threading.Event()
        self.filters = []

    def subscribe(self, filters, _timeout_s):
        if FORBIDDEN in filters:
            raise Refused("not that")
        self.filters += filters

    def close(self):
        self.lost.set()


class Exchange:
    """Stands for `connect`: hands out Lines, or raises what stands in `failures`."""

    def __init__(self):
        self.failures = []
        self.lines = queue.Queue()

    def __call__(self, *_arguments):
        if self.failures:
            raise self.failures.pop(0)
        line = Line()
        self.lines.put(line)
        return line


@pytest.fixture
def exchange(monkeypatch):
    made = Exchange()
    monkeypatch.setattr(links, "connect", made)
    return made


@pytest.fixture
def make_link():
    made = []

    def make(retry=(0.001, 0.002)):
        ready, states = queue.Queue(), queue.Queue()
        link = links.Link(address.parse("mqtt://h"), None, retry, None, ready.put, states.put)
        link.ready, link.states = ready, states
        made.append(link)
        return link

    yield make
    for link in made:
        link.close()


def test_the_first_dial_fails_at_once(exchange, make_link):
    exchange.failures = [Unreachable("not there")]
    with pytest.raises(Unreachable, match="not there"):
        make_link().open([REPLIES], 1)


def test_a_first_dial_whose_subscription_is_refused_is_closed(exchange, make_link):
    with pytest.raises(Refused):
        make_link().open([FORBIDDEN], 1)
    assert exchange.lines.get(timeout=TIMEOUT_S).lost.is_set()


def test_each_new_connection_gets_every_subscription_before_it_is_ready(exchange, make_link):
    link = make_link()
    link.open([REPLIES], 1)
    link.subscribe([("x/a/status", 0)])
    link.ready.get(timeout=TIMEOUT_S).lost.set()
    exchange.failures = [Unreachable("away"), Unreachable("away"), Unreachable("still away")]
    second = link.ready.get(timeout=TIMEOUT_S)
    assert second.filters == [REPLIES, ("x/a/status", 0)]
    assert link.connection is second
    said = [link.states.get(timeout=TIMEOUT_S) for _ in range(link.states.qsize())]
    assert said[0] == "lost the connection to mqtt://h:1883"


def test_a_refused_subscription_does_not_spoil_later_connections(exchange, make_link):
    link = make_link()
    link.open([REPLIES], 1)
    for _ in range(2):
        with pytest.raises(Refused):
            link.subscribe([FORBIDDEN])
    link.ready.get(timeout=TIMEOUT_S).lost.set()
    assert link.ready.get(timeout=TIMEOUT_S).filters == [REPLIES]


def test_pauses_grow_to_the_longest_and_differ(make_link):
    link = make_link(retry=(0.2, 10.0))
    for failures, whole in ((1, 0.2), (2, 0.4), (5, 3.2), (7, 10.0), (10_000, 10.0)):
        pauses = {link._pause(failures) for _ in range(100)}
        assert len(pauses) > 1
        assert all(whole / 2 <= pause <= whole for pause in pauses)


def test_closing_ends_a_pause(exchange, make_link):
    link = make_link(retry=(1000, 1000))
    link.open([REPLIES], 1)
    link.connection.lost.set()
    assert "lost" in link.states.get(timeout=TIMEOUT_S)
    link.close()
    assert not link._thread.is_alive()

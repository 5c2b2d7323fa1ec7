"""Decisions about a release, health, and asking a depot: values in, values out."""

from support import START, raises
from update_life import Memory

from agent.errors import BadConfig
from agent.mqtt.faults import TransportError
from agent.update import depot_http as http
from agent.update import plan
from agent.update.depot_mqtt import WINDOW, Depot

DESCRIPTION = Memory().build(5, {"a": b"1"})[0]
FACTS = plan.Facts("agent", "stable", 3, 0, 0, 1, 1_800_000_000, {"agent": "0.2.0", "mpy": 6})


def with_values(row, **values):
    """A namedtuple with other values."""
    names = {plan.Facts: FACT_NAMES}.get(type(row), DESCRIPTION_NAMES)
    return type(row)(*[values.get(name, row[at]) for at, name in enumerate(names)])


FACT_NAMES = ("product", "channel", "sequence", "failed", "floor", "keyring", "unix_s", "needs")
DESCRIPTION_NAMES = (
    "product", "channel", "version", "sequence", "floor", "expires", "keyring", "needs", "folders",
)  # fmt: skip


def reason(description=DESCRIPTION, facts=FACTS, **asked):
    """Why it is ignored, None if it is not."""
    return plan.judge(description, facts, **asked).reason


def test_a_newer_release_is_applied():
    assert plan.judge(DESCRIPTION, FACTS) == plan.GO


def test_an_old_release_replayed_is_ignored():
    assert reason(facts=with_values(FACTS, sequence=5)) == "running-already"
    assert reason(facts=with_values(FACTS, sequence=6)) == "not-newer"


def test_an_owner_may_go_back_down_to_the_floor_and_an_attacker_may_not():
    later = with_values(FACTS, sequence=9)
    assert reason(facts=later) == "not-newer"
    assert reason(facts=later, is_asked=True, may_go_back=True) is None
    floored = with_values(later, floor=6)
    assert reason(facts=floored, is_asked=True, may_go_back=True) == "below-the-floor"


def test_a_frozen_channel_expires_by_the_last_known_time():
    old = with_values(DESCRIPTION, expires=1_700_000_000)
    assert reason(old) == "expired"
    assert reason(old, with_values(FACTS, unix_s=0)) is None  # nobody knows the time


def test_what_failed_here_is_not_tried_again_until_there_is_a_newer_one():
    failed = with_values(FACTS, failed=5)
    assert reason(facts=failed) == "failed-here"
    assert reason(facts=failed, is_asked=True) is None
    assert reason(with_values(DESCRIPTION, sequence=6), failed) is None


def test_a_release_for_others_is_ignored():
    assert reason(with_values(DESCRIPTION, product="pump")) == "another-product"
    assert reason(with_values(DESCRIPTION, channel="beta")) == "another-channel"
    assert reason(facts=with_values(FACTS, keyring=2)) == "older-keyring"


def test_what_a_release_needs_and_is_not_here_is_named():
    for name, value in (("agent", "0.3.0"), ("mpy", "7"), ("board", "pico"), ("space", "10")):
        needy = with_values(DESCRIPTION, needs=((name, value),))
        assert reason(needy) == "needs %s %s" % (name, value)
    for name, value in (("agent", "0.2.0"), ("agent", "0.1.9"), ("mpy", "5 6")):
        assert reason(with_values(DESCRIPTION, needs=((name, value),))) is None


def test_the_window_the_veto_and_the_owner_put_a_restart_off():
    assert plan.may_restart("auto", None, None, None) == plan.GO
    for words in (
        ("ask", None, 0, None),
        ("auto", (60, 120), 59, None),
        ("auto", (60, 120), 120, None),
        ("auto", (60, 120), None, None),
        ("auto", (1380, 60), 61, None),
        ("auto", None, 0, "the pump runs"),
    ):
        assert plan.may_restart(*words).kind == plan.RESCHEDULE
    for minute in (1380, 1439, 0, 59):
        assert plan.may_restart("auto", (1380, 60), minute, None) == plan.GO


def test_health_is_everything_together_for_the_whole_time():
    health = plan.Health(1000, 60_000, 600_000)
    good, bad = (("a", True), ("b", True)), (("a", True), ("b", False))
    assert health.judge(1000, good) is None
    assert health.judge(60_000, good) is None
    assert health.judge(60_500, bad) is None  # from the beginning
    assert health.judge(61_000, good) is None
    assert health.judge(120_999, good) is None
    assert health.judge(121_000, good) is True


def test_health_that_does_not_come_in_time_says_what_was_missing():
    health = plan.Health(0, 1000, 5000)
    assert health.judge(4999, (("its own answer", False),)) is None
    assert health.judge(5000, (("its own answer", False),)) is False
    assert health.missing == "its own answer"
    assert health.judge(5000, (("its own answer", True),)) is None  # was just in time, must last
    assert health.judge(6000, (("its own answer", True),)) is True


class Wire:
    """Keeps what a Depot asks, and answers."""

    def __init__(self, rate=0):
        self.asked = []
        self.depot = Depot(self._publish, rate)
        self.depot.connected(True)

    def _publish(self, payload):
        self.asked.append(payload.decode())
        return True

    def give(self, offset, data, name="n"):
        self.depot.receive(("%s %d\n" % (name, offset)).encode() + data)


def test_a_window_is_asked_for_and_moves_on():
    wire = Wire()
    wire.depot.begin("n", 0, 20000)
    wire.depot.step(START)
    assert wire.asked == ["n 0 %d" % WINDOW]
    for at in range(0, 6144, 2048):
        wire.give(at, bytes(2048))
        assert len(wire.depot.take()) == 2048
    wire.depot.step(START + 1)
    assert wire.asked[1] == "n 8192 6144" and wire.depot.take() is None


def test_what_is_lost_doubled_late_or_not_asked_for_does_no_harm():
    wire = Wire()
    wire.depot.begin("n", 0, 5000)
    wire.depot.step(START)
    wire.give(2048, bytes(2048))  # the first was lost
    wire.give(0, bytes(2048), "other")
    wire.depot.receive(b"")
    wire.depot.receive(b"n 0")
    wire.depot.receive(b"\n" * 100)
    wire.depot.receive(b"n zero\nx")
    wire.give(0, bytes(9000))  # more than was asked for
    assert wire.depot.take() is None
    wire.give(0, bytes(2048))
    wire.give(0, bytes(2048))
    assert len(wire.depot.take()) == 2048 and wire.depot.take() is None


def test_silence_is_asked_again_and_ever_more_seldom():
    wire = Wire()
    wire.depot.begin("n", 100, 5000)
    now = START
    wire.depot.step(now)
    for _ in range(8):
        now = wire.depot.due
        wire.depot.step(now)
    assert wire.asked == ["n 100 4900"] * 9 and wire.depot.timeouts == 8
    assert wire.depot.due - now == 60_000


def test_a_reconnection_asks_again_at_once_from_where_it_was():
    wire = Wire()
    wire.depot.begin("n", 0, 5000)
    wire.depot.step(START)
    wire.give(0, bytes(2048))
    wire.depot.connected(False)
    wire.depot.step(START + 1)
    assert wire.depot.due is None
    wire.depot.connected(True)
    wire.depot.step(START + 2)
    assert wire.asked[-1] == "n 2048 2952"


def test_a_rate_limit_holds_back_the_next_question():
    wire = Wire(rate=8192)
    wire.depot.begin("n", 0, 50000)
    wire.depot.step(START)
    for at in range(0, WINDOW, 2048):
        wire.give(at, bytes(2048))
    wire.depot.step(START + 10)
    assert len(wire.asked) == 1 and wire.depot.due == START + 1000
    wire.depot.step(START + 1000)
    assert len(wire.asked) == 2


def test_the_states_have_names():
    names = [row[0] for row in plan.STATES]
    assert names[0] == "idle" and "rescue" in names and len(names) == 9


class Line:
    """A transport that gives what it is told to, in pieces, and may break."""

    name = "line"
    pollable = "pollable"

    def __init__(self, answers):
        self.answers = answers
        self.written = b""

    def open(self):
        """As of a transport."""

    def finish(self):
        """As of a transport."""
        return True

    def write(self, data):
        """As of a transport."""
        self.written += data
        return len(data)

    def read_into(self, view):
        """As of a transport."""
        if not self.answers:
            return 0
        data = self.answers.pop(0)
        if data is None:
            raise TransportError("lost", "cut")
        view[: len(data)] = data
        return len(data)

    def close(self):
        """As of a transport."""


def http_depot(*lines):
    """A depot over HTTP that gets these connections one after the other."""
    lines = list(lines)
    made = []

    def transport(host, port):
        made.append(Line(lines.pop(0)))
        return made[-1]

    watched = []
    depot = http.Depot("http://h:8080/d/", None, lambda *what: watched.append(what), 0, transport)
    return depot, made


def drain(depot, now=START):
    """What a depot gives until nothing more comes."""
    found = b""
    for _ in range(50):
        depot.step(now)
        data = depot.take()
        while data:
            found += data
            data = depot.take()
    return found


HEAD = b"HTTP/1.1 206 Partial\r\ncontent-LENGTH: %d\r\nx: y\r\n\r\n"


def test_http_asks_for_the_rest_and_keeps_its_connection():
    depot, made = http_depot([HEAD[:20], (HEAD % 5)[20:] + b"ab", b"cde"])
    depot.begin("n", 7, 12)
    assert drain(depot) == b"abcde"
    depot.begin("m", 0, 2)
    made[0].answers.append(HEAD % 2 + b"xy")
    assert drain(depot) == b"xy"
    assert len(made) == 1 and b"GET /d/n HTTP/1.1\r\nHost: h\r\nRange: bytes=7-" in made[0].written


def test_http_goes_on_where_it_was_cut():
    depot, made = http_depot([HEAD % 9 + b"abc", None], [HEAD % 6 + b"defghi"])
    depot.begin("n", 0, 9)
    assert drain(depot) == b"abc" and depot.due == START + 1000
    assert drain(depot, START + 1000) == b"defghi"
    assert b"bytes=3-" in made[1].written


def test_http_believes_no_answer_that_is_none():
    for answer in (
        b"HTTP/1.1 404 No\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabcdefghi",  # not from the byte asked for
        b"HTTP/1.1 206 OK\r\n\r\nabc",
        b"SSH-2.0\r\n\r\n",
        b"x" * 2048,
    ):
        depot, made = http_depot([answer, b"y" * 2000], [])
        depot.begin("n", 3, 9)
        assert drain(depot) == b"" and depot.failures == 1, answer
    depot, made = http_depot([HEAD % 3 + b"abc" + b"more" * 100])
    depot.begin("n", 0, 9)
    assert drain(depot) == b"abc"


def test_http_gives_up_on_silence():
    depot, made = http_depot([], [HEAD % 3 + b"abc"])
    depot.begin("n", 0, 3)
    assert drain(depot) == b""
    assert drain(depot, START + http.PATIENCE_MS + 1) == b"" and depot.failures == 1
    assert drain(depot, START + http.PATIENCE_MS + 2000) == b"abc"


def test_urls_are_checked():
    assert http.parse_url("https://h/x/") == ("https", "h", 443, "x")
    assert http.parse_url("http://h:81") == ("http", "h", 81, "")
    for wrong in ("h", "ftp://h/", "http://", "http://h:x/", "http://h/ x"):
        raises(BadConfig, http.parse_url, wrong)

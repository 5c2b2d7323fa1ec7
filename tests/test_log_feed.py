"""agent/log_feed.py: lines for who follows, at a rate, for a time; what was left out is told."""

import json

from support import START

from agent.log import MAX_RECENT, MOST_RECENT, Log
from agent.log_feed import MOST_LINES, PERIOD_MS, LogFeed


class Device:
    """A log with a feed; `sent` are the messages that left."""

    def __init__(self):
        self.time = START
        self.sent = []
        self.is_connected = True
        self.woken = 0
        self.feed = LogFeed(self.publish, self.wake, self)
        self.log = Log("error", self, lambda line: None)
        self.log.tap = self.feed.add

    def now(self):
        return self.time

    def wake(self):
        self.woken += 1

    def publish(self, payload):
        if self.is_connected:
            self.sent.append(json.loads(payload))
        return self.is_connected

    def step(self, passed=0):
        self.time += passed
        self.feed.step(self.time)
        return self.sent[-1] if self.sent else None


def test_nobody_follows_and_nothing_leaves():
    device = Device()
    device.log.error("on fire")
    assert device.step() is None and device.feed.due is None and not device.woken


def test_lines_up_to_the_level_leave_together_though_the_console_leaves_them_out():
    device = Device()
    device.feed.follow("info", 10, START + 60_000)
    device.time = START + 5
    device.log.warning("hot: %d", 90)
    device.log.debug("not this")
    device.log.info("two\nlines")
    assert device.feed.due == 0 and device.woken == 1
    assert device.step() == {
        "lines": [[START + 5, "warning", "hot: 90"], [START + 5, "info", "two | lines"]],
        "dropped": 0,
    }
    assert device.feed.due == START + 60_000


def test_what_is_above_the_rate_is_counted_and_told():
    device = Device()
    device.feed.follow("info", 5, START + 600_000)
    for number in range(12):
        device.log.info("line %d", number)
    said = device.step()
    assert len(said["lines"]) == 5 and said["dropped"] == 7
    device.log.info("one too many")
    assert device.feed.due == START + PERIOD_MS
    device.step(PERIOD_MS - 1)
    assert len(device.sent) == 1
    assert device.step(1) == {"lines": [], "dropped": 1}
    device.log.info("there is room again")
    assert device.step()["lines"][0][2] == "there is room again"


def test_following_ends_by_itself_and_the_settings_hold_again():
    device = Device()
    device.feed.set("error", 1)
    device.feed.follow("debug", 10, START + 1000)
    device.log.debug("followed")
    device.step()
    device.step(1000)
    device.log.debug("not any more")
    device.log.error("settings ask for this")
    said = device.step()
    assert [line[2] for line in said["lines"]] == ["settings ask for this"]
    device.feed.set(None, 1)
    device.log.error("nobody")
    device.step(5000)
    assert len(device.sent) == 2 and device.feed.due is None


def test_without_a_connection_the_newest_lines_wait():
    device = Device()
    device.is_connected = False
    device.feed.follow("info", 100, START + 600_000)
    for number in range(MOST_LINES + 8):
        device.log.info("line %d", number)
        device.step()
    assert device.feed.due > device.time  # it does not spin
    device.is_connected = True
    said = device.step(PERIOD_MS)
    assert len(said["lines"]) == MOST_LINES and said["dropped"] == 8


def test_many_threads_may_log_at_once():
    import threading

    from interpreter import THREADS
    from support import skip

    if THREADS == "none":
        skip("no threads")
    device = Device()
    device.feed.follow("info", 100, START + 600_000)
    threads = [
        threading.Thread(target=lambda: [device.log.info("x") for _ in range(20)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    device.step()
    assert sum([len(said["lines"]) + said["dropped"] for said in device.sent]) == 80


def test_the_last_lines_are_kept_for_who_asks_later():
    device = Device()
    log = Log("info", device, lambda line: None)
    log.debug("not this")
    assert log.recent == []
    for number in range(MOST_RECENT + 5):
        device.time = number
        log.info("line %d %s", number, "x" * MAX_RECENT)
    assert len(log.recent) == MOST_RECENT
    assert log.recent[0][:2] == (5, "info") and log.recent[0][2].startswith("line 5 x")
    assert all([len(line) == MAX_RECENT for _, _, line in log.recent])

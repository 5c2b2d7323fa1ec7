"""When a device may sleep, and how long; in simulated time."""

import sys

from support import raises, temporary_folder

from agent import boot, config
from agent.duty import LEAST_MS, LOOK_MS, Duty
from agent.errors import BadConfig
from agent.store import Store

OPTIONS = {"period_s": 60, "linger_s": 3, "patience_s": 20}


class World:
    """What a Duty asks of its agent; `run` lets time pass."""

    def __init__(self, now=0):
        self.is_connected = self.is_drained = self.may_say = True
        self.is_busy = False
        self.done = 0
        self.next_due = None
        self.said = []
        self.stays = self.ends = 0
        hands = {
            "connected": lambda: self.is_connected,
            "busy": lambda: self.is_busy,
            "activity": lambda: self.done,
            "next_due": lambda: self.next_due,
            "say": self._say,
            "drained": lambda: self.is_drained,
            "stay": self._stay,
            "end": self._end,
        }
        self.now = now
        self.duty = Duty(OPTIONS, now, hands)

    def _say(self, seconds):
        if self.may_say:
            self.said.append(seconds)
        return self.may_say

    def _stay(self):
        self.stays += 1

    def _end(self):
        self.ends += 1

    def run(self, milliseconds):
        until = self.now + milliseconds
        while self.duty.due <= until and not self.ends:
            self.now = self.duty.due
            self.duty.step(self.now)
        if not self.ends:
            self.now = until
        return self


def test_with_nothing_to_do_it_says_so_and_sleeps_for_the_rest_of_the_period():
    world = World().run(10_000)
    assert world.ends == 1 and world.said == [57]
    assert world.duty.sleep_ms == 57_000 - LOOK_MS * ((world.now - 3000) // LOOK_MS - 1)


def test_it_stays_while_something_is_under_way_and_a_while_longer():
    world = World()
    world.is_busy = True
    assert world.run(58_000).ends == 0
    world.is_busy = False
    assert world.run(2_000).ends == 0
    world.done += 1
    assert world.run(2_500).ends == 0
    assert world.run(3_000).ends == 1
    # what is left of the period is too little: it wakes no sooner than that is worth
    assert world.duty.sleep_ms == LEAST_MS


def test_it_sleeps_until_the_next_schedule_and_not_at_all_before_one_that_is_near():
    world = World()
    world.next_due = 20_000
    assert world.run(10_000).said == [17]
    world = World()
    world.next_due = 4_500
    assert world.run(4_400).ends == 0
    world.next_due = 100_000  # it ran
    world.done += 1
    assert world.run(5_000).ends == 1 and world.said == [53]


def test_without_a_connection_it_gives_up_in_time_and_tells_nobody():
    world = World()
    world.is_connected = False
    assert world.run(19_000).ends == 0
    assert world.run(5_000).ends == 1 and world.said == []
    assert world.duty.sleep_ms <= 40_000


def test_a_connection_that_comes_late_gets_its_time():
    world = World()
    world.is_connected = False
    world.run(18_000)
    world.is_connected = True
    assert world.run(2_500).ends == 0
    assert world.run(1_500).ends == 1 and len(world.said) == 1


def test_what_comes_after_it_has_said_so_is_done_first():
    world = World()
    world.is_drained = False
    world.run(3_500)
    assert len(world.said) == 1 and not world.ends
    world.done += 1
    world.run(LOOK_MS)
    assert world.stays == 1
    world.is_drained = True
    assert world.run(5_000).ends == 1 and len(world.said) == 2


def test_samples_that_wait_go_first():
    world = World()
    world.may_say = False
    assert world.run(20_000).ends == 0
    world.may_say = True
    assert world.run(1_000).ends == 1


def test_a_broker_that_does_not_acknowledge_it_is_not_waited_for_for_ever():
    world = World()
    world.is_drained = False
    assert world.run(9_000).ends == 1


def test_a_link_that_is_lost_while_saying_so_changes_nothing():
    world = World()
    world.is_drained = False
    world.run(3_500)
    world.is_connected = False
    assert world.run(LOOK_MS).ends == 1 and world.stays == 0


def test_a_period_longer_than_the_brokers_memory_is_refused():
    values = {"device": "d", "sleep": {"period_s": 3600}}
    error = raises(BadConfig, config.check, values)
    assert error.message == (
        "sleep.period_s: expected less than mqtt.session_expiry_s, 3600: what is asked of it"
        " while it sleeps would be lost"
    )
    config.check({"device": "d", "sleep": {"period_s": 3600}, "mqtt": {"session_expiry_s": 7200}})


def boot_after_sleep(cause):
    """The time that is known at a start after a minute's sleep, which began at 1000000 ms."""
    before = sys.modules.get("machine")
    sys.modules["machine"] = Board(cause)
    try:
        with temporary_folder() as folder:
            store = Store(folder)
            first = boot.begin(store)
            boot.record(store, first, 1_000_000, 60_000)
            return boot.begin(store).unix_ms
    finally:
        if before is None:
            del sys.modules["machine"]
        else:
            sys.modules["machine"] = before


class Board:
    """A module `machine` that says why it started."""

    PWRON_RESET, WDT_RESET, DEEPSLEEP_RESET = 1, 3, 4

    def __init__(self, cause):
        self.reset_cause = lambda: cause


def test_a_board_whose_clock_stops_in_its_sleep_knows_how_long_it_slept():
    assert boot_after_sleep(Board.DEEPSLEEP_RESET) == 1_060_000
    assert boot_after_sleep(Board.WDT_RESET) == 1_060_000  # RP2 calls it so
    assert boot_after_sleep(Board.PWRON_RESET) == 1_000_000  # it was woken, nobody knows when

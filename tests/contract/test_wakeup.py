"""compat/wakeup.py: every kind of channel that this runtime can make keeps one contract."""

import select
import time

import wakeup
from interpreter import THREADS
from support import raises, skip


def _available():
    found = [("best", wakeup.Channel)]
    for name, make in wakeup.KINDS:
        try:
            make().close()
        except OSError:
            continue
        found.append((name, make))
    return found


IMPLEMENTATIONS = _available()


class Owner:
    """A channel with the poller of the thread that owns it."""

    def __init__(self, make):
        self.channel = make()
        self.poller = select.poll()
        self.poller.register(self.channel.pollable, select.POLLIN)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.poller.unregister(self.channel.pollable)
        self.channel.close()

    def called(self, timeout_ms=0):
        return bool(self.poller.poll(timeout_ms))


def test_a_new_channel_is_quiet(make):
    with Owner(make) as owner:
        assert not owner.called()
        assert not owner.channel.is_set()


def test_a_call_stays_until_it_is_cleared(make):
    with Owner(make) as owner:
        owner.channel.set()
        assert owner.called(1000) and owner.called() and owner.channel.is_set()
        owner.channel.clear()
        assert not owner.called() and not owner.channel.is_set()


def test_any_number_of_calls_is_one_call(make):
    with Owner(make) as owner:
        for _ in range(10000):
            owner.channel.set()
        assert owner.called(1000)
        owner.channel.clear()
        assert not owner.called()


def test_it_can_be_used_again_and_again(make):
    with Owner(make) as owner:
        for _ in range(100):
            owner.channel.set()
            assert owner.called(1000)
            owner.channel.clear()
            assert not owner.called()


def test_two_channels_do_not_hear_each_other(make):
    with Owner(make) as one, Owner(make) as other:
        one.channel.set()
        assert one.called(1000) and not other.called()


def test_closing_twice_and_a_late_call_harm_nobody(make):
    channel = make()
    channel.close()
    with Owner(make) as other:  # has the descriptor that was given back
        channel.close()
        channel.set()
        assert not other.called()
        other.channel.set()
        assert other.called(1000)


def test_a_sleeping_owner_is_woken_by_another_thread(make):
    if THREADS == "none":
        skip("no threads here")
    import _thread

    with Owner(make) as owner:
        _thread.start_new_thread(_set_later, (owner.channel,))
        assert owner.called(10000)


def _set_later(channel):
    time.sleep(0.05)  # not a synchronisation: the test passes either way, the sleep makes it work
    channel.set()


def test_no_call_is_lost_between_two_threads(make):
    if THREADS == "none":
        skip("no threads here")
    import _thread

    lock = _thread.allocate_lock()
    items = []
    with Owner(make) as owner:
        _thread.start_new_thread(_produce, (owner.channel, lock, items, 1000))
        seen = []
        while len(seen) < 1000:
            assert owner.called(10000), "a call was lost after %d items" % len(seen)
            owner.channel.clear()
            with lock:
                seen += items
                items[:] = []
        assert seen == list(range(1000))


def _produce(channel, lock, items, count):
    for number in range(count):
        with lock:
            items.append(number)
        channel.set()


def test_an_impossible_channel_gives_every_reason(_):
    def refuse():
        raise wakeup.Unavailable("not today")

    kinds = wakeup.KINDS
    wakeup.KINDS = (("first", refuse), ("second", refuse))
    try:
        error = raises(wakeup.Unavailable, wakeup.Channel)
    finally:
        wakeup.KINDS = kinds
    assert str(error) == "no wake-up channel: first: not today; second: not today"


def test_a_taken_name_is_tried_again_under_another(_):
    numbers = iter((b"a" * 12, b"a" * 12, b"b" * 12))
    try:
        wakeup.self_connected().close()
    except wakeup.Unavailable as reason:
        skip(str(reason))
    original = wakeup.random_bytes
    wakeup.random_bytes = lambda count: next(numbers)
    try:
        first = wakeup.self_connected()
        second = wakeup.self_connected()
    finally:
        wakeup.random_bytes = original
    second.send(b"x")
    assert second.recv(8) == b"x"
    first.close()
    second.close()
    assert next(numbers, None) is None

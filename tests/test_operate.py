"""agent/operate: a crash is told at the next start, and a service manager hears the truth."""

import os
import socket

from faulty.disk import Disk, PowerCut
from support import START, raises, skip, temporary_folder
from wakeup import unix_address

from agent.operate import crash, notify
from agent.store import Store


def failure(text="on fire"):
    try:
        raise ValueError(text)
    except ValueError as error:
        return error


def store_of(disk):
    return Store("data", disk)


def record(boot, uptime_ms=1000, thread=None):
    return crash.make_record(failure(), boot, uptime_ms, "1", thread)


def told_of(disk):
    told = []
    assert crash.tell(store_of(disk), lambda words: told.append(words) or True)
    return told


def test_a_crash_is_told_once_with_its_traceback():
    disk = Disk()
    assert told_of(disk) == []
    crash.keep(store_of(disk), record(7))
    words = told_of(disk)[0]
    assert words["error"] == "ValueError: on fire" and words["boot"] == 7
    assert "Traceback" in words["traceback"] and "in failure" in words["traceback"]
    assert told_of(disk) == []


def test_one_that_found_no_room_is_told_later():
    disk = Disk()
    crash.keep(store_of(disk), record(1))
    assert not crash.tell(store_of(disk), lambda words: False)
    assert len(told_of(disk)) == 1


def test_the_newest_are_kept_and_a_traceback_is_bounded():
    disk = Disk()
    for boot in range(1, 10):
        made = crash.make_record(failure("x" * 9000), boot, 0, "1")
        assert len(made["traceback"]) <= crash.MAX_TRACEBACK and len(made["error"]) <= 200
        crash.keep(store_of(disk), made)
    assert [words["boot"] for words in told_of(disk)] == [6, 7, 8, 9]


def test_crashes_in_a_row_wait_longer_each_time():
    disk = Disk()
    crashes = [(boot, 5, None) for boot in (1, 2, 3, 5, 7, 9)]
    crashes += [(4, 700_000, None), (8, 5, "worker")]
    for boot, uptime_ms, thread in sorted(crashes, key=lambda one: one[0]):
        crash.keep(store_of(disk), record(boot, uptime_ms, thread))
        last = crash.read(store_of(disk))[-1]
        assert last["in_a_row"] == {2: 2, 3: 3, 5: 2}.get(boot, 1), boot
    assert [crash.delay_s(n) for n in (1, 2, 3, 4, 5, 99)] == [5, 10, 20, 40, 60, 60]
    assert crash.delay_s(9, 10) == 10


def test_a_power_cut_while_a_crash_is_kept_loses_no_earlier_one():
    for cut_at in range(6):
        disk = Disk(cut_at)
        kept = 0
        try:
            for boot in (1, 2):
                crash.keep(store_of(disk), record(boot))
                kept += 1
        except PowerCut:
            pass
        disk.cut()
        assert len(told_of(disk)) >= kept


def test_a_damaged_or_full_medium_does_not_make_a_crash_worse():
    disk = Disk()
    disk.write("data/crash.0", b"rot")
    disk.sync_folder("data")
    crash.keep(store_of(disk), record(1))
    assert len(told_of(disk)) == 1
    with temporary_folder() as folder:
        delay_s = crash.end(failure(), folder + "/absent", 1, 0, "1")
        assert delay_s == crash.FIRST_DELAY_S
        assert crash.end(failure(), folder, 1, 0, "1") == 5
        assert crash.end(failure(), folder, 2, 0, "1") == 10


class Manager:
    """A service manager's socket."""

    def __init__(self, name):
        if not hasattr(socket, "AF_UNIX"):
            skip("this interpreter has no AF_UNIX sockets")
        self.channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.channel.bind(unix_address(name))
        self.channel.setblocking(False)

    def heard(self):
        found = []
        while True:
            try:
                found.append(self.channel.recv(100))
            except OSError:
                return found


def test_the_manager_hears_exactly_what_it_should_by_path_and_by_abstract_name():
    with temporary_folder() as folder:
        token = folder.rsplit("/", 1)[1].encode()
        for name, text in (
            (folder.encode() + b"/n", folder + "/n"),
            (b"\0" + token, "@" + token.decode()),
        ):
            manager = Manager(name)
            notifier = notify.Notifier(text, 1000)
            assert notifier.send(notify.READY) and notifier.send(notify.ALIVE)
            assert manager.heard() == [b"READY=1", b"WATCHDOG=1"]
            manager.channel.close()
        os.remove(folder + "/n")
        assert not notify.Notifier(folder + "/n").send(notify.READY)


def test_what_is_no_address_is_nobody():
    for text in ("", "x", "@", "/", "relative/path", "n"):
        assert not notify.Notifier(text).send(notify.READY)


class Heard(notify.Notifier):
    """Keeps what it sends."""

    def __init__(self, watchdog_ms=0):
        super().__init__("", watchdog_ms)
        self.sent = []

    def send(self, message):
        self.sent.append(message)


def test_each_turn_of_the_loop_says_alive_at_half_the_interval():
    notifier = Heard(10_000)
    notifier.ready()
    notifier.ready()
    for now in (0, 1000, 4999, 5000, 6000, 14_000):
        notifier.step(START + now)
    assert notifier.sent == [b"READY=1"] + [b"WATCHDOG=1"] * 3 and notifier.due == START + 19_000


def test_a_start_without_a_broker_asks_for_time():
    notifier = Heard()
    for now in (0, 59_999, 60_000):
        notifier.step(START + now)
    assert notifier.sent == [notify.WAITING] * 2
    notifier.ready()
    assert notifier.due is None
    notifier.step(START + 999_999)
    assert notifier.sent[2:] == [b"READY=1"]


def test_a_crash_record_that_is_nonsense_raises_what_is_caught():
    disk = Disk()
    store_of(disk).write(crash.NAME, b"[7]")
    raises(TypeError, crash.tell, store_of(disk), lambda words: True)
    store_of(disk).write(crash.NAME, b"nope")
    raises(ValueError, crash.tell, store_of(disk), lambda words: True)

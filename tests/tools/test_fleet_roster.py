"""What devices say of themselves, without a broker."""

import json

from fleet.roster import Roster

NOW = 50.0


def say(roster, name, kind, retained=True, now=NOW, **members):
    roster.update(name, kind, json.dumps(members).encode(), retained, now)


def test_a_device_is_what_it_said_last_on_both_topics():
    roster = Roster()
    say(roster, "b", "status", state="online", boot=1)
    say(roster, "a", "about", board="x")
    say(roster, "b", "status", state="offline", boot=2)
    assert list(roster.devices()) == ["a", "b"]
    assert roster.get("b").status == {"state": "offline", "boot": 2}
    assert roster.get("b").state == "offline"
    assert roster.get("a").state == "unknown"
    assert roster.get("c") is None


def test_a_state_that_is_no_state_is_unknown():
    roster = Roster()
    for state in ("", "ONLINE", None, ["online"], {}, 1):
        say(roster, "a", "status", state=state, other=1)
        assert roster.get("a").state == "unknown"


def test_what_is_not_an_object_changes_nothing_and_is_counted():
    roster = Roster()
    say(roster, "a", "status", state="online")
    for payload in (b"[]", b"{", b"\xff", b"1", b"[" * 100_000):
        roster.update("a", "status", payload, False, NOW)
    assert roster.get("a").state == "online"
    assert sum(roster.refused.values()) == 5


def test_a_change_under_our_eyes_has_its_time_and_what_the_broker_kept_has_none():
    roster = Roster()
    say(roster, "a", "status", state="online")
    assert roster.get("a").changed is None
    say(roster, "a", "status", retained=False, now=60.0, state="offline")
    say(roster, "a", "about", retained=False, now=70.0, board="x")
    assert roster.get("a").changed == 60.0


def test_a_device_is_gone_once_all_it_said_is_taken_away():
    roster = Roster()
    say(roster, "a", "status", state="online")
    say(roster, "a", "about", board="x")
    roster.update("a", "status", b"", False, NOW)
    assert roster.get("a").state == "unknown"
    roster.update("a", "about", b"", False, NOW)
    assert roster.get("a") is None
    roster.update("a", "about", b"", False, NOW)


def test_after_a_reconnection_only_what_the_broker_repeats_stays():
    roster = Roster()
    say(roster, "a", "status", state="online")
    say(roster, "b", "status", state="online")
    roster.mark_stale()
    say(roster, "b", "status", state="online")
    assert set(roster.devices()) == {"a", "b"}
    roster.drop_stale()
    assert set(roster.devices()) == {"b"}


def test_a_watcher_gets_every_device_and_then_the_changes():
    roster = Roster()
    say(roster, "a", "status", state="online")
    watcher = roster.watch()
    first = watcher.next(0)
    assert (first.name, first.before, first.after.state) == ("a", None, "online")
    assert watcher.next(0) is None
    say(roster, "a", "status", state="online")
    assert watcher.next(0) is None
    say(roster, "a", "status", state="offline")
    second = watcher.next(0)
    assert (second.before.state, second.after.state) == ("online", "offline")
    roster.update("a", "status", b"", False, NOW)
    assert watcher.next(0).after is None


def test_changes_that_nobody_takes_keep_one_place_for_each_device():
    roster = Roster()
    watcher = roster.watch()
    for boot in range(10_000):
        say(roster, "a", "status", state="online", boot=boot)
    say(roster, "b", "status", state="online")
    assert len(watcher.pending) == 2
    change = watcher.next(0)
    assert (change.name, change.before, change.after.status["boot"]) == ("a", None, 9999)
    assert watcher.next(0).name == "b"


def test_a_closed_watcher_is_told_nothing():
    roster = Roster()
    watcher = roster.watch()
    watcher.close()
    say(roster, "a", "status", state="online")
    assert not watcher.pending


def test_more_devices_than_memory_allows_are_refused(monkeypatch):
    monkeypatch.setattr("fleet.roster.MAXIMUM_DEVICES", 2)
    roster = Roster()
    for name in ("a", "b", "c"):
        say(roster, name, "status", state="online")
    say(roster, "a", "status", state="offline")
    assert {name: d.state for name, d in roster.devices().items()} == {
        "a": "offline",
        "b": "online",
    }
    assert roster.refused == {"a device too many": 1}

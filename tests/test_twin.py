"""agent/twin: settings from afar are all or nothing, and what is dangerous goes back by itself."""

import json

from faulty.disk import Disk, PowerCut
from support import START, raises

from agent import config
from agent.errors import BadConfig, LimpetError
from agent.store import Store
from agent.twin import settings
from agent.twin.desired import TRIAL_FIELDS
from agent.twin.twin import BadSetting, Conflict, NoTrial, OnTrial, Twin

FILE = config.check({"device": "pump", "data": "data", "mqtt": {"host": "good", "password": "p"}})
ASIS = {field.name: field.default for field in TRIAL_FIELDS}
WRONG = {"mqtt": {"host": "wrong"}}


def start(disk, now=START, file=FILE):
    """A start of the device: its Twin."""
    twin = Twin(Store("data", disk), file, config.FIELDS, config.check, lambda values: None)
    twin.load(now)
    return twin


def host(twin):
    return twin.wanted["mqtt"]["host"]


def test_without_a_record_the_file_is_in_force():
    twin = start(Disk())
    assert twin.wanted == twin.running == FILE and not twin.touched
    assert twin.report(START)["changed"] == []


def test_a_change_survives_a_restart_and_what_it_leaves_out_is_the_files():
    disk = Disk()
    assert start(disk).replace({"log": "debug"}, ASIS, START, "a") == ["log"]
    twin = start(disk)
    assert twin.wanted["log"] == "debug" and twin.wanted["mqtt"] == FILE["mqtt"]
    assert twin.revision == 1 and twin.report(START)["changed"] == ["log"]
    twin.replace({"workers": 2}, ASIS, START, "b")
    assert start(disk).wanted["log"] == "info"
    twin.replace({}, ASIS, START, "c")
    assert start(disk).wanted == FILE


def test_the_file_is_the_base_even_when_it_changes_later():
    disk = Disk()
    start(disk).replace({"log": "debug"}, ASIS, START, "a")
    twin = start(disk, 0, dict(FILE, workers=3, log="error"))
    assert twin.wanted["workers"] == 3 and twin.wanted["log"] == "debug"


def test_one_wrong_member_refuses_the_whole_with_its_path():
    disk = Disk()
    twin = start(disk)
    for changes, path in (
        ({"log": "debug", "mqtt": {"port": 0}}, "mqtt.port: expected an integer"),
        ({"log": "debug", "mqtt": {"prot": 1}}, "mqtt.prot: unknown"),
        ({"log": "loud"}, "log: expected"),
        ({"groups": ["a b"]}, "groups[0]:"),
        ({"mqtt": 7}, "mqtt: expected an object"),
    ):
        assert path in raises(BadConfig, twin.replace, changes, ASIS, START, "a").message
    for name in ("device", "root", "data"):
        error = raises(BadSetting, twin.replace, {name: "x"}, ASIS, START, "a")
        assert error.message.startswith(name + ":")
    assert twin.wanted == FILE and disk.operations == 0


def test_settings_beyond_the_bound_are_refused():
    error = raises(BadSetting, start(Disk()).replace, {"log": "x" * 7000}, ASIS, START, "a")
    assert "6144" in error.message


def test_an_edit_changes_what_it_names_and_unsets_what_it_is_told():
    twin = start(Disk())
    twin.edit({"log": "debug", "mqtt": {"keep_alive_s": 30}}, [], ASIS, START, "a")
    twin.edit({"mqtt": {"backoff_most_s": 60}}, [], ASIS, START, "b")
    assert twin.wanted["mqtt"]["keep_alive_s"] == 30 and twin.wanted["log"] == "debug"
    twin.edit({}, ["mqtt.keep_alive_s", "log"], ASIS, START, "c")
    assert twin.report(START)["changed"] == ["mqtt.backoff_most_s"]
    assert (
        "no such setting" in raises(BadSetting, twin.edit, {}, ["mqtt"], ASIS, START, "d").message
    )
    assert twin.wanted["mqtt"]["backoff_most_s"] == 60


def test_null_says_as_if_it_were_absent():
    file = config.check({"device": "pump", "mqtt": {"username": "u", "tls": {"verify": False}}})
    twin = start(Disk(), 0, file)
    twin.edit({"mqtt": {"tls": None, "username": None}}, [], ASIS, START, "a")
    assert twin.wanted["mqtt"]["tls"] is None and twin.wanted["mqtt"]["username"] is None


def test_what_was_made_for_another_revision_is_refused():
    twin = start(Disk())
    twin.replace({"log": "debug"}, dict(ASIS, if_revision=0), 0, "a")
    error = raises(Conflict, twin.replace, {}, dict(ASIS, if_revision=0), 0, "b")
    assert error.data == {"revision": 1}
    twin.replace({}, dict(ASIS, if_revision=1), 0, "b")


def test_the_same_settings_again_are_no_new_revision():
    twin = start(Disk())
    for identity in ("a", "b"):
        twin.replace({"log": "debug"}, ASIS, START, identity)
    assert twin.revision == 1


def test_no_secret_is_told():
    twin = start(Disk())
    twin.edit({"mqtt": {"password": "hush-hush"}}, [], ASIS, START, "a")
    twin.take_over(["mqtt.password"])
    report = twin.report(START)
    assert report["secrets"] == ["mqtt.password"] and "hush" not in json.dumps(report)
    assert "password" not in report["settings"]["mqtt"]
    assert "hush" not in json.dumps(settings.describe(config.FIELDS))


def test_every_setting_says_when_it_applies_and_each_rule_names_a_setting():
    told = {words["name"]: words for words in settings.describe(config.FIELDS)}
    assert told["log"]["applies"] == "live" and told["workers"]["applies"] == "restart"
    assert told["mqtt.host"]["trial"] and told["mqtt.tls"]["applies"] == "reconnect"
    assert told["device"]["applies"] == "fixed"
    assert [path for path in settings.RULES if path not in told] == []


def test_a_description_fits_into_one_answer_and_tells_all_of_what_is_asked_for():
    limit = FILE["mqtt"]["maximum_reply_bytes"]
    assert len(json.dumps(settings.describe(config.FIELDS))) < limit // 2
    for name in {path.split(".")[0] for path, _ in settings.walk(config.FIELDS)}:
        assert len(json.dumps(settings.describe(config.FIELDS, name))) < limit * 3 // 4
    told = settings.describe(config.FIELDS, "mqtt.port")
    assert len(told) == 1 and told[0]["high"] == 65535 and told[0]["applies"] == "reconnect"
    assert settings.describe(config.FIELDS, "mqtt.por") == []
    assert "hush" not in json.dumps(settings.describe(config.FIELDS, "mqtt"))


def test_what_needs_a_restart_is_pending_until_there_was_one():
    disk = Disk()
    twin = start(disk)
    paths = twin.replace({"workers": 2, "log": "debug"}, ASIS, START, "a")
    twin.take_over([path for path in paths if settings.rule(path)[0] == settings.LIVE])
    report = twin.report(START)
    assert report["pending_restart"] == ["workers"]
    assert report["settings"]["workers"] == "auto" and report["settings"]["log"] == "debug"
    report = start(disk).report(START)
    assert report["pending_restart"] == [] and report["settings"]["workers"] == 2


def test_a_trial_ends_by_confirmation_and_by_nothing_else_for_good():
    disk = Disk()
    twin = start(disk)
    twin.replace(WRONG, dict(ASIS, within_s=30), START + 1000, "a")
    assert twin.deadline == START + 31000 and twin.report(START + 11000)["trial"]["left_s"] == 20
    assert "a is on trial" in raises(OnTrial, twin.replace, {}, ASIS, START, "b").message
    raises(NoTrial, twin.confirm, "b")
    twin.confirm("a")
    assert twin.deadline is None and host(start(disk)) == "wrong"
    assert start(disk).outcome == {"id": "a", "state": "confirmed", "reason": None}
    raises(NoTrial, twin.confirm)
    raises(NoTrial, twin.revert)


def test_a_trial_that_is_reverted_leaves_what_was_before_it():
    disk = Disk()
    twin = start(disk)
    twin.replace({"log": "debug"}, ASIS, START, "a")
    twin.edit(WRONG, [], ASIS, START, "b")
    assert twin.revert("b", "because") == ["mqtt.host"]
    assert twin.wanted["log"] == "debug" and host(twin) == "good"
    twin = start(disk)
    assert host(twin) == "good" and twin.outcome["reason"] == "because" and twin.trial is None
    assert twin.revision == 3  # whoever counts sees that it went there and back


def test_a_start_within_a_trial_goes_on_once_and_the_second_goes_back():
    disk = Disk()
    start(disk).replace(WRONG, dict(ASIS, within_s=30), START, "a")
    twin = start(disk, START + 500)
    assert host(twin) == "wrong" and twin.deadline == START + 30500
    twin = start(disk)
    assert host(twin) == "good" and "started 2 times" in twin.notice
    assert host(start(disk)) == "good" and start(disk).trial is None


def test_what_is_on_trial_and_needs_a_restart_begins_its_trial_with_it():
    disk = Disk()
    twin = start(disk)
    twin.replace({"mqtt": {"maximum_packet_bytes": 1024}}, ASIS, START, "a")
    assert twin.deadline is None and twin.trial["waits"]
    raises(NoTrial, twin.confirm)
    twin = start(disk, START + 100)
    assert twin.deadline == START + 120100 and twin.running["mqtt"]["maximum_packet_bytes"] == 1024
    assert start(disk).deadline == START + 120000
    assert start(disk).running["mqtt"]["maximum_packet_bytes"] == 4096


def test_where_a_start_cannot_be_written_down_nothing_on_trial_is_used():
    disk = Disk()
    start(disk).replace(WRONG, ASIS, START, "a")
    disk.read_only = True
    for _ in range(2):
        twin = start(disk)
        assert host(twin) == "good" and twin.trial is None
        assert "could not be written down" in twin.notice


def test_a_trial_goes_back_though_that_cannot_be_written():
    disk = Disk()
    twin = start(disk)
    twin.replace(WRONG, ASIS, START, "a")
    disk.full = True
    assert twin.revert() == ["mqtt.host"] and host(twin) == "good"
    disk.full = False
    start(disk)
    assert host(start(disk)) == "good"


def test_settings_that_a_new_agent_refuses_are_not_used():
    disk = Disk()
    twin = start(disk)
    twin.replace({"workers": 2}, ASIS, START, "a")
    twin._write(changes={"workers": "many"})
    twin = start(disk)
    assert twin.wanted == FILE and "workers: expected" in twin.notice
    twin.edit({"log": "debug"}, [], ASIS, START, "b")  # and they stand in no later change's way
    assert start(disk).report(START)["changed"] == ["log"]


def test_a_damaged_record_is_told_and_the_file_is_used():
    disk = Disk()
    disk.write("data/twin.0", b"LMP1 rot")
    disk.sync_folder("data")
    twin = start(disk)
    assert twin.wanted == FILE and "damaged" in twin.notice


# What a device goes through: each step on a fresh start or on the one before it, and what may hold
# after it: the host in force.
def _confirmed(twin):
    twin.replace(WRONG, ASIS, START, "a")
    twin.confirm()


def _reverted(twin):
    twin.replace(WRONG, ASIS, START, "a")
    twin.revert()


STORIES = (
    (lambda twin: twin.replace({"log": "debug"}, ASIS, START, "a"), ("good",)),
    (lambda twin: twin.replace(WRONG, ASIS, START, "a"), ("good", "wrong")),
    (_confirmed, ("good", "wrong")),
    (_reverted, ("good", "wrong")),
)
LUCKS = ("none", "all", "zeros", 1, 16, 40)


def test_a_power_cut_at_every_write_leaves_a_way_back():
    """After it the device is as before, or on trial; and two starts later as before for good,
    unless the change was confirmed."""
    count = 0
    for story, hosts in STORIES:
        for luck in LUCKS:
            cut_at = 0
            while cut_to(story, luck, cut_at, hosts):
                cut_at += 1
                count += 1
    assert count > 4 * len(LUCKS)


def cut_to(story, luck, cut_at, hosts):
    """One device whose power goes at that operation; False once the story has fewer."""
    disk = Disk(None, luck)
    start(disk).replace({"log": "error"}, ASIS, START, "first")
    disk.operations, disk.cut_at = 0, cut_at
    is_cut = False
    try:
        story(start(disk))
    except PowerCut:
        is_cut = True
    disk.cut()
    # The next starts may be cut off too, each at any of its own operations.
    for inner in range(4):
        disk.operations, disk.cut_at = 0, inner
        try:
            start(disk)
        except PowerCut:
            pass
        disk.cut()
    twin = start(disk)
    assert twin.notice is None or "damaged" not in twin.notice, (luck, cut_at, twin.notice)
    assert host(twin) in hosts
    if host(twin) == "wrong" and twin.trial is None:
        assert twin.outcome["state"] == "confirmed"
    for _ in range(2):
        twin = start(disk)
    assert twin.trial is None
    assert host(twin) == "good" or twin.outcome["state"] == "confirmed"
    return is_cut


def test_an_error_of_the_store_leaves_all_as_it_was():
    disk = Disk()
    twin = start(disk)
    disk.full = True
    raises(LimpetError, twin.replace, WRONG, ASIS, START, "a")
    assert twin.wanted == FILE and twin.trial is None and twin.revision == 0


def test_every_setting_of_the_link_is_fixed_at_once_or_on_trial():
    harmless = ("mqtt.keep_alive_s", "mqtt.backoff_first_s", "mqtt.backoff_most_s")
    for path, _ in settings.walk(config.FIELDS):
        if path.startswith("mqtt.") and path not in harmless:
            assert settings.rule(path)[1], path
    assert settings.rule("mqtt.what_comes_later") == (settings.RESTART, True)
    assert settings.rule("update")[1] and settings.rule("watchdog")[1]

"""agent/keys.py and the families key.* and policy.*: keys through power cuts, secrets kept."""

import json

from faulty.disk import Disk, PowerCut
from sealing import ANN, BOB, SIGNER, bytes_of, text_of, wrap
from support import raises

from agent import schema
from agent.commands import key, policy_commands
from agent.commands.freshness import FRESH, OLD, SEEN
from agent.commands.registry import INLINE
from agent.errors import BadParams
from agent.hmac_sha256 import prepare
from agent.keys import AHEAD, MAX_KEYS, MAX_NAMES, BadKey, Keyring, unwrap
from agent.store import Store

ALL = ["read", "act", "files", "code", "update", "admin"]
CAROL = b"c" * 32


def entry(name, secret, permissions=ALL, signer=None):
    words = {"name": name, "secret": text_of(secret), "permissions": permissions}
    if signer is not None:
        words["signer"] = signer
    return words


def provision(disk, *entries, **more):
    words = {"keys": list(entries)}
    words.update(more)
    disk.write("data/keys.json", json.dumps(words).encode())
    disk.sync_folder("data")


def ring(disk):
    made = Keyring(Store("data", disk), "data/", disk)
    made.load()
    return made


def ring_with(*entries):
    disk = Disk()
    provision(disk, *entries)
    return disk, ring(disk)


def test_a_new_device_has_no_keys():
    made = ring(Disk())
    assert not made.configured and made.fault is None and made.all() == []
    assert made.policy == {"anonymous": "read", "code": False, "hardware": []}


def test_keys_come_from_the_data_directory_and_stay():
    disk, made = ring_with(entry("ann", ANN), entry("bob", BOB, ["read"], SIGNER))
    assert made.configured and [k.name for k in made.all()] == ["ann", "bob"]
    assert made.find("bob").permissions == ("read",) and made.find("carol") is None
    assert "2 keys taken" in made.notice and "remove it" in made.notice
    disk.remove("data/keys.json")
    again = ring(disk)
    assert [k.name for k in again.all()] == ["ann", "bob"] and again.notice is None
    assert again.find("ann").prepared == prepare(ANN)


def test_a_provisioning_file_is_taken_once():
    disk, made = ring_with(entry("ann", ANN), entry("bob", BOB))
    made.withdraw("bob")
    again = ring(disk)
    assert again.find("bob") is None and "was taken already" in again.notice
    provision(disk, entry("carol", CAROL), policy={"code": True})
    third = ring(disk)
    assert [k.name for k in third.all()] == ["ann", "carol"] and third.policy["code"] is True


def test_a_wrong_provisioning_file_changes_nothing_and_repeats_no_secret():
    for wrong, part in (
        ({"keys": [entry("a b", ANN)]}, "keys[0].name"),
        ({"keys": [entry("ann", ANN[:31])]}, "keys[0].secret"),
        ({"keys": [dict(entry("ann", ANN), secret="x" * 64)]}, "secret"),
        ({"keys": [entry("ann", ANN, ["root"])]}, "keys[0].permissions[0]"),
        ({"keys": [entry("ann", ANN)], "more": 1}, "more: unknown"),
        ({"keys": [entry("k%d" % n, ANN) for n in range(MAX_KEYS + 1)]}, "keys: expected a list"),
    ):
        disk = Disk()
        disk.write("data/keys.json", json.dumps(wrong).encode())
        made = ring(disk)
        assert not made.configured and "was not taken" in made.notice
        assert part in made.notice, made.notice
        assert text_of(ANN)[:8] not in made.notice


def test_keys_that_cannot_be_read_open_nothing():
    disk, _ = ring_with(entry("ann", ANN))

    def read(path, limit):
        raise OSError(5)

    disk.read = read
    made = ring(disk)
    assert made.configured and made.all() == [] and made.fault is not None
    raises(BadKey, made.add, "bob", ["read"], BOB, None)


def test_a_change_is_whole_after_a_power_cut_at_every_write():
    def change(made):
        made.add("bob", ["read", "act"], BOB, None)
        made.replace("ann", secret=CAROL)
        made.withdraw("bob")

    disk, made = ring_with(entry("ann", ANN))
    start = disk.operations
    change(made)
    count = disk.operations - start
    assert count >= 6
    for luck in ("none", "all", 7, "zeros"):
        for cut in range(count):
            disk, made = ring_with(entry("ann", ANN))
            disk.cut_at, disk.luck = disk.operations + cut, luck
            raises(PowerCut, change, made)
            disk.cut()
            names = [k.name for k in ring(disk).all()]
            assert names in (["ann"], ["ann", "bob"]), (luck, cut, names)


def test_a_secret_is_replaced_when_it_is_first_used():
    disk, made = ring_with(entry("ann", ANN))
    made.replace("ann", secret=BOB)
    for kept in (made, ring(disk)):
        assert kept.find("ann").prepared == prepare(ANN)
        assert kept.find("ann").spare_prepared == prepare(BOB)
    made.promote(made.find("ann"))
    for kept in (made, ring(disk)):
        assert kept.find("ann").prepared == prepare(BOB)
        assert kept.find("ann").spare_prepared is None


def test_the_last_admin_stays():
    _, made = ring_with(entry("ann", ANN), entry("bob", BOB, ["read"]))
    made.withdraw("bob")
    assert "no key with the permission admin" in raises(BadKey, made.withdraw, "ann").message
    raises(BadKey, made.replace, "ann", ["read"])
    made.add("bob", ["admin"], BOB, None)
    made.withdraw("ann")
    assert [k.name for k in made.all()] == ["bob"]


def test_there_is_a_bound_on_keys_and_on_names():
    _, made = ring_with(entry("ann", ANN))
    for number in range(MAX_KEYS - 1):
        made.add("k%d" % number, ["read"], BOB, None)
    raises(BadKey, made.add, "more", ["read"], BOB, None)
    made.withdraw("k0")
    for number in range(MAX_NAMES - MAX_KEYS + 1):
        made.take_counter("gone%d" % number, "left", 1)
    assert "names were used" in raises(BadKey, made.add, "new", ["read"], BOB, None).message
    made.add("gone0", ["read"], BOB, None)


def test_a_counter_is_taken_once_even_after_a_power_cut():
    disk, made = ring_with(entry("ann", ANN))
    assert made.take_counter("ann", "left", 100) == FRESH
    assert made.take_counter("ann", "left", 100) == SEEN
    assert made.take_counter("ann", "left", 50) == FRESH
    assert made.take_counter("ann", "many", 100) == FRESH
    disk.cut()
    again = ring(disk)
    for number in (50, 100, 99, 100 + AHEAD):
        assert again.take_counter("ann", "left", number) == OLD
    assert again.take_counter("ann", "left", 101 + AHEAD) == FRESH


def test_counters_cost_no_write_each():
    disk, made = ring_with(entry("ann", ANN))
    made.take_counter("ann", "left", 1)
    before = disk.syncs
    for number in range(2, 5000):
        assert made.take_counter("ann", "left", number) == FRESH
    assert disk.syncs == before


def test_after_quiet_a_restart_costs_no_number():
    disk, made = ring_with(entry("ann", ANN))
    made.take_counter("ann", "left", 100)
    assert made.settle()
    before = disk.syncs
    assert made.settle() and disk.syncs == before
    disk.cut()
    again = ring(disk)
    assert again.take_counter("ann", "left", 100) == OLD
    assert again.take_counter("ann", "left", 101) == FRESH


def test_no_counter_comes_twice_whenever_the_power_goes():
    numbers = (5, 9, 7, 9 + AHEAD + 1, 9 + AHEAD + 5)

    def use(made, taken):
        for number in numbers:
            if made.take_counter("ann", "left", number) == FRESH:
                taken.append(number)
            made.settle()

    disk, made = ring_with(entry("ann", ANN))
    start = disk.operations
    use(made, [])
    for luck in ("none", "all", 3):
        for cut in range(disk.operations - start):
            other, made = ring_with(entry("ann", ANN))
            other.cut_at, other.luck = other.operations + cut, luck
            taken = []
            raises(PowerCut, use, made, taken)
            other.cut()
            again = []
            use(ring(other), again)
            assert not set(taken) & set(again), (luck, cut)


def test_a_withdrawn_keys_counters_do_not_start_again():
    _, made = ring_with(entry("ann", ANN), entry("bob", BOB))
    made.take_counter("bob", "left", 100)
    made.withdraw("bob")
    made.add("bob", ["read"], BOB, None)
    assert made.take_counter("bob", "left", 100) == SEEN


def call(commands, name, params):
    command = [c for c in commands if c.name == name][0]
    return command.call(schema.check(command.params, params, BadParams))


def family(made, changes):
    return key.commands(made, "pump", lambda: changes.append(1))


def test_a_key_is_added_wrapped_under_another():
    _, made = ring_with(entry("ann", ANN))
    changes = []
    commands = family(made, changes)
    wrapped = wrap(ANN, "pump", "bob", BOB, b"s" * 16)
    params = {"name": "bob", "permissions": ["read", "act"], "under": "ann", "wrapped": wrapped}
    told = call(commands, "key.add", dict(params, signer=SIGNER))
    assert told["name"] == "bob" and told["permissions"] == ["read", "act"] and told["signs"]
    assert made.find("bob").prepared == prepare(BOB) and changes == [1]
    assert made.find("bob").signer == bytes_of(SIGNER)
    assert "there is a key bob" in raises(BadKey, call, commands, "key.add", params).message


def test_a_wrapped_secret_is_worth_nothing_elsewhere():
    wrapped = wrap(ANN, "pump", "bob", BOB, b"s" * 16)
    assert unwrap(prepare(ANN), "pump", "bob", wrapped) == BOB
    for under, device, name in ((BOB, "pump", "bob"), (ANN, "pum", "bob"), (ANN, "pump", "bo")):
        assert unwrap(prepare(under), device, name, wrapped) != BOB
    for wrong in ("", "x" * 96, wrapped[:-2]):
        raises(BadKey, unwrap, prepare(ANN), "pump", "bob", wrong)


def test_keys_are_replaced_and_withdrawn_by_command():
    _, made = ring_with(entry("ann", ANN), entry("bob", BOB, ["read"]))
    commands = family(made, [])
    told = call(commands, "key.replace", {"name": "bob", "permissions": ["read", "act"]})
    assert told["permissions"] == ["read", "act"] and told["replaced_by"] is None
    wrapped = wrap(ANN, "pump", "bob", CAROL)
    params = {"name": "bob", "under": "ann", "wrapped": wrapped}
    told = call(commands, "key.replace", params)
    assert told["replaced_by"] and told["replaced_by"] != told["fingerprint"]
    raises(BadKey, call, commands, "key.replace", {"name": "bob", "under": "ann"})
    assert call(commands, "key.withdraw", {"name": "bob"}) == {} and made.find("bob") is None
    for name, params in (("key.replace", {"name": "bob"}), ("key.withdraw", {"name": "bob"})):
        assert "no key of that name" in raises(BadKey, call, commands, name, params).message


def test_no_secret_is_ever_told():
    disk, made = ring_with(entry("ann", ANN), entry("bob", BOB))
    made.replace("bob", secret=CAROL)
    told = json.dumps(call(family(made, []), "key.list", {}))
    assert "ann" in told and "bob" in told
    for secret in (ANN, BOB, CAROL):
        assert text_of(secret)[:10] not in told and repr(secret)[2:12] not in told
        assert text_of(secret)[:10] not in repr(made.all())


def test_every_command_about_keys_needs_admin():
    _, made = ring_with(entry("ann", ANN))
    commands = family(made, []) + policy_commands.commands(made, None)
    assert [c.permission for c in commands] == ["admin"] * 6
    assert all([c.mode == INLINE for c in commands])


def test_the_policy_is_set_and_stays():
    disk, made = ring_with(entry("ann", ANN))
    changes = []
    commands = policy_commands.commands(made, lambda: changes.append(1))
    span = {"kind": "pin", "where": "gpiochip0", "first": 4, "last": 7, "write": True}
    told = call(commands, "policy.set", {"code": True, "hardware": [span]})
    assert told == {"anonymous": "read", "code": True, "hardware": [span]} and changes == [1]
    assert call(commands, "policy.get", {}) == told == ring(disk).policy
    told = call(commands, "policy.set", {"anonymous": "none"})
    assert told == {"anonymous": "none", "code": True, "hardware": [span]}
    told = call(commands, "policy.set", {"code": False, "anonymous": None})
    assert told == {"anonymous": "none", "code": False, "hardware": [span]}
    assert call(commands, "policy.get", {}) == told == ring(disk).policy
    wrong = {"hardware": [dict(span, first=8)]}
    raises(BadParams, call, commands, "policy.set", wrong)
    assert call(commands, "policy.get", {}) == told

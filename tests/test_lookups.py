"""Names, keys and text are found where they are, whatever an interpreter remembers.

Our own Linux builds remember where a name stands in a table and in which tables it does not stand,
sweep their heap by a table, and let the C library look for bytes (firmware/linux/patches): a fault
there would show as an attribute of the past, a builtin that is not shadowed, or a lost object.
Each test compares with a plain model, at random from a seed that is in the failure.
"""

import gc
import random

SEED = 20261124
NAMES = ["name_%d" % number for number in range(40)]


class Plain:
    pass


class Parent:
    def kind(self):
        return "parent"


class Child(Parent):
    pass


def test_attributes_come_and_go_as_in_a_dict():
    random.seed(SEED)
    holders = [Plain() for _ in range(8)]
    models = [{} for _ in holders]
    for turn in range(6000):
        number = random.randrange(len(holders))
        name = random.choice(NAMES)
        act = random.randrange(4)
        if act == 0:
            setattr(holders[number], name, turn)
            models[number][name] = turn
        elif act == 1 and name in models[number]:
            delattr(holders[number], name)
            del models[number][name]
        elif act == 2 and not random.randrange(20):
            holders[number], models[number] = Plain(), {}
        found = getattr(holders[number], name, None)
        assert found == models[number].get(name), (SEED, turn)


def test_keys_come_and_go_as_in_a_list_of_pairs():
    random.seed(SEED)
    table, pairs = {}, []
    for turn in range(6000):
        name = random.choice(NAMES)
        # The same text, now as a name of the source, now made at run time.
        key = name if random.randrange(2) else "".join((name[:3], name[3:]))
        act = random.randrange(6)
        if act < 2:
            table[key] = turn
            pairs = [pair for pair in pairs if pair[0] != key] + [(key, turn)]
        elif act == 2:
            assert table.pop(key, None) == dict(pairs).get(key), (SEED, turn)
            pairs = [pair for pair in pairs if pair[0] != key]
        elif act == 3 and not random.randrange(10):
            table = table.copy() if random.randrange(2) else dict(pairs)
        elif act == 4 and not random.randrange(40):
            table, pairs = {}, []
        assert table.get(key) == dict(pairs).get(key), (SEED, turn)
        assert (key in table) == (key in dict(pairs)), (SEED, turn)


def test_a_copy_has_what_its_place_in_memory_did_not_have():
    source = {name: name for name in NAMES}
    for _ in range(200):
        empty = {}
        assert empty.get("name_7") is None
        del empty
        assert source.copy().get("name_7") == "name_7"


def test_an_attribute_hides_a_method_from_its_first_moment_to_its_last():
    for holder in [Child() for _ in range(50)]:
        assert holder.kind() == "parent"
        holder.kind = lambda: "own"
        assert holder.kind() == "own"
        del holder.kind
        assert holder.kind() == "parent"


def test_a_method_that_a_class_gains_or_loses_is_seen_by_its_objects():
    holder = Child()
    assert holder.kind() == "parent"
    Child.kind = lambda self: "child"
    assert holder.kind() == "child"
    del Child.kind
    assert holder.kind() == "parent"
    kept = Parent.kind
    Parent.kind = lambda self: "changed"
    try:
        assert holder.kind() == "changed"
    finally:
        Parent.kind = kept


def test_a_builtin_is_hidden_by_a_global_and_comes_back():
    space = {}
    exec("def count(x): return len(x)", space)
    assert space["count"]("abc") == 3
    exec("def len(x): return -1", space)
    assert space["count"]("abc") == -1
    exec("del len", space)
    assert space["count"]("abc") == 3


def test_what_is_reachable_outlives_every_collection():
    random.seed(SEED)
    kept = []
    for turn in range(3000):
        if random.randrange(3) == 0:
            kept.append([turn, bytearray(random.randrange(1, 200)), str(turn)])
        bytearray(random.randrange(1, 400))  # garbage between what is kept
        if len(kept) > 200:
            kept.pop(random.randrange(len(kept)))
        if turn % 100 == 0:
            gc.collect()
    for number, room, text in kept:
        assert text == str(number) and not any(room), (SEED, number)
        room[0] = room[-1] = 255
    assert all([room[0] == 255 for _, room, _ in kept])


def test_many_objects_that_hold_many_are_all_marked():
    # Wide and deep at once: more to look into than any collector keeps in mind.
    top = [[[number, [column]] for column in range(50)] for number in range(60)]
    gc.collect()
    [bytearray(64) for _ in range(500)]
    for number, row in enumerate(top):
        assert row == [[number, [column]] for column in range(50)]


def naive_find(text, part, start):
    for at in range(start, len(text) - len(part) + 1):
        if text[at : at + len(part)] == part:
            return at
    return -1


def test_find_count_and_split_agree_with_a_search_at_each_place():
    random.seed(SEED)
    for _ in range(2000):
        text = "".join([random.choice("abé") for _ in range(random.randrange(30))])
        part = "".join([random.choice("abé") for _ in range(random.randrange(1, 4))])
        start = random.randrange(len(text) + 1)
        at, count = naive_find(text, part, 0), 0
        while at >= 0:
            at, count = naive_find(text, part, at + len(part)), count + 1
        assert text.find(part, start) == naive_find(text, part, start), (text, part, start)
        assert text.count(part) == count, (text, part)
        assert len(text.split(part)) == count + 1, (text, part)
        raw, piece = text.encode(), part.encode()
        assert raw.find(piece) == naive_find(raw, piece, 0), (raw, piece)
        assert raw.count(piece) == count, (raw, piece)
        assert (piece in raw) == (count > 0), (raw, piece)
    assert "abc".count("") == 4 and b"abc".find(b"") == 0 and "".find("a") == -1

"""Names made at run time are the names of the source: whatever an interpreter does to find them.

Our own Linux builds find names by an index (firmware/linux/patches); a fault there would
show as an attribute that is not found although it is there.
"""


class Holder:
    """Attributes known to the source, and such as come at run time."""

    known_attribute = 1


def joined(*parts):
    return "".join(parts)


def test_a_name_made_at_run_time_finds_what_the_source_named():
    assert getattr(Holder, joined("known", "_", "attribute")) == 1
    assert {"known_key": 2}[joined("known", "_key")] == 2
    assert joined("test", "_interned_") not in globals()
    assert joined("jo", "ined") in globals()


def test_thousands_of_names_made_at_run_time_are_found_again():
    holder = Holder()
    for number in range(3000):
        setattr(holder, "attribute_%d" % number, number)
    for number in range(3000):
        assert getattr(holder, joined("attri", "bute_", str(number))) == number
    assert not hasattr(holder, "attribute_3000")


def test_strings_of_every_hash_are_kept_apart():
    table = {}
    for number in range(5000):
        table["%x" % (number * 2654435761 % (1 << 32))] = number
    for number in range(5000):
        assert table["%x" % (number * 2654435761 % (1 << 32))] == number

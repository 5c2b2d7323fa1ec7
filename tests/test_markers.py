"""agent/markers.py: one process in a folder at a time, told by Linux's own lists."""

import os

from support import skip, temporary_folder

try:
    from agent import markers
except ImportError:
    markers = None  # limpetd has locks and is built without


def marker_of(pid):
    """What the living process `pid` would have written."""
    return "%s %d" % (boot(), markers._began(pid)[0])


def boot():
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def names_after(name, text):
    """Whether a folder with that marker in it is free, and what lies in it afterwards."""
    if markers is None or markers._began("self") is None:
        skip("processes cannot be told apart here")
    with temporary_folder() as folder:
        with open(folder + "/" + name, "w") as file:
            file.write(text)
        is_free = markers.claim(folder)
        return is_free, sorted(os.listdir(folder))


def own_name():
    return "lock.%d" % markers._began("self")[1]


def test_a_living_process_keeps_the_folder():
    if markers is None or markers._began(1) is None:
        skip("processes cannot be told apart here")
    assert names_after("lock.1", marker_of(1)) == (False, ["lock.1"])


def test_who_came_first_may_claim_again():
    if markers is None or markers._began("self") is None:
        skip("processes cannot be told apart here")
    assert names_after(own_name(), marker_of("self")) == (True, [own_name()])


def test_what_an_ended_process_left_is_cleared():
    for text in ("0-0 1", "", "\0\0\0", "x y z"):  # of another boot, or torn by a power cut
        assert names_after("lock.1", text) == (True, [own_name()]), text
    assert names_after("lock.4194999", "%s 5" % boot()) == (True, [own_name()])  # no such number


def test_a_number_that_came_again_is_not_taken_for_its_first_owner():
    if markers is None or markers._began(1) is None:
        skip("processes cannot be told apart here")
    late = "%s %d" % (boot(), markers._began(1)[0] + 1000)
    assert names_after("lock.1", late) == (True, [own_name()])


def test_other_files_are_left_alone():
    for name in ("keys.0", "lock", "lock."):
        is_free, names = names_after(name, "x")
        assert is_free and (name in names or name == "lock.")


def test_where_nothing_can_be_written_the_folder_is_free():
    if markers is None:
        skip("processes cannot be told apart here")
    assert markers.claim("/proc/no-folder")

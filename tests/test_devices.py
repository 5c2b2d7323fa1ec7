"""Back ends as data: the first that is here is loaded, and every reason is kept."""

from support import raises

from agent.devices import CAPABILITIES, Backend, Capability, Devices, missing
from agent.errors import Unavailable

TABLE = (
    Capability(
        "pin",
        "lines",
        (
            Backend("board", "one", ("attribute machine Pin",)),
            Backend("linux", "two", ("module fcntl", "path /dev/gpiochip0")),
        ),
    ),
)


def devices(absent, imported, failing=()):
    def load(name):
        imported.append(name)
        if name in failing:
            raise ImportError("%s is broken" % name)
        return "module " + name

    def has(need):
        return "no " + need if need in absent else None

    return Devices(TABLE, load, has)


def test_the_first_back_end_that_is_here_is_loaded_once():
    imported = []
    here = devices(("attribute machine Pin",), imported)
    assert here.load("pin") == ("linux", "module two") == here.load("pin")
    assert imported == ["two"]


def test_every_reason_is_told():
    here = devices(("attribute machine Pin", "path /dev/gpiochip0"), [])
    error = raises(Unavailable, here.load, "pin")
    expected = "pin: not here; board: no attribute machine Pin; linux: no path /dev/gpiochip0"
    assert error.message == expected


def test_a_back_end_that_does_not_import_is_passed_over_with_its_reason():
    imported = []
    assert devices((), imported, ("one",)).load("pin") == ("linux", "module two")
    error = raises(Unavailable, devices((), [], ("one", "two")).load, "pin")
    assert "board: one is broken; linux: two is broken" in error.message


def test_a_survey_imports_no_back_end():
    imported = []
    assert devices((), imported).survey() == {"pin": {"backend": "board"}}
    missing_all = devices(("attribute machine Pin", "module fcntl"), imported)
    told = missing_all.survey()["pin"]["absent"]
    assert told == "board: no attribute machine Pin; linux: no module fcntl"
    assert imported == []


def test_one_capability_is_described_with_all_its_back_ends():
    told = devices(("attribute machine Pin",), []).describe("pin")
    assert [backend["here"] for backend in told["backends"]] == [False, True]
    assert told["backends"][0]["reason"] == "no attribute machine Pin"
    assert "there are pin" in raises(Unavailable, devices((), []).describe, "laser").message


def test_needs_are_looked_for_here():
    assert missing("module json") is None
    assert "no_such_module" in missing("module no_such_module")
    assert missing("path /") is None and missing("path /no/such") == "no /no/such here"
    assert missing("attribute json loads") is None
    assert missing("attribute json nothing") == "json has no nothing"


def test_the_table_names_modules_that_exist_or_say_why_not():
    here = Devices()
    for row in CAPABILITIES:
        line = here.survey()[row.name]
        if "backend" in line:
            assert here.load(row.name)[0] == line["backend"]
        else:
            assert raises(Unavailable, here.load, row.name).message.endswith(line["absent"])


def test_a_survey_looks_once_for_what_several_need():
    looked = []
    table = (
        Capability("pin", "", (Backend("a", "x", ("capability bus", "module one")),)),
        Capability("bus", "", (Backend("b", "y", ("module two",)),)),
        Capability("led", "", (Backend("c", "z", ("capability bus", "module two")),)),
    )

    def has(need):
        looked.append(need)
        return "no one" if need == "module one" else None

    told = Devices(table, None, has).survey()
    assert told == {
        "pin": {"absent": "a: no one"},
        "bus": {"backend": "b"},
        "led": {"backend": "c"},
    }
    assert sorted(looked) == ["module one", "module two"]

"""What is known of boards as data, and the manifest that freezes the agent into their firmware."""

import fnmatch
import importlib.util
import os
from pathlib import Path

import pytest
from firmwares import linux
from flashing import boards, contents
from flashing.board import Facts
from flashing.contents import ContentProblem
from provision import Unavailable

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = boards.load()
BOARDS = sorted(DATA["boards"])
MEMBERS = {
    "machine": str,
    "port": str,
    "chip": str,
    "flash_kib": int,
    "files_kib": int,
    "wifi": bool,
    "ethernet": (str, type(None)),
    "slots": int,
    "pins": dict,
}
BESIDE_KIB = 64  # start files, configuration, journal and the like
BLOCK = 4096

# Which pins a bus can have: RP2040's datasheet, table of GPIO functions. RP2350's have them too.
RP2_PINS = {
    ("i2c0", "sda"): lambda pin: pin % 4 == 0,
    ("i2c0", "scl"): lambda pin: pin % 4 == 1,
    ("i2c1", "sda"): lambda pin: pin % 4 == 2,
    ("i2c1", "scl"): lambda pin: pin % 4 == 3,
    ("uart0", "tx"): lambda pin: pin in (0, 12, 16, 28),
    ("uart0", "rx"): lambda pin: pin in (1, 13, 17, 29),
    ("uart1", "tx"): lambda pin: pin in (4, 8, 20, 24),
    ("uart1", "rx"): lambda pin: pin in (5, 9, 21, 25),
    ("spi0", "miso"): lambda pin: pin in (0, 4, 16, 20),
    ("spi0", "sck"): lambda pin: pin in (2, 6, 18, 22),
    ("spi0", "mosi"): lambda pin: pin in (3, 7, 19, 23),
    ("spi1", "miso"): lambda pin: pin in (8, 12, 24, 28),
    ("spi1", "sck"): lambda pin: pin in (10, 14, 26),
    ("spi1", "mosi"): lambda pin: pin in (11, 15, 27),
}
OUTPUTS = ("tx", "sck", "mosi", "scl", "sda", "led")


def within(pin, spans):
    return any(first <= pin <= last for first, last in spans)


def pins_of(board):
    """(bus, line, pin) of all that a board names, None for a bus of one pin."""
    for bus, value in board["pins"].items():
        if isinstance(value, dict):
            for line, pin in value.items():
                yield bus, line, pin
        else:
            for pin in value if isinstance(value, list) else [value]:
                yield bus, bus, pin


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_says_all_that_is_to_be_known(name):
    board = DATA["boards"][name]
    assert set(board) - {"taken"} == set(MEMBERS)
    for member, kind in MEMBERS.items():
        assert isinstance(board[member], kind), member
    assert board["files_kib"] < board["flash_kib"]
    assert board["port"] in ("esp32", "rp2") and board["chip"] in DATA["chips"]


@pytest.mark.parametrize("name", BOARDS)
def test_each_pin_is_there_free_and_fit_for_what_it_is_named_for(name):
    board = DATA["boards"][name]
    chip = DATA["chips"][board["chip"]]
    for bus, line, pin in pins_of(board):
        if pin == "LED":  # on the radio's chip, which MicroPython knows by that name
            assert board["wifi"] and board["port"] == "rp2"
            continue
        what = "%s %s: %d" % (bus, line, pin)
        assert within(pin, chip["pins"]), what
        assert not within(pin, chip["taken"] + board.get("taken", [])), what
        if line in OUTPUTS:
            assert not within(pin, chip["input_only"]), what
        if bus == "adc":
            assert within(pin, chip["adc"]), what
        elif board["port"] == "rp2" and bus != "led":
            assert RP2_PINS[bus, line](pin), what


@pytest.mark.parametrize("name", BOARDS)
def test_as_many_slots_fit_as_are_told(name):
    slot = contents.from_tree(str(ROOT), 1)
    kib = sum(-(-len(data) // BLOCK) * BLOCK for data in slot.values()) // 1024
    kib += 8 * len({path.rpartition("/")[0] for path in slot})
    fit = (DATA["boards"][name]["files_kib"] - BESIDE_KIB) // kib
    print("a slot takes %d KiB in blocks of %d" % (kib, BLOCK))
    assert DATA["boards"][name]["slots"] == min(2, fit)


def test_every_pattern_leaves_something_out():
    files = {str(path.relative_to(ROOT)) for path in (ROOT / "agent").rglob("*.py")}
    for pattern in DATA["left_out"]:
        assert fnmatch.filter(files, pattern), pattern
    slot = contents.from_tree(str(ROOT), 1)
    assert "agent/devices/gpio_machine.mpy" in slot and "agent/network.mpy" in slot


def test_a_configuration_that_a_board_cannot_follow_is_refused():
    values = {"network": {"wifi": [{"ssid": "site"}], "ethernet": None}}
    facts = Facts("micropython", (1, 26, 0), "Raspberry Pi Pico with RP2040", 6, "rp2", 500_000)
    with pytest.raises(ContentProblem, match="network.wifi: RPI_PICO has no Wi-Fi"):
        boards.check(facts, values, False)
    boards.check(facts._replace(machine="unheard of"), values, False)
    with pytest.raises(ContentProblem, match="150 KiB of heap are too little"):
        boards.check(facts._replace(memory=150 * 1024), None, False)
    boards.check(facts._replace(memory=150 * 1024), None, True)


@pytest.fixture(scope="module")
def micropython():
    """The source of MicroPython."""
    try:
        return linux.sources()
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("name", BOARDS)
def test_the_manifest_is_taken_by_micropythons_own_reader(micropython, name, tmp_path):
    spec = importlib.util.spec_from_file_location(
        "manifestfile", os.path.join(micropython, "tools", "manifestfile.py")
    )
    manifestfile = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(manifestfile)
    port = DATA["boards"][name]["port"]
    places = {"MPY_DIR": micropython, "PORT_DIR": os.path.join(micropython, "ports", port)}
    places["MPY_LIB_DIR"] = ""
    manifest = manifestfile.ManifestFile(manifestfile.MODE_FREEZE, places)
    words = 'include("%s", stock=False)' % (ROOT / "firmware/manifest.py")
    top = tmp_path / "manifest.py"
    top.write_text(words)
    manifest.execute(str(top))
    frozen = {file.target_path: file.full_path for file in manifest.files()}
    assert frozen["agent/app.py"] == str(ROOT / "agent/app.py")
    assert {"limpet_start.py", "queue.py", "interpreter.py", "agent/network.py"} <= set(frozen)
    assert not [path for path in frozen if path.endswith(("_ffi.py", "_cpython.py", "_fake.py"))]
    assert not {"boot.py", "main.py"} & set(frozen)

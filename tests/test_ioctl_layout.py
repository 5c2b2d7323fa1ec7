"""Arguments of ioctl as the C compilers of 32- and 64-bit kernels lay them out."""

from support import raises

from agent.devices import layout, requests
from agent.devices.layout import I386, LINUX_32, LINUX_64, Abi

BIG_32 = Abi(4, 8, ">")


def test_sizes_are_those_of_the_headers():
    for declaration, on_64, on_32 in (
        (requests.MTOP, 8, 8),
        (requests.MTGET, 48, 28),
        (requests.MTPOS, 8, 4),
        (requests.INPUT_ID, 8, 8),
        (requests.ABSINFO, 24, 24),
        (requests.FF_EFFECT, 48, 44),
        (requests.WATCHDOG_INFO, 40, 40),
        (requests.RTC_TIME, 36, 36),
        (requests.CHIP_INFO, 68, 68),
        (requests.LINE_CONFIG, 272, 272),
        (requests.LINE_REQUEST, 592, 592),
        (requests.LINE_INFO, 256, 256),
        (requests.LINE_EVENT, 48, 48),
    ):
        assert layout.size_of(declaration, LINUX_64) == on_64, declaration
        assert layout.size_of(declaration, LINUX_32) == on_32, declaration


def test_members_stand_where_alignment_puts_them():
    assert dict(layout.offsets(requests.MTOP, LINUX_64))["mt_count"] == 4
    places = dict(layout.offsets(requests.MTGET, LINUX_64))
    assert (places["mt_fileno"], places["mt_blkno"]) == (40, 44)
    uneven = (("first", "u8"), ("second", "u64"))
    assert layout.size_of(uneven, LINUX_32) == 16 and layout.size_of(uneven, I386) == 12


def test_rewind_is_these_bytes():
    values = {"mt_op": 6, "mt_count": 1}
    assert layout.pack(requests.MTOP, values, LINUX_64) == b"\x06\0\0\0\x01\0\0\0"
    assert layout.pack(requests.MTOP, values, BIG_32) == b"\0\x06\0\0\0\0\0\x01"


def test_what_is_packed_comes_back():
    values = {
        "mt_type": 0x72,
        "mt_resid": 0,
        "mt_dsreg": -5,
        "mt_gstat": 0x7FFFFFFF,
        "mt_erreg": -(1 << 31),
        "mt_fileno": 3,
        "mt_blkno": -1,
    }
    for abi in (LINUX_64, LINUX_32, I386, BIG_32):
        data = layout.pack(requests.MTGET, values, abi)
        assert layout.unpack(requests.MTGET, data, abi) == values
    inner = {"id": 3, "padding": 0, "value": 1 << 63}
    item = {"attr": inner, "mask": 5}
    empty = {"attr": {"id": 0, "padding": 0, "value": 0}, "mask": 0}
    values = {"flags": 4, "num_attrs": 1, "padding": [0] * 5, "attrs": [item] + [empty] * 9}
    data = layout.pack(requests.LINE_CONFIG, values, LINUX_32)
    assert layout.unpack(requests.LINE_CONFIG, data, LINUX_32) == values


def test_a_value_that_does_not_fit_raises_and_names_its_member():
    for values, words in (
        ({"mt_op": 40000}, "mt_op: expected -32768 to 32767, got 40000"),
        ({"mt_count": 1 << 31}, "mt_count: expected -2147483648 to 2147483647, got 2147483648"),
        ({"mt_count": "1"}, "mt_count: expected an integer, got str"),
        ({"count": 1}, "count: unknown; known here: mt_op, mt_count"),
    ):
        assert str(raises(ValueError, layout.pack, requests.MTOP, values, LINUX_64)) == words
    error = raises(ValueError, layout.pack, (("name", "char[4]"),), {"name": "five!"}, LINUX_64)
    assert str(error) == "name: at most 4 bytes, got 5"
    error = raises(ValueError, layout.pack, (("x", "u8[2]"),), {"x": [0, 256]}, LINUX_64)
    assert str(error) == "x[1]: expected 0 to 255, got 256"


def test_too_few_bytes_raise():
    error = raises(ValueError, layout.unpack, requests.MTGET, bytes(28), LINUX_64)
    assert str(error) == "expected 48 bytes, got 28"


def test_text_ends_at_its_first_nul():
    data = layout.pack((("name", "char[8]"),), {"name": "st0"}, LINUX_64)
    assert layout.unpack((("name", "char[8]"),), data, LINUX_64) == {"name": "st0"}
    assert layout.text(b"eight!!!") == "eight!!!" and layout.text(b"\xffa\0b") == "?a"


def test_the_running_interpreter_has_one_of_these():
    assert layout.native() in (LINUX_64, LINUX_32, I386, BIG_32)


def test_declarations_made_as_one_goes_are_not_kept_for_ever():
    for count in range(200):
        kind = "u8[%d]" % (count % 50 + 1)
        made = tuple([("first", "u8"), ("value", kind)])
        assert layout.size_of(made, layout.LINUX_64) == count % 50 + 2
        assert layout.single(kind) is layout.single(kind)
    assert len(layout._KNOWN) <= layout._MOST_KNOWN


def test_one_member_is_read_alone():
    declaration = (("a", "u8"), ("b", "u32"), ("c", "u16"))
    data = layout.pack(declaration, {"a": 1, "b": 2, "c": 3}, layout.LINUX_64)
    assert layout.unpack(declaration, data, layout.LINUX_64, "b") == {"b": 2}

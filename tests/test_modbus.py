"""Modbus as bytes: the protocol's own examples, its limits, answers that are none, and maps."""

import random
import struct

from support import raises

from agent.devices import modbus, modbus_map
from agent.errors import LimpetError

HOLDING = "holding-registers"
SEED = 20261124

# MODBUS Application Protocol 1.1b3, section 6: request, answer, what the answer holds.
EXAMPLES = (
    (modbus.read("coils", 19, 19), "0100130013", "0103cd6b05",
     [1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1]),
    (modbus.read("discrete-inputs", 196, 22), "0200c40016", "0203acdb35",
     [0, 0, 1, 1, 0, 1, 0, 1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0, 1, 0, 1, 1]),
    (modbus.read(HOLDING, 107, 3), "03006b0003", "0306022b00000064", [555, 0, 100]),
    (modbus.read("input-registers", 8, 1), "0400080001", "0402000a", [10]),
    (modbus.write("coils", 172, [1]), "0500acff00", "0500acff00", None),
    (modbus.write(HOLDING, 1, [3]), "0600010003", "0600010003", None),
    (modbus.write("coils", 19, [1, 0, 1, 1, 0, 0, 1, 1, 1, 0]),
     "0f0013000a02cd01", "0f0013000a", None),
    (modbus.write(HOLDING, 1, [10, 258]), "100001000204000a0102", "1000010002", None),
    (modbus.mask(4, 0xF2, 0x25), "16000400f20025", "16000400f20025", None),
    (modbus.exchange(3, 6, 14, [255, 255, 255]), "1700030006000e00030600ff00ff00ff",
     "170c00fe0acd00010003000d00ff", [254, 2765, 1, 3, 13, 255]),
)  # fmt: skip


def unhex(text):
    return bytes([int(text[i : i + 2], 16) for i in range(0, len(text), 2)])


def test_the_protocols_own_examples_are_said_and_understood():
    for request, said, answered, values in EXAMPLES:
        assert request.pdu == unhex(said), said
        assert request.size == len(unhex(answered)), said
        assert modbus.values_of(request, unhex(answered)) == values, said


def test_a_frames_checksum_is_that_of_the_serial_line():
    assert modbus.checksum(unhex("0207")) == unhex("4112")  # MODBUS over Serial Line, 6.2.2
    assert modbus.checksum(unhex("010300000001")) == unhex("840a")


def test_an_exception_has_its_name_and_a_code_for_the_wire():
    request = modbus.read(HOLDING, 0, 1)
    for number, name, code in (
        (1, "illegal-function", "bad-params"),
        (2, "illegal-data-address", "bad-params"),
        (3, "illegal-data-value", "bad-params"),
        (4, "server-device-failure", "failed"),
        (6, "server-device-busy", "busy"),
        (11, "gateway-target-failed-to-respond", "failed"),
        (77, "exception-77", "failed"),
    ):
        error = raises(modbus.ModbusError, modbus.values_of, request, bytes([0x83, number]))
        assert error.code == code and error.data["exception"] == name and name in error.message


def test_what_does_not_fit_is_not_sent():
    for build, arguments in (
        (modbus.read, (HOLDING, 0, 0)),
        (modbus.read, (HOLDING, 0, 126)),
        (modbus.read, ("coils", 0, 2001)),
        (modbus.read, (HOLDING, 65535, 2)),
        (modbus.read, (HOLDING, -1, 1)),
        (modbus.write, (HOLDING, 0, [0] * 124)),
        (modbus.write, ("coils", 0, [1] * 1969)),
        (modbus.write, (HOLDING, 0, [65536])),
        (modbus.write, (HOLDING, 0, [-1])),
        (modbus.write, ("coils", 0, [2])),
        (modbus.write, ("input-registers", 0, [1])),
        (modbus.write, (HOLDING, 0, [1, 2], True)),
        (modbus.mask, (0, 65536, 0)),
        (modbus.exchange, (0, 126, 0, [1])),
        (modbus.exchange, (0, 1, 0, [1] * 122)),
        (modbus.exchange, (0, 1, 0, [])),
    ):
        raises(ValueError, build, *arguments)
    assert len(modbus.read("coils", 63536, 2000).pdu) == 5
    assert modbus.write(HOLDING, 0, [1], False).pdu[0] == 16


def test_whatever_answers_nothing_but_the_right_one_counts():
    print("seed", SEED)
    random.seed(SEED)
    for _ in range(3000):
        request, _, answered, values = EXAMPLES[random.getrandbits(8) % len(EXAMPLES)]
        answer = bytearray(unhex(answered))
        for _ in range(1 + random.getrandbits(2)):
            kind = random.getrandbits(8) % 3
            if kind == 0 and answer:
                answer[random.getrandbits(16) % len(answer)] = random.getrandbits(8)
            elif kind == 1:
                answer = answer[: random.getrandbits(4)]
            else:
                answer += bytes([random.getrandbits(8)])
        try:
            told = modbus.values_of(request, bytes(answer))
        except LimpetError:
            continue
        assert answer[0] == request.pdu[0] and len(answer) == request.size
        assert told is None or len(told) == len(values)


def entry(name, address, kind="u16", **more):
    words = {"name": name, "table": HOLDING, "address": address, "type": kind, "order": "abcd"}
    words.update({"bit": 0, "registers": 1, "scale": 1, "offset": 0, "unit": ""})
    words.update(more)
    return words


def test_every_type_is_read_in_every_order():
    print("seed", SEED)
    random.seed(SEED)
    for kind in modbus_map.TYPES:
        count, form = modbus_map.TYPES[kind]
        if not form:
            continue
        for order in modbus_map.ORDERS:
            for _ in range(20):
                data = bytes([random.getrandbits(8) for _ in range(2 * count)])
                wanted = struct.unpack(">" + form, data)[0]
                registers = list(struct.unpack(">%dH" % count, data))
                if order in ("badc", "dcba"):
                    registers = [r >> 8 | (r & 0xFF) << 8 for r in registers]
                if order in ("cdab", "dcba"):
                    registers = registers[::-1]
                told = modbus_map.value_of(entry("x", 7, kind, order=order), registers, 7)
                assert told == wanted or (told is None and wanted - wanted != 0)


def test_scales_bits_and_texts():
    value_of = modbus_map.value_of
    assert value_of(entry("v", 1, scale=0.1), [0, 2305], 0) == 2305 * 0.1
    assert value_of(entry("t", 0, "s16", scale=0.5, offset=-40), [65535], 0) == -40.5
    assert value_of(entry("b", 0, "bool", bit=3), [8], 0) is True
    assert value_of(entry("b", 0, "bool", bit=2), [8], 0) is False
    assert value_of(entry("b", 2, "bool", table="coils"), [0, 0, 1], 0) is True
    assert value_of(entry("n", 0, "text", registers=3), [0x4C69, 0x6D70, 0x2000], 0) == "Limp"
    assert value_of(entry("f", 0, "f32"), [0x7FC0, 0], 0) is None
    raises(ValueError, value_of, entry("x", 0, table="coils"), [1], 0)


def test_neighbours_share_a_reading_and_others_do_not():
    entries = [entry("c", 4), entry("a", 0, "u32"), entry("b", 2, "f32"), entry("d", 10)]
    entries.append(entry("e", 0, "bool", table="coils"))
    told = [(table, first, count) for table, first, count, _ in modbus_map.plan(entries)]
    assert told == [("coils", 0, 1), (HOLDING, 0, 5), (HOLDING, 10, 1)]
    told = [(table, first, count) for table, first, count, _ in modbus_map.plan(entries, 5)]
    assert told == [("coils", 0, 1), (HOLDING, 0, 11)]
    many = [entry("r%d" % i, 2 * i, "u32") for i in range(64)]
    assert [count for _, _, count, _ in modbus_map.plan(many)] == [124, 4]
    overlapping = [entry("x", 0, "u64"), entry("y", 1)]
    assert [count for _, _, count, _ in modbus_map.plan(overlapping)] == [4]


def test_a_reference_is_the_number_in_the_data_sheet():
    assert modbus.reference(HOLDING, 0) == 400001 and modbus.reference("coils", 9) == 10

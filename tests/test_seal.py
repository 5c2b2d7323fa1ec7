"""agent/commands/seal.py and freshness.py: one line says who; no other form of it passes."""

import sealing
from sealing import ANN, live
from support import raises

from agent.commands import seal
from agent.commands.freshness import FRESH, OLD, SEEN, WINDOW, Bucket, Window
from agent.hmac_sha256 import prepare

TOPIC = "limpet/pump/call"
BODY = b'{"method":"system.ping"}'
SCOPE = seal.Scope("down", "pump", TOPIC, None)
KEY = prepare(ANN)


def is_right(payload, scope=SCOPE, key=KEY):
    return seal.is_right(seal.read_seal(payload), key, scope)


def test_a_sealed_payload_is_read_and_found_right():
    found = seal.read_seal(live(BODY, 7))
    assert found.key == "ann" and found.form == "live" and found.mark == "n0"
    assert found.number == 7 and found.body == BODY and len(found.code) == 16
    assert is_right(live(BODY, 7)) and is_right(live(b"", 7)) and is_right(live(b"\n\n\0", 7))


def test_a_left_one_carries_its_counter():
    found = seal.read_seal(sealing.left(BODY, 1763600000000000))
    assert found.form == "left" and found.number == 1763600000000000 and found.mark is None
    assert is_right(sealing.left(BODY, 1763600000000000))


def test_what_a_device_seals_is_the_same_line():
    scope = seal.Scope("up", "pump", "limpet/reply/x/pump", None)
    head = seal.make_head("ann", "live", "n0", 3)
    made = seal.make_line(KEY, scope, head, BODY) + BODY
    wanted = "L1 ann live n0 3"
    assert made == sealing.line(ANN, wanted, BODY, scope.topic, "pump", "", "up")
    assert seal.make_head("ann", "left", None, 9) == b"L1 ann left 9 0"


def test_the_scope_is_part_of_the_seal():
    payload = live(BODY, 7)
    others = (
        ("up", "pump", TOPIC, None),
        ("down", "pum", TOPIC, None),
        ("down", "pump", "limpet/pump/cal", None),
        ("down", "pump", TOPIC, "limpet/reply/x"),
        ("down", "pump\0" + TOPIC, "", None),
    )
    for other in others[:-1]:
        assert not is_right(payload, seal.Scope(*other)), other
    raises(seal.BadSeal, is_right, payload, seal.Scope(*others[-1]))
    assert not is_right(payload, SCOPE, prepare(sealing.BOB))
    with_reply = live(BODY, 7, reply="limpet/reply/x")
    assert is_right(with_reply, seal.Scope("down", "pump", TOPIC, "limpet/reply/x"))
    assert not is_right(with_reply)


def test_no_bit_of_a_sealed_payload_can_change():
    payload = live(BODY, 7)
    for index in range(8 * len(payload)):
        wrong = bytearray(payload)
        wrong[index // 8] ^= 1 << index % 8
        try:
            assert not is_right(bytes(wrong)), index
        except seal.BadSeal:
            pass
        except UnicodeError:
            raise AssertionError("bit %d" % index)


def test_no_truncation_passes():
    payload = live(BODY, 7)
    for size in range(len(payload)):
        try:
            assert not is_right(payload[:size]), size
        except seal.BadSeal:
            pass


MALFORMED = (
    b"",
    b"L1",
    b"L1 ",
    b"L1 \n",
    b"L2 ann live n0 7 00112233445566778899aabbccddeeff\n",
    b"L1 ann live n0 7 00112233445566778899aabbccddeeff",
    b"L1  ann live n0 7 00112233445566778899aabbccddeeff\n",
    b"L1 ann live n0 7 00112233445566778899aabbccddeeff \n",
    b"L1 ann live n0 7 00112233445566778899aabbccddee\n",
    b"L1 ann live n0 7 00112233445566778899aabbccddeeff00\n",
    b"L1 ann live n0 7 00112233445566778899aabbccddeefg\n",
    b"L1 ann live n0 -7 00112233445566778899aabbccddeeff\n",
    b"L1 ann live n0 0 00112233445566778899aabbccddeeff\n",
    b"L1 ann live n0 07 00112233445566778899aabbccddeeff\n",
    b"L1 ann live n0 7.0 00112233445566778899aabbccddeeff\n",
    b"L1 ann live n0 1_0 00112233445566778899aabbccddeeff\n",
    b"L1 ann live n0 10000000000000000 00112233445566778899aabbccddeeff\n",
    b"L1 ann live n0 99999999999999999999999999 00112233445566778899aabbccddeeff\n",
    b"L1 ann live n.0 7 00112233445566778899aabbccddeeff\n",
    b"L1 a/n live n0 7 00112233445566778899aabbccddeeff\n",
    b"L1 \xc3\xa4nn live n0 7 00112233445566778899aabbccddeeff\n",
    b"L1 ann LIVE n0 7 00112233445566778899aabbccddeeff\n",
    b"L1 ann \xff\xfe n0 7 00112233445566778899aabbccddeeff\n",
    b"L1 ann left 7 1 00112233445566778899aabbccddeeff\n",
    b"L1 ann left n0 0 00112233445566778899aabbccddeeff\n",
    b"L1 ann left 0 0 00112233445566778899aabbccddeeff\n",
    b"L1 ann left 10000000000000000 0 00112233445566778899aabbccddeeff\n",
    b"L1 ann many 7 0 00112233445566778899aabbccddeeff\n",
    b"L1 " + 33 * b"a" + b" live n0 7 00112233445566778899aabbccddeeff\n",
    b"L1 ann live " + 33 * b"a" + b" 7 00112233445566778899aabbccddeeff\n",
    b"L1 " + 300 * b"a" + b"\n",
)


def test_each_malformed_line_is_refused_as_that():
    for payload in MALFORMED:
        assert raises(seal.BadSeal, seal.read_seal, payload).message == "malformed", payload


def test_only_a_start_makes_a_payload_sealed():
    assert seal.is_sealed(live(BODY, 1))
    for payload in (b"", b"L", b"L1", b'{"a":1}', b" L1 "):
        assert not seal.is_sealed(payload)


def test_a_window_takes_each_number_once():
    window = Window()
    for number in (5, 3, 9, 4, 1):
        assert window.judge(number) == FRESH
        window.take(number)
        assert window.judge(number) == SEEN
    assert window.highest == 9 and window.judge(2) == FRESH and window.judge(0) == OLD


def test_what_fell_out_of_a_window_is_old():
    window = Window()
    for number in range(10, 10 * WINDOW + 20, 10):
        assert window.judge(number) == FRESH
        window.take(number)
    assert window.floor == 10
    assert window.judge(10) == OLD and window.judge(9) == OLD
    assert window.judge(11) == FRESH and window.judge(20) == SEEN


def test_a_window_agrees_with_a_model():
    # The model keeps all; numbers from a small generator, so that every runtime sees the same.
    window, taken, state = Window(), set(), 12345
    for step in range(3000):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        number = step + (state >> 16) % (3 * WINDOW) + 1
        judged = window.judge(number)
        if judged == FRESH:
            assert number not in taken
            window.take(number)
            taken.add(number)
        elif judged == SEEN:
            assert number in taken
        else:
            assert number <= sorted(taken)[-WINDOW]


def test_a_window_starts_above_a_floor():
    window = Window(100)
    assert window.highest == 100 and window.judge(100) == OLD and window.judge(101) == FRESH


def test_a_bucket_gives_what_it_holds_and_then_one_at_a_time():
    bucket = Bucket(3, 10)
    assert [bucket.take(1000) for _ in range(4)] == [True, True, True, False]
    assert not bucket.has_room(1009) and bucket.has_room(1010)
    assert bucket.take(1010) and not bucket.take(1011)
    assert [bucket.take(99000) for _ in range(4)] == [True, True, True, False]

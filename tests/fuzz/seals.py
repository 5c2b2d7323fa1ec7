"""Hostile requests and desired documents against a device with keys: none may run.

`python tests/fuzz/seals.py [COUNT [SEED]]` on any interpreter. Right requests are sealed here from
the documents alone (sealing.py), and then spoilt: bits, words of the line, numbers beyond every
bound, other keys, topics, boots and directions, exact copies of what was taken before, also after
a restart. In between right ones must still run, once each: a device that refuses all would pass
otherwise. Time moves on, so that the flood bounds do not spare the device the work.
"""

import sys

if __name__ == "__main__":
    _HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
    sys.path[0:0] = [_HERE + "/../..", _HERE + "/..", _HERE]
    sys.path.append(_HERE + "/../../compat")

# First: below test_tuning its imports would be too deep for the 40 KB stack of 32-bit MicroPython.
import agent.mqtt.link  # noqa: F401

# isort: split
import test_gate
import test_tuning
from mqtt import Random
from sealing import ANN, BOB, left, line, live, signed

RIGHT_EVERY = 40
RESTART_EVERY = 1500
POOL = 64  # payloads that were taken, of any age, for replays
OVERSIZED = (
    b"0", b"00", b"-1", b"+7", b"1e9", b"99999999999999999", b"1" * 100, b"07", b"0x10",
    b"\xd9\xa1", b"1.0", b" 1", b"",
)  # fmt: skip
TOPICS = (test_gate.ALL, "limpet/other/call", "limpet/pump/desired", "limpet/pump/cal", "")


def spoil(random, head, code, body):
    """A sealed payload, given as its line without the code, the code, and the body; spoilt."""
    kind = random.below(9)
    words = head.split(b" ")
    if kind == 0:
        words[random.below(len(words))] = random.pick(OVERSIZED)
    elif kind == 1:
        words[1] = random.pick((b"bob", b"eve", b"", b"ann" * 12, b"ANN", b"\xff"))
    elif kind == 2:
        words[2] = random.pick((b"live", b"left", b"many", b"LIVE", b""))
    elif kind == 3:
        code = random.pick(
            (code.upper(), code[:-2], code + b"00", code[8:] + code[:8], b"", code * 4)
        )
    elif kind == 4:
        body = random.pick((body + b" ", body[:-1], b"{}", b"", body.replace(b"t.", b"t. ")))
    whole = bytearray(b" ".join(words) + b" " + code + b"\n" + body)
    if kind in (5, 6, 7, 8):
        at = random.below(len(whole))
        if kind == 5:
            whole = whole[:at]
        elif kind == 6:
            whole = whole[:at] + whole[random.below(len(whole)) :]
        else:
            for _ in range(1 + random.below(3)):
                whole[random.below(len(whole))] ^= 1 << random.below(8)
    return bytes(whole)


class Attack:
    """One device under attack, over restarts; `number` rises with every request made."""

    def __init__(self, random):
        self.random = random
        self.number = 1
        self.boot = 0
        self.device = test_gate.Device(nonce="n0")
        self.taken = []
        self.refused = 0

    def restart(self):
        self.boot += 1
        self.number += 3_000_000  # above what was reserved ahead
        self.device = test_gate.Device(self.device.disk, nonce="n%d" % self.boot)

    def body(self):
        self.number += 1
        method = "t.%s-%s" % (
            self.random.pick(("read", "act", "admin")),
            self.random.pick(("once", "repeat")),
        )
        return test_gate.request(method, "id-%012d" % self.number)

    def sealed(self, **changes):
        """A right request in one of both forms, or one made with something else."""
        body = self.body()
        nonce = changes.pop("nonce", "n%d" % self.boot)
        if self.random.below(2):
            return live(body, self.number, nonce, **changes)
        return left(body, self.number, **changes)

    def hostile(self):
        """(payload, topic, MQTT 5 reply topic) of something that must not run."""
        random = self.random
        kind = random.below(10)
        if kind == 0 and self.taken:
            return random.pick(self.taken), test_gate.CALL, None
        if kind == 1:
            return self.sealed(secret=random.pick((BOB, bytes(32)))), test_gate.CALL, None
        if kind == 2:
            return self.sealed(), random.pick(TOPICS), None
        if kind == 3:
            topic = random.pick(TOPICS[1:])
            return self.sealed(topic=topic), test_gate.CALL, None
        if kind == 4:
            return self.sealed(), test_gate.CALL, test_gate.REPLY
        if kind == 5:
            head = "L1 ann live n%d %d" % (self.boot, self.number)
            up = line(ANN, head, self.body(), test_gate.CALL, "pump", "", "up")
            return up, test_gate.CALL, None
        if kind == 6:
            head = "L1 ann many %d 0" % self.number
            return signed(head, self.body(), "5a" * 64), test_gate.ALL, None
        if kind == 7:
            number = random.pick(OVERSIZED)
            head = random.pick((b"L1 ann left %s 0", b"L1 ann live n0 %s")) % number
            head = head.replace(b"n0", b"n%d" % self.boot)
            return line(ANN, head, self.body(), test_gate.CALL), test_gate.CALL, None
        payload = self.sealed()
        whole, body = payload.split(b"\n", 1)
        head, code = whole[: whole.rfind(b" ")], whole[whole.rfind(b" ") + 1 :]
        spoilt = spoil(random, head, code, body)
        if spoilt == payload:
            spoilt = payload + b" "
        return spoilt, test_gate.CALL, None

    def turn(self, step):
        device = self.device
        device.clock.time += 6000  # so that no flood bound ends the work
        before = len(device.ran)
        if step % RIGHT_EVERY == 0:
            payload = self.sealed()
            answers = device.give(payload)
            is_answered = len(answers) == 1 and "result" in answers[0][1]
            if not is_answered or len(device.ran) != before + 1:
                raise AssertionError("a right request did not run: %r" % payload)
            self.taken = self.taken[1 - POOL :] + [payload]
            return
        payload, topic, reply = self.hostile()
        device.give(payload, topic, reply)
        if len(device.ran) != before:
            raise AssertionError("it ran: %r on %s, reply %s" % (payload, topic, reply))
        self.refused += 1
        if step % RESTART_EVERY == 1:
            self.restart()


def run(count, seed):
    """Give `count` payloads; how many were hostile. Raises AssertionError at one that ran."""
    attack = Attack(Random(seed))
    for step in range(1, count + 1):
        try:
            attack.turn(step)
        except Exception:
            print("seed %d, input %d" % (seed, step))
            raise
    return attack.refused


def run_desired(count, seed):
    """The same for desired documents: after each the settings are as they were."""
    random = Random(seed)
    device = test_tuning.Device()
    device.want(test_tuning.sealed(1000, test_tuning.document("first", {"log": "error"})))
    wanted = device.twin.wanted
    for number in range(count):
        device.time += 6000
        body = test_tuning.document("x%d" % number, {"log": "debug"})
        payload = test_tuning.sealed(2000 + number, body)
        kind = random.below(4)
        if kind == 0:
            payload = test_tuning.sealed(1 + random.below(1000), body)  # what was kept for long
        elif kind == 1:
            payload = random.pick((body, left(body, 5000), live(body, 7, topic=test_tuning.TOPIC)))
        else:
            whole, body = payload.split(b"\n", 1)
            at = whole.rfind(b" ")
            spoilt = spoil(random, whole[:at], whole[at + 1 :], body)
            payload = spoilt if spoilt != payload else payload + b" "
        device.want(payload)
        if device.twin.wanted != wanted:
            raise AssertionError("seed %d: it was taken: %r" % (seed, payload))
    answer = device.want(test_tuning.sealed(9_000_000, test_tuning.document("last", {})))
    if answer["state"] != "in-force":
        raise AssertionError("a right document was not taken: %r" % answer)


if __name__ == "__main__":
    _count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    _seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    _refused = run(_count, _seed)
    run_desired(_count // 10, _seed)
    print("seed %d: %d of %d inputs were hostile, and %d desired: none ran" % (
        _seed, _refused, _count, _count // 10))  # fmt: skip

"""The load driver against a broker that plays by a script: what it counts, what it refuses."""

import json
import socket
import subprocess
import threading

import pytest
from benches import driving, programs
from provision import broker

CALL, REPLY = "limpet/x/call", "limpet/reply/x"


@pytest.fixture(scope="module")
def driver():
    return programs.build_driver()


def read_packet(stream):
    """(first byte, body) of the next packet."""
    first = stream.read(1)
    if not first:
        return None, b""
    length, shift = 0, 0
    while True:
        byte = stream.read(1)[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return first[0], stream.read(length)


def frame_packet(first, body):
    """A packet with its fixed header."""
    length, size = len(body), bytearray()
    while True:
        size.append(length & 0x7F | (0x80 if length > 0x7F else 0))
        length >>= 7
        if not length:
            return bytes([first]) + bytes(size) + body


def encode_publish(payload, number):
    topic = REPLY.encode()
    body = len(topic).to_bytes(2, "big") + topic + number.to_bytes(2, "big") + payload
    return frame_packet(0x32, body)


class ScriptedBroker:
    """Answers a request by `answer(payload) -> [payloads]`; keeps what is acknowledged."""

    def __init__(self, answer):
        self.answer = answer
        self.acknowledged = []
        self.requests = []
        self.sent = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.listener.close()
        self.thread.join()

    def serve(self):
        connection, _ = self.listener.accept()
        with connection, connection.makefile("rb") as stream:
            while True:
                first, body = read_packet(stream)
                if first is None:
                    return
                try:
                    connection.sendall(self.react(first, body))
                except OSError:
                    return  # the driver has ended, as it should on a wrong answer

    def react(self, first, body):
        kind = first >> 4
        if kind == 1:
            return b"\x20\x02\x00\x00"
        if kind == 8:
            return frame_packet(0x90, body[:2] + b"\x01")
        if kind == 4:
            self.acknowledged.append(int.from_bytes(body[:2], "big"))
            return b""
        return self.react_to_request(body)

    def react_to_request(self, body):
        start = 2 + int.from_bytes(body[:2], "big")
        assert body[2:start] == CALL.encode()
        payload = body[start + 2 :]
        self.requests.append(json.loads(payload))
        out = frame_packet(0x40, body[start : start + 2])
        for answer in self.answer(payload):
            self.sent += 1
            out += encode_publish(answer, self.sent)
        return out


def drive(driver, answer, expect="echo", inflight=1, count=50, silence_ms=300):
    """Run the driver against the script: (the finished process, the broker)."""
    with ScriptedBroker(answer) as broker:
        where = ("127.0.0.1", broker.port, CALL, REPLY, expect, "system.ping")
        command = [driver, *map(str, (*where, inflight, count, 30, silence_ms, 0))]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done, broker


@pytest.mark.parametrize("inflight", [1, 20])
def test_each_request_is_answered_once_and_each_reply_acknowledged(driver, inflight):
    done, broker = drive(driver, lambda payload: [payload], inflight=inflight)
    figures = json.loads(done.stdout)
    assert done.returncode == 0
    assert (figures["count"], figures["strays"]) == (50, 0)
    assert 0 < figures["p50_us"] <= figures["p99_us"] <= figures["max_us"]
    assert broker.acknowledged == list(range(1, 51))


def test_a_request_is_what_the_agent_understands_and_has_an_id_of_its_own(driver):
    _, broker = drive(driver, lambda payload: [payload])
    assert len({request["id"] for request in broker.requests}) == 50
    for request in broker.requests:
        assert len(request.pop("id")) == 24
        assert request == {"method": "system.ping", "params": {}, "ttl": 60, "reply": REPLY}


def make_response(payload, **members):
    return json.dumps({"id": json.loads(payload)["id"], "device": "x", **members}).encode()


def test_a_response_with_its_id_counts_as_a_result(driver):
    done, _ = drive(driver, lambda payload: [make_response(payload, result={})], "result")
    assert json.loads(done.stdout)["count"] == 50


def refuse(driver, answer, expect="echo"):
    """What the driver says when it ends without a figure."""
    done, _ = drive(driver, answer, expect)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


def test_an_error_response_is_not_an_answer(driver):
    failed = {"code": "busy", "message": "later"}
    for members in ({"error": failed}, {"error": failed, "result": {}}):
        said = refuse(driver, lambda payload: [make_response(payload, **members)], "result")  # noqa: B023 - called in this turn
        assert "the wrong answer" in said


def test_a_doubled_reply_ends_the_run(driver):
    assert "a second reply to request" in refuse(driver, lambda payload: [payload, payload])


def test_a_changed_echo_ends_the_run(driver):
    def change(payload):
        return [payload.replace(b"system.ping", b"system.pong")]

    assert "the wrong answer" in refuse(driver, change)


def test_a_lost_reply_ends_the_run(driver):
    answers = iter(range(50))
    said = refuse(driver, lambda payload: [payload] if next(answers) < 10 else [])
    assert "no answer: 10 of 11 replies" in said


def test_a_reply_to_an_earlier_run_is_a_stray_and_no_answer(driver):
    done, _ = drive(driver, lambda payload: [b'{"id":"of another run"}', payload])
    figures = json.loads(done.stdout)
    assert (figures["count"], figures["strays"]) == (50, 50)


def test_it_speaks_every_qos_through_a_real_broker(driver):
    with broker.start(nodelay=True) as served:
        target = driving.Driven("itself", served, REPLY, REPLY, "echo")
        for qos in (0, 1, 2):
            for size in (20, 1024):
                load = driving.Load(20, 5, count=200, qos=qos, size=size)
                done = driving.drive(driver, target, load)
                assert (done["count"], done["strays"]) == (200, 0), (qos, size)
                assert done["bytes_out"] > 200 * size < done["bytes_in"], (qos, size)

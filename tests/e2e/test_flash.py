"""tools/flash on a stock MicroPython at a serial port: its own REPL, littlefs, and no power now
and then. What is flashed answers through a real broker, and is updated by a release."""

import fcntl
import json
import os
import random
import secrets
import select
import socket
import subprocess
import sys
import threading

import pytest
from conftest import PATIENCE_S, ROOT
from flashing import board as boards
from flashing import contents, plan
from flashing.board import Board, BoardProblem
from provision import Unavailable, runtimes
from pty_board import PtyBoard
from update_yard import Yard, new_version, wait_for_update

FULL = os.environ.get("LIMPET_SIZE") == "full"
CUTS = 100 if FULL else 1  # of a whole run, at any byte
SEED = 7
FLASH = str(ROOT / "tools" / "flash")


@pytest.fixture
def board(tmp_path):
    """A board without anything on it."""
    try:
        interpreter = runtimes.get("micropython").path
    except Unavailable as reason:
        pytest.skip(str(reason))
    made = PtyBoard(interpreter, tmp_path)
    made.power_on()
    yield made
    made.close()
    said = made.output.decode(errors="replace")
    print(said[said.rfind(">R") :])  # since it was last asked something


class Named:
    """What the caller needs to know of a device."""

    def __init__(self, name):
        self.name = name


@pytest.fixture
def settings(broker, tmp_path):
    """A configuration's file, and the device in it."""
    name = "board-" + secrets.token_hex(4)
    path = tmp_path / "agent.json"
    mqtt = {"host": broker.host, "port": broker.port, "backoff_first_s": 0.1}
    path.write_text(json.dumps({"device": name, "mqtt": mqtt}))
    return str(path), Named(name)


def flash(*words):
    """Run the command: (status, what it said)."""
    done = subprocess.run(
        [sys.executable, FLASH, *words], capture_output=True, text=True, timeout=300
    )
    return done.returncode, done.stdout + done.stderr


def test_a_flashed_board_answers_and_a_second_run_changes_nothing(board, settings, caller5):
    path, device = settings
    status, said = flash(board.device, "--config", path, "--no-restart")
    assert status == 0, said
    before = board.flash.read_bytes(), board.flash.stat().st_mtime_ns
    status, said = flash(board.device, "--config", path, "--no-restart")
    assert (status, "nothing to do" in said) == (0, True), said
    assert (board.flash.read_bytes(), board.flash.stat().st_mtime_ns) == before
    status, said = flash(board.device)
    assert (status, "nothing to do" in said) == (0, True), said
    caller5.wait_for_state(device, "online")
    assert caller5.call(device, "system.ping")["result"] == {}


def test_the_first_key_comes_by_stdin_and_then_nobody_commands_without(board, settings, caller5):
    path, device = settings
    key = {"name": "ann", "permissions": ["read", "act"], "secret": secrets.token_hex(32)}
    words = [sys.executable, FLASH, board.device, "--config", path, "--keys", "-"]
    text = json.dumps({"keys": [key]})
    done = subprocess.run(words, input=text, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert key["secret"] not in done.stdout + done.stderr
    payload = b""
    while b'"online"' not in payload:
        payload = caller5.messages.get(timeout=PATIENCE_S).payload
    assert payload.startswith(b"L1 ann live ")
    assert "result" in caller5.call(device, "system.ping")  # anybody may look
    refused = caller5.call(device, "system.restart")["error"]["message"]
    assert "system.restart needs the permission" in refused


def test_power_cut_at_any_byte_is_repaired_by_the_next_run(board, settings, caller5):
    path, device = settings
    assert flash(board.device, "--config", path, "--no-restart")[0] == 0
    length = board.received
    chance = random.Random(SEED)
    print("seed", SEED)
    for sequence in range(2, 2 + CUTS):
        board.cut_after = board.received + chance.randrange(length // 20)
        status, said = flash(board.device, "--config", path, "--sequence", str(sequence))
        if status != 0:
            board.power_on()  # whatever is there starts
            caller5.wait_for_state(device, "online")
            status, said = flash(board.device, "--config", path, "--sequence", str(sequence))
        assert status == 0, said
        board.cut_after = None
        caller5.wait_for_state(device, "online")
    assert caller5.call(device, "system.ping")["result"] == {}


def test_a_watchdog_that_the_agent_armed_is_fed_meanwhile(board, broker, tmp_path, caller5):
    device = Named("board-" + secrets.token_hex(4))
    path = tmp_path / "agent.json"
    mqtt = {"host": broker.host, "port": broker.port}
    watchdog = {"path": "wdt0", "timeout_s": 6}
    path.write_text(json.dumps({"device": device.name, "mqtt": mqtt, "watchdog": watchdog}))
    assert flash(board.device, "--config", str(path))[0] == 0
    caller5.wait_for_state(device, "online")
    starts = board.starts
    status, said = flash(board.device, "--sequence", "2", "--no-restart")
    assert (status, board.starts) == (0, starts), said
    caller5.wait_for_state(device, "offline")
    caller5.wait_for_state(device, "online")  # nobody feeds it any more, so it starts the agent
    assert board.starts == starts + 1


def small(sequence):
    """A release of a few files that could be an agent."""
    files = {"agent/__init__.py": b"", "agent/__main__.py": b"def main(words):\n pass\n"}
    files.update({"agent/one.py": b"one = %d" % sequence, "compat/two.py": b"two = 2"})
    slot = contents.slot_of({path: (data, "644") for path, data in files.items()}, sequence)
    return contents.wanted(str(ROOT), slot, sequence, b'{"device": "x"}')


class Session:
    """The installer's two halves at the board, between one interruption and the next."""

    def __init__(self, board):
        self.line = Board(board.device)
        self.line.enter()

    def plan(self, wanted):
        """What is to be done, and the sequence that the board would start now."""
        present = self.line.look(wanted.outside)
        state = plan.read_state(present)
        slot = plan.slot_started(present, state)
        started = state.sequence if slot == state.good else state.other if slot else None
        return plan.make(present, wanted).steps, started

    def close(self):
        """Let go of the port."""
        self.line.close()


@pytest.mark.parametrize("before", [None, 1])
def test_power_cut_at_every_step_leaves_the_old_agent_or_the_new_one(board, before, monkeypatch):
    monkeypatch.setattr(boards, "SILENT_S", 2)
    session = Session(board)
    if before:
        for step in session.plan(small(before))[0]:
            session.line.do(step)
    wanted = small(2)
    steps, started = session.plan(wanted)
    session.close()
    assert (started, len(steps) > 12) == (before, True)
    board.power_off()
    flash_before = board.flash.read_bytes()
    print("%d steps, seed %d" % (len(steps), SEED))
    for cut in range(SEED % 5, len(steps), 1 if FULL else 5):
        board.flash.write_bytes(flash_before)
        board.power_on()
        session = Session(board)
        for step in steps[:cut]:
            session.line.do(step)
        board.cut_after = board.received + random.Random(SEED + cut).randrange(200)
        with pytest.raises(BoardProblem):
            session.line.do(steps[cut])
            while True:
                session.line.look([])  # the power goes in what comes after it
        session.close()
        board.power_on()
        session = Session(board)
        again, started = session.plan(wanted)
        assert started in (before, 2), (cut, started)
        for step in again:
            session.line.do(step)
        assert session.plan(wanted) == ([], 2), cut
        session.close()
        board.power_off()


class Bridge:
    """The port of a board over TCP, as a serial server has it."""

    def __init__(self, board):
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = "socket://127.0.0.1:%d" % self._server.getsockname()[1]
        self._port = os.open(board.device, os.O_RDWR | os.O_NOCTTY)
        self._thread = threading.Thread(target=self._carry)
        self._thread.start()

    def _carry(self):
        client, _ = self._server.accept()
        while True:
            for ready in select.select([client, self._port], [], [])[0]:
                data = client.recv(4096) if ready is client else os.read(self._port, 4096)
                if not data:
                    client.close()
                    return
                (client.sendall if ready is self._port else self._write)(data)

    def _write(self, data):
        os.write(self._port, data)

    def close(self):
        """The end of it, once its client has gone."""
        self._thread.join(20)
        self._server.close()
        os.close(self._port)


def test_a_serial_line_over_tcp_does_as_well(board):
    bridge = Bridge(board)
    line = Board(bridge.url)
    line.enter()
    wanted = small(1)
    for step in plan.make(line.look(wanted.outside), wanted).steps:
        line.do(step)
    assert plan.make(line.look(wanted.outside), wanted).steps == []
    line.close()
    bridge.close()


def test_what_cannot_be_is_said_in_one_line(board, settings, tmp_path):
    path, _ = settings
    status, said = flash("/dev/no-such-port", "--config", path)
    assert (status, said) == (1, "flash: no board: there is no /dev/no-such-port\n")
    with open(board.device) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        status, said = flash(board.device, "--config", path)
    assert (status, "is busy: another program has it open" in said) == (1, True), said
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"device": "x", "mqtt": {"port": 0}}')
    status, said = flash(board.device, "--config", str(wrong))
    assert (status, "mqtt.port: expected an integer from 1 to 65535" in said) == (1, True), said
    status, said = flash(board.device)
    assert (status, "the board has no /agent.json" in said) == (1, True), said


def test_a_small_board_is_too_small_before_anything_is_written(tmp_path, settings):
    made = PtyBoard(runtimes.get("micropython").path, tmp_path / "x", blocks=100)
    made.power_on()
    try:
        status, said = flash(made.device, "--config", settings[0], "--no-restart")
    finally:
        made.close()
    assert (status, "no space:" in said) == (1, True), said
    assert b"limpet_start" not in made.flash.read_bytes()


def test_what_was_flashed_is_updated_by_a_release_from_then_on(board, broker, tmp_path, caller5):
    yard = Yard(tmp_path / "depot", broker, "c" + secrets.token_hex(4))
    name = "board-" + secrets.token_hex(4)
    values = {"device": name, "mqtt": {"host": broker.host, "port": broker.port}}
    values["update"] = {"keyring": "/keyring", "channel": yard.channel, "healthy_s": 0}
    path = tmp_path / "agent.json"
    path.write_text(json.dumps(values))
    try:
        status, said = flash(board.device, "--config", str(path))
        assert (status, "--put FILE=/keyring" in said) == (1, True), said
        words = ("--config", str(path), "--put", yard.keyring + "=/keyring")
        status, said = flash(board.device, *words)
        assert status == 0, said
        device = Named(name)
        caller5.wait_for_state(device, "online")
        caller5.follow("limpet/%s/event/update" % name)
        yard.publish(yard.build(2, True, new_version(2)))
        words = wait_for_update(caller5, device, lambda words: words["state"] == "confirmed")
        assert (words["sequence"], words["slot"]) == (2, "b")
        assert caller5.call(device, "system.info")["result"]["agent"] == "0.2.0"
        if FULL:
            assert caller5.call(device, "update.rollback")["result"] is not None
            words = wait_for_update(caller5, device, lambda words: words["state"] == "confirmed")
            assert words["slot"] == "a"
    finally:
        yard.close()

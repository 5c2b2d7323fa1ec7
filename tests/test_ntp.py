"""Time from a server on loopback, and from servers that lie, answer late, or not at all."""

import socket
from struct import pack

from interpreter import random_bytes
from support import START, raises

from agent import sntp
from agent.bad_message import BadMessage
from agent.clock import LEAST_UNIX_S, Clock
from agent.mqtt.tcp import socket_address
from agent.ntp import Ntp

NONCE = b"12345678"
FROM_1970 = 2208988800
NOW_S = LEAST_UNIX_S + 1000


def answer(nonce=NONCE, seconds=NOW_S + FROM_1970, first=0x24, stratum=2, root=0, fraction=0):
    seconds &= 0xFFFFFFFF
    head = pack(">BBBBII4s", first, stratum, 6, 0xEC, root, root, b"RATE")
    return head + bytes(8) + nonce + bytes(8) + pack(">II", seconds, fraction)


class Server:
    """Answers each question by `make(nonce)`, which gives None or the answer."""

    def __init__(self, make):
        self.make = make
        for _ in range(50):
            high, low = random_bytes(2)
            self.address = ("127.0.0.1", 20000 + (high << 8 | low) % 12000)
            self.channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self.channel.bind(socket_address(*self.address)[1])
                break
            except OSError:
                self.channel.close()
        self.channel.setblocking(False)
        self.asked = 0

    def step(self):
        try:
            data, peer = self.channel.recvfrom(128)
        except OSError:
            return
        self.asked += 1
        said = self.make(data[40:48])
        if said is not None:
            self.channel.sendto(said, peer)


def ask(*makes, rounds=400):
    """Ask servers that answer so: the times taken, the warnings, the servers."""
    servers = [Server(make) for make in makes]
    taken, warned = [], []
    ntp = Ntp([one.address for one in servers], taken.append, warned.append)
    now = START
    for _ in range(rounds):
        ntp.step(now)
        for server in servers:
            server.step()
        now += 50
        if taken:
            break
    for server in servers:
        server.channel.close()
    return taken, warned, servers


def test_a_server_is_asked_and_believed():
    taken, warned, servers = ask(lambda nonce: answer(nonce, fraction=1 << 31))
    assert warned == [] and servers[0].asked == 1
    assert 0 <= taken[0] - (NOW_S * 1000 + 500) <= 100


def test_the_next_server_is_asked_when_one_is_silent_or_wrong():
    for wrong in (None, answer(b"x" * 8), b"short", answer(stratum=0)):
        taken, warned, servers = ask(lambda nonce, said=wrong: said, answer)
        assert len(taken) == 1 and len(warned) == 1, (wrong, warned)
        assert [server.asked for server in servers] == [1, 1]


def test_who_never_gets_an_answer_asks_ever_more_seldom():
    taken, warned, servers = ask(lambda nonce: None, rounds=2000)  # 100 s
    assert not taken and 4 <= servers[0].asked <= 6, servers[0].asked


def test_what_a_wrong_answer_says_is_not_believed():
    for wrong in (
        answer(b"87654321"),
        answer()[:47],
        answer(first=0x23),
        answer(first=0x1C | 0xC0),
        answer(first=0x0C),
        answer(stratum=0),
        answer(stratum=16),
        answer(root=20 << 16),
        answer(seconds=0),
        answer(seconds=LEAST_UNIX_S + FROM_1970 - 1),
    ):
        raises(BadMessage, sntp.read_answer, wrong, NONCE, LEAST_UNIX_S)


def test_the_count_may_start_anew_in_2036():
    late_s = (1 << 32) - FROM_1970 + 77
    found = sntp.read_answer(answer(seconds=77), NONCE, LEAST_UNIX_S)
    assert found == late_s * 1000


def test_a_clock_that_was_told_is_synced_and_leaves_the_system_alone():
    clock = Clock(system=lambda: 1000)
    assert clock.wall()[1] == "unset"
    clock.learn(NOW_S * 1000)
    shown, quality = clock.wall()
    assert quality == "synced" and 0 <= shown - NOW_S * 1000 < 1000

"""agent/mqtt/rival.py: two clients of one id are told from a bad network."""

from support import START

from agent.mqtt.rival import SOON_MS, TAKEN, Rival


def ends(rival, *lasted, code="lost"):
    told = []
    now = START
    for time in lasted:
        rival.connected(now)
        now += time
        told.append(rival.suspects(now, code))
    return told


def test_three_connections_closed_soon_are_suspicious():
    assert ends(Rival(), 100, 900, 5000, 10, 10, 10) == [False, False, True, False, False, True]


def test_one_that_lasted_or_ended_otherwise_is_not():
    rival = Rival()
    assert ends(rival, 10, 10, SOON_MS + 1, 10, 10) == [False] * 5
    assert ends(rival, 10, code="rejected") == [False]
    assert ends(rival, 10, 10) == [False, False]


def test_an_attempt_that_never_came_up_is_not_counted():
    rival = Rival()
    for _ in range(9):
        assert not rival.suspects(0, "lost")


def test_what_a_broker_says_is_said_in_words():
    from agent.mqtt import reasons

    assert reasons.words(0x87) == "not authorized (0x87)"
    assert reasons.words(0x12) == "0x12"
    assert "started twice" in reasons.words(0x8E)


def test_another_is_there_until_a_connection_lasts():
    rival = Rival()
    assert not rival.is_there(0)
    assert ends(rival, 10, 10, 10)[2] and rival.is_there(100)
    rival.connected(100)
    assert rival.is_there(100 + SOON_MS) and not rival.is_there(101 + SOON_MS)
    told = Rival()
    assert ends(told, 10, code=TAKEN) == [False] and told.is_there(10)

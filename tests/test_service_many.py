"""agent/commands/service.py: calls to many are answered by chance within their spread; callers."""

import json

from job_bench import BASE, PREFIX, Bench

from agent import schema
from agent.commands.gate import Repeated
from agent.commands.registry import INLINE, PLAIN, Command
from agent.commands.service import MOST_LATE

ALL = "limpet/all/call"


def bench():
    n = (schema.integer("n", 0),)
    made = Bench(
        0,
        [
            Command("t.inline", lambda params: params["n"], n, "act", "repeat", INLINE, ""),
            Command("t.plain", lambda params: params["n"], n, "act", "once", PLAIN, ""),
        ],
    )
    made.bridge.retarget({BASE + "call": "pump", ALL: "all"})
    made.gate.retarget({BASE + "call": "pump", ALL: "all"})
    return made


def ask(made, identity, topic=ALL, method="t.inline", reply=PREFIX + "me", **members):
    document = {"id": identity, "method": method, "reply": reply}
    document.update(members)
    made.send(topic, json.dumps(document).encode())
    made.turn()


def test_a_call_to_many_runs_at_once_and_is_answered_within_its_spread():
    waits = []
    for number in range(40):
        made = bench()
        start = made.clock.now()
        ask(made, "many-%08d" % number, method="t.plain", spread=10)
        made.until(lambda made=made: made.replies())
        waits.append(made.clock.now() - start)
    assert max(waits) <= 10_500 and max(waits) - min(waits) > 3000, waits


def test_a_call_to_one_waits_for_nothing():
    made = bench()
    ask(made, "one-00000001", BASE + "call")
    assert len(made.replies()) == 1


def test_no_spread_is_at_once_and_a_wrong_one_is_named():
    made = bench()
    ask(made, "many-00000001", spread=0)
    made.until(lambda: made.replies())
    ask(made, "many-00000002", spread="long")
    made.until(lambda: len(made.replies()) == 2)
    assert "spread" in made.replies()[1]["error"]["message"]


def test_answers_that_wait_are_bounded_and_none_is_lost():
    made = bench()
    for number in range(MOST_LATE * 2):
        ask(made, "many-%08d" % number, spread=600)
    assert len(made.replies()) == MOST_LATE and len(made.service._late) == MOST_LATE
    made.until(lambda: len(made.replies()) == MOST_LATE * 2)
    assert made.service._when == {}
    assert len(set([reply["id"] for reply in made.replies()])) == MOST_LATE * 2


def test_an_end_lets_them_leave_before():
    made = bench()
    ask(made, "many-00000001", spread=600)
    made.service.send_late(made.clock.now() + 600_000)
    assert len(made.replies()) == 1


def test_several_callers_get_their_own_answers_in_the_order_they_asked():
    made = bench()
    for number in range(6):
        reply = "%scaller-%d" % (PREFIX, number % 3)
        ask(made, "request-%04d" % number, BASE + "call", "t.plain", reply, params={"n": number})
    made.until(lambda: len(made.replies()) == 6)
    for number in range(3):
        topic = "%scaller-%d" % (PREFIX, number)
        found = [json.loads(p)["result"] for t, p, _ in made.wire.sent if t == topic]
        assert found == [number, number + 3]
    assert [reply["result"] for reply in made.replies()] == list(range(6))


def test_a_closed_bridge_takes_and_acknowledges_nothing():
    made = bench()
    made.bridge.close()
    ask(made, "one-00000001", BASE + "call")
    assert made.replies() == [] and made.wire.acknowledged == []


def test_a_copy_leaves_no_delay_behind_and_keeps_that_of_the_first():
    made = bench()

    def take_copy(document, address, incoming, opened):
        raise Repeated("repeated")

    take = made.service._take
    made.service._take = take_copy
    ask(made, "many-00000001", spread=600)
    assert made.service._when == {}
    made.service._take = lambda *parts: None  # the first is under way
    ask(made, "many-00000002", spread=600)
    made.service._take = take_copy
    ask(made, "many-00000002", spread=600)
    assert len(made.service._when) == 1
    made.service._take = take

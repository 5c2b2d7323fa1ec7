"""`python.run`: code from afar, in an interpreter of its own or in the agent."""

import os
import sys

from running import Running, run
from support import skip

from agent import system_calls
from agent.commands import python
from agent.errors import Unavailable


def commands(sessions):
    return {command.name[7:]: command for command in python.commands(sessions)}


class Bench:
    """Sessions, all of which are ended behind a test."""

    def __init__(self, calls):
        self.sessions = python.Sessions(calls is not None, ".")
        self.is_inside = calls is None
        self.commands = commands(self.sessions)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for name, _ in self.sessions.names(""):
            self.sessions.end("", name)

    def run(self, code, **params):
        params.setdefault("inside", self.is_inside)
        return run(self.commands["run"], code=code, **params)


IMPLEMENTATIONS = [("inside", None)]
try:
    if "--frozen" not in sys.argv:  # run under an emulator, which starts no second one by itself
        IMPLEMENTATIONS.append(("apart", system_calls.load()))
except Unavailable:
    pass


def test_without_another_interpreter_the_agents_own_is_asked_for_by_name(calls):
    with Bench(calls) as bench:
        told = bench.run("1", inside=False)
        assert (told.error is None) == (calls is not None)
        assert told.error is None or "inside: true" in told.error.message


def test_an_expression_gives_its_value_and_a_block_what_it_prints(calls):
    with Bench(calls) as bench:
        told = bench.run("6 * 7")
        assert told.error is None and told.result["value"] == "42", told
        told = bench.run("for i in range(3):\n    print(i, 'ü')")
        assert told.result["value"] is None and told.output == "0 ü\n1 ü\n2 ü\n".encode()
        assert told.result["tail"] == "0 ü\n1 ü\n2 ü\n"


def test_variables_stay_in_a_session_and_nowhere_else(calls):
    with Bench(calls) as bench:
        assert bench.run("x = 5", session="a").result["new"]
        told = bench.run("x + 1", session="a")
        assert told.result["value"] == "6" and not told.result["new"]
        bench.run("def f(n):\n    return n * x\n", session="a")
        assert bench.run("f(4)", session="a").result["value"] == "20"
        for session in ("b", None):
            assert bench.run("x", session=session).result["error"]["type"] == "NameError"


def test_an_exception_is_an_answer_with_its_traceback(calls):
    with Bench(calls) as bench:
        told = bench.run("def f():\n    return 1 // 0\nprint('a')\nf()")
        error = told.result["error"]
        assert told.error is None and error["type"] == "ZeroDivisionError"
        assert "line 2" in error["traceback"] and told.output == b"a\n"
        assert bench.run("x =").result["error"]["type"] == "SyntaxError"
        assert bench.run("import sys; sys.exit(3)").result["error"]["type"] == "SystemExit"


def test_a_session_lives_on_after_an_exception(calls):
    with Bench(calls) as bench:
        bench.run("x = 1", session="a")
        bench.run("1 // 0", session="a")
        assert bench.run("x", session="a").result["value"] == "1"


def test_sessions_are_few_and_can_be_ended(calls):
    with Bench(calls) as bench:
        for number in range(python.MOST_SESSIONS):
            bench.run("x = %d" % number, session="s%d" % number)
        assert bench.run("1", session="one-more").error.code == "busy"
        rows = run(bench.commands["sessions"]).result
        assert [row["session"] for row in rows] == ["s0", "s1", "s2", "s3"]
        assert run(bench.commands["end"], session="s1").result == {"ended": True}
        assert run(bench.commands["end"], session="s1").result == {"ended": False}
        assert bench.run("1", session="one-more").result["value"] == "1"


def test_a_flood_of_output_is_ended(calls):
    with Bench(calls) as bench:
        told = bench.run("while True:\n    print('y' * 99)", output_bytes=5000)
        assert told.error.code == "output-limit" and len(told.output) == 5000


def test_code_that_prints_can_be_cancelled(calls):
    with Bench(calls) as bench:
        running = Running(bench.commands["run"], {"code": "while True:\n    print('y')"})
        if calls is None:
            running.cancel()
        else:
            running.until(lambda it: len(it.output) > 100)
            running.cancel()
        assert running.end().error.code == "cancelled"


LOOP = "print('up')\nwhile True:\n    pass"


def test_a_loop_is_ended_by_its_time_and_its_variables_stay(calls):
    if calls is None:
        skip("in the agent nothing ends a loop that prints nothing")
    with Bench(calls) as bench:
        bench.run("x = 5", session="a")
        told = bench.run(LOOP, session="a", timeout_s=0.5)
        assert told.error.code == "timeout" and told.error.data["session_kept"], told.error.data
        assert told.error.data["result"]["error"]["type"] == "KeyboardInterrupt"
        assert bench.run("x", session="a").result["value"] == "5"


def test_a_loop_that_catches_everything_is_ended_with_its_interpreter(calls):
    if calls is None:
        skip("in the agent nothing ends a loop that prints nothing")
    with Bench(calls) as bench:
        code = (
            "while True:\n    try:\n        print('up')\n        while True: len(str(1))\n"
            "    except BaseException: pass"
        )
        running = Running(bench.commands["run"], {"code": code, "session": "a"})
        running.until(lambda it: it.output.startswith(b"up\n"))
        running.cancel()
        told = running.end()
        assert told.error.code == "cancelled", told
        assert not told.error.data["session_kept"]
        assert bench.run("1", session="a").result["new"]


def test_a_session_that_runs_something_is_busy(calls):
    if calls is None:
        skip("in the agent a block runs to its end")
    with Bench(calls) as bench:
        running = Running(bench.commands["run"], {"code": LOOP, "session": "a"})
        running.until(lambda it: it.output == b"up\n")
        assert bench.run("1", session="a").error.code == "busy"
        assert run(bench.commands["end"], session="a").error.code == "busy"
        running.cancel()
        running.end()


def test_code_that_ends_the_interpreter_is_told_and_the_next_has_a_new_one(calls):
    if calls is None:
        skip("in the agent that would end the agent")
    with Bench(calls) as bench:
        code = "import os\nos.kill(os.getpid(), 9)" if hasattr(os, "kill") else "raise MemoryError"
        told = bench.run(code, session="a")
        if hasattr(os, "kill"):
            assert "status -9" in told.result["error"]["message"], told
            assert bench.run("1", session="a").result["new"]


def test_what_looks_like_an_answer_is_output(calls):
    with Bench(calls) as bench:
        told = bench.run("print('\\0' + 'a' * 16 + '\\0{}')\nprint('\\0' * 40)")
        assert told.output == b"\0" + b"a" * 16 + b"\0{}\n" + b"\0" * 40 + b"\n"
        assert told.result["error"] is None


def test_stderr_is_told_apart(calls):
    if calls is None:
        skip("in the agent only print is caught")
    with Bench(calls) as bench:
        told = bench.run("import sys\nprint('o')\nprint('e', file=sys.stderr)", split=True)
        assert b"\x01\0\2o\n" in told.output and b"\x02\0\2e\n" in told.output


def test_nothing_of_the_agent_is_in_the_other_interpreter(calls):
    if calls is None:
        skip("in the agent everything of the agent is there")
    with Bench(calls) as bench:
        told = bench.run("import sys\nprint(sorted(m for m in sys.modules if m[:6] == 'agent.'))")
        assert told.output == b"['agent.python_child']\n", told


def test_no_descriptor_and_no_process_stays(calls):
    if calls is None:
        skip("nothing is opened in the agent")
    with Bench(calls) as bench:
        bench.run("1")
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            bench.run("1")
            bench.run("1", session="a")
            bench.sessions.end("", "a")
        assert len(os.listdir("/proc/self/fd")) == before


def test_a_session_inside_is_its_callers_alone(calls):
    if calls is not None:
        skip("apart they are anyway")
    sessions = python.Sessions(False, ".")
    sessions.space("anna", "s")["x"] = 1
    assert "x" not in sessions.space("bert", "s")
    assert sessions.names("anna") == [("s", False)] and sessions.names("carl") == []
    assert not sessions.end("carl", "s") and sessions.end("bert", "s")
    assert sessions.space("anna", "s")["x"] == 1

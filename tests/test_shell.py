"""agent/processes.py and `shell.run`: a program, watched, bounded, and gone when it should be."""

import os
import select

from running import Running, run
from support import skip, temporary_folder

from agent import processes, system_calls
from agent.commands import shell
from agent.errors import Unavailable

try:
    system_calls.load()
except Unavailable as reason:
    skip(str(reason))

shell_commands = {command.name: command for command in shell.commands()}
SHELL_RUN = shell_commands["shell.run"]


def sh(line, **params):
    return run(SHELL_RUN, arguments=[line], shell=True, **params)


def processes_with(word):
    """How many processes have `word` in their command line."""
    count = 0
    for name in os.listdir("/proc"):
        try:
            with open("/proc/%s/cmdline" % name, "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if name[0] in "123456789" and word.encode() in words and words[0] != b"grep":
            count += 1
    return count


def is_gone(word):
    """Whether no process has `word` in its command line; a killed one may take a moment."""
    for _ in range(500):
        if processes_with(word) == 0:
            return True
        select.poll().poll(10)
    return False


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def test_a_programs_arguments_are_given_as_they_are():
    told = run(SHELL_RUN, arguments=["printf", "[%s]", "a b", "$HOME", "*", "", "ü", "-n", "'\""])
    assert told.error is None
    assert told.output == "[a b][$HOME][*][][ü][-n]['\"]".encode()
    assert told.result["status"] == 0 and told.result["tail"] == told.output.decode()
    assert told.result["output_bytes"] == len(told.output)


def test_a_program_starts_with_no_signal_ignored():
    try:
        from signal import SIG_IGN, SIGINT, signal
    except ImportError:
        skip("nothing here can have a signal ignored")
    before = signal(SIGINT, SIG_IGN)  # as a shell's `&` leaves it
    try:
        told = sh("kill -INT $$; echo ignored")
    finally:
        signal(SIGINT, before)
    assert told.result["signal"] == SIGINT and told.output == b""


def test_the_exit_status_or_the_signal_is_told():
    assert sh("exit 7").result["status"] == 7
    killed = sh("kill -9 $$").result
    assert killed["signal"] == 9 and "status" not in killed


def test_an_unknown_program_is_an_error_that_says_where_it_was_looked_for():
    told = run(SHELL_RUN, arguments=["no-such-program"])
    assert told.error.code == "not-found" and "/bin" in told.error.message
    told = run(SHELL_RUN, arguments=["/etc/passwd"])
    assert told.error.code == "not-found"


def test_output_and_errors_come_in_their_order_or_apart():
    line = "echo a; echo b >&2; echo c"
    assert sh(line).output == b"a\nb\nc\n"
    told = sh(line, split=True)
    assert sorted(pieces(told.output)) == [(1, b"a\nc\n"), (2, b"b\n")], told.output


def pieces(data):
    """The output by kind, from its frames."""
    found = {}
    while data:
        size = data[1] << 8 | data[2]
        found[data[0]] = found.get(data[0], b"") + data[3 : 3 + size]
        data = data[3 + size :]
    return list(found.items())


def test_input_reaches_the_program_and_its_end_too():
    told = run(SHELL_RUN, arguments=["cat"], input=True, given=[b"one ", b"two", b""])
    assert told.output == b"one two" and told.result["status"] == 0


def test_input_larger_than_every_pipe_arrives_whole():
    data = bytes(range(256)) * 290
    parts = [data[at : at + 10000] for at in range(0, len(data), 10000)] + [b""]
    told = run(SHELL_RUN, arguments=["cat"], input=True, given=parts)
    assert told.error is None and told.output == data, told.error


def test_a_program_that_reads_no_input_ends_all_the_same():
    told = run(SHELL_RUN, arguments=["true"], input=True, given=[b"x" * 100000, b""])
    assert told.result["status"] == 0


def test_without_input_a_program_finds_its_end_at_once():
    assert run(SHELL_RUN, arguments=["cat"]).result["status"] == 0


def test_the_environment_is_what_was_said_and_nothing_else():
    told = run(SHELL_RUN, arguments=["env"], environment=["A=1", "B=x=y"])
    names = [line.split("=")[0] for line in told.output.decode().split("\n") if line]
    known = processes.INHERITED + ("A", "B", "PWD", "SHLVL", "_", "OLDPWD")
    assert [name for name in names if name not in known] == []
    assert b"A=1\n" in told.output and b"B=x=y\n" in told.output


def test_it_runs_in_the_folder_given():
    assert run(SHELL_RUN, arguments=["pwd"], folder="/tmp").output == b"/tmp\n"
    told = run(SHELL_RUN, arguments=["pwd"], folder="/no/such")
    assert told.result["status"] == 126 and "/no/such" in told.result["tail"]


def test_a_program_that_takes_too_long_is_ended_and_told_so():
    told = sh("echo begun; sleep 1001", timeout_s=0.3)
    assert told.error.code == "timeout" and told.result is None
    assert told.error.data["result"]["tail"] == "begun\n"
    assert is_gone("1001")


def test_the_requests_own_time_counts_too():
    told = Running(SHELL_RUN, {"arguments": ["sleep", "1002"]}, timeout_ms=200).end()
    assert told.error.code == "timeout" and is_gone("1002")


def test_a_cancel_ends_it_within_a_second_however_deaf_it_is():
    for line in ("sleep 1003", "trap '' TERM INT HUP; sleep 1003 & wait; sleep 1003"):
        running = Running(SHELL_RUN, {"arguments": ["echo up; " + line], "shell": True})
        running.until(lambda it: it.output == b"up\n")
        running.until(lambda it: processes_with("1003") > 0)
        begun = running.clock.now()
        running.cancel()
        told = running.end()
        took = running.clock.now() - begun
        assert told.error.code == "cancelled" and told.error.data["result"]["tail"] == "up\n"
        assert took < 1000 + 2000 * (took > 1500), took  # a loaded machine is not its fault
        assert is_gone("1003")


def test_whoever_is_asked_to_end_may_say_a_last_word():
    line = "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.01; done"
    running = Running(SHELL_RUN, {"arguments": [line], "shell": True})
    running.until(lambda it: it.output == b"up\n")
    running.cancel()
    result = running.end().error.data["result"]
    assert result["status"] == 3 and result["tail"].endswith("bye\n"), result


def test_grandchildren_of_any_number_end_with_the_group():
    grow = "f(){ if [ $1 -gt 0 ];then f $(($1-1))& f $(($1-1))& fi;sleep 1004;};f 4;wait"
    running = Running(SHELL_RUN, {"arguments": [grow], "shell": True})
    running.until(lambda it: processes_with("1004") > 20)
    running.cancel()
    running.end()
    assert is_gone("1004")


def test_what_a_program_leaves_behind_ends_with_it():
    told = sh("sleep 1005 & echo done")
    assert told.result["status"] == 0 and told.output == b"done\n"
    assert is_gone("1005")


def test_a_flood_of_output_is_bounded_and_ended():
    told = run(SHELL_RUN, arguments=["yes"], output_bytes=30000)
    assert told.error.code == "output-limit" and told.error.data["result"]["output_bytes"] == 30000
    assert told.output == b"y\n" * 15000


def test_output_waits_while_there_is_no_room_for_it():
    running = Running(SHELL_RUN, {"arguments": ["yes"], "output_bytes": 1 << 30})
    running.until(lambda it: it.stream.size > 0)
    running.stream.is_full = True
    size = None
    for _ in range(20):
        size = running.stream.size
        running.job.turn(lambda: True)
        assert running.stream.size - size <= 2 * processes.PIPE_BYTES
    running.cancel()
    running.end()


def test_output_that_is_no_text_is_shown_and_kept_small():
    told = sh("printf '\\377\\000a'; head -c 2000 /dev/zero")
    assert told.output[:3] == b"\xff\0a" and len(told.output) == 2003
    assert len(told.result["tail"]) <= shell.TAIL_BYTES
    assert shell.text_of("aü".encode()[2:]) == "" and shell.text_of(b"\xffa\n") == "?a\n"


def test_nothing_stays_open_after_many_runs():
    sh("true")
    before = descriptors()
    for line in ("true", "exit 1", "yes | head -c 9999", "sleep 0.01 &"):
        sh(line)
    run(SHELL_RUN, arguments=["no-such-program"])
    run(SHELL_RUN, arguments=["cat"], input=True, given=[b"x", b""])
    sh("sleep 1006", timeout_s=0.1)
    assert descriptors() == before


def test_no_descriptor_of_the_agent_is_seen_by_a_program():
    with temporary_folder() as folder, open(folder + "/secret", "w"):
        told = sh("ls -l /proc/self/fd")
    assert b"secret" not in told.output and b"socket" not in told.output


def test_no_nul_gets_into_an_argument():
    assert run(SHELL_RUN, arguments=["echo", "a\0b"]).error.code == "bad-params"


def at_terminal(line, rows=24, columns=80, given=(), **params):
    params = dict({"arguments": [line], "shell": True}, **params)
    params["terminal"] = {"rows": rows, "columns": columns}
    return Running(SHELL_RUN, params, given)


def test_a_program_at_a_terminal_finds_one_of_that_size():
    told = at_terminal("test -t 0 && test -t 1 && test -t 2 && stty size; tty", 30, 99).end()
    assert told.error is None and told.result["status"] == 0
    first, second = told.output.split()[:2], told.output.split()[2]
    assert first == [b"30", b"99"] and second.startswith(b"/dev/pts/"), told.output


def test_what_is_typed_is_shown_and_read():
    told = at_terminal("read x; echo got $x", given=[b"word\r"]).end()
    assert b"word" in told.output and b"got word" in told.output


def test_ctrl_c_reaches_what_runs_in_front_and_not_the_shell():
    running = at_terminal("trap : INT; echo up; sleep 1004; echo after")
    running.until(lambda it: b"up" in it.output)
    running.until(lambda it: processes_with("1004") > 0)
    running.stream.given.append(b"\x03")
    told = running.end()
    assert b"after" in told.output and told.result["status"] == 0 and is_gone("1004")


def test_the_end_of_input_is_typed():
    told = at_terminal("cat; echo over", given=[b""]).end()
    assert told.output.endswith(b"over\r\n") and told.result["status"] == 0


def test_jobs_of_a_shell_at_a_terminal_end_with_it():
    for ending in ("exit\r", None):
        running = Running(SHELL_RUN, {
            "arguments": ["/bin/sh", "-i"], "terminal": {"rows": 24, "columns": 80},
            "environment": ["PS1=ready>"],
        })  # fmt: skip
        running.until(lambda it: b"ready>" in it.output)
        running.stream.given.append(b"nohup sleep 1005 >/dev/null 2>&1 & sleep 1006\r")
        running.until(lambda it: processes_with("1005") > 0 and processes_with("1006") > 0)
        if ending is None:
            running.cancel()
        else:
            running.stream.given += [b"\x03", ending.encode()]
        told = running.end()
        assert (told.error is None) == (ending is not None), told
        assert is_gone("1005") and is_gone("1006")


def test_a_terminal_changes_its_size_under_way():
    resize = shell_commands["shell.size"]
    running = at_terminal("trap 'stty size; exit' WINCH; echo up; while :; do sleep 0.05; done")
    running.job.id = "some-request"
    running.until(lambda it: b"up" in it.output)
    told = run(resize, job="other", rows=1, columns=2)
    assert told.error.code == "bad-params"
    assert run(resize, job="some-request", rows=50, columns=132).result == {}
    told = running.end()
    assert b"50 132" in told.output, told.output


def test_a_flood_at_a_terminal_comes_whole_to_its_last_line():
    told = at_terminal("i=0; while test $i -lt 3000; do echo line $i; i=$((i+1)); done").end()
    assert told.output.count(b"\n") == 3000 and told.output.endswith(b"line 2999\r\n")


def test_nothing_stays_open_after_terminals():
    at_terminal("true").end()
    before = descriptors()
    for _ in range(10):
        at_terminal("echo x").end()
    assert descriptors() == before

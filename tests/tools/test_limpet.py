"""The command `limpet` as a shell sees it: a process, its output, its status."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from cuttable_proxy import CuttableProxy
from scripted_device import LIES, SILENCE, Refuse, ScriptedDevice

LIMPET = [sys.executable, str(Path(__file__).parents[2] / "tools" / "limpet")]
TIMEOUT_S = 30
ESCAPES = "\x1b[31mred\x07\x9b2J\u202e"
HOSTILE = {
    "hostile.result": lambda _device, _request: {ESCAPES: ESCAPES},
    "hostile.error": lambda _device, _request: _raise(Refuse("failed", ESCAPES, ESCAPES + "\n2")),
    "params.show": lambda _device, request: request["params"],
    "request.show": lambda _device, request: {n: request[n] for n in ("id", "ttl")},
}


def _raise(error):
    raise error


@pytest.fixture(scope="module")
def device(broker):
    with ScriptedDevice(broker, "pump-7", {**LIES, **HOSTILE}) as running:
        yield running


@pytest.fixture
def limpet(broker, device):
    """Runs limpet with these arguments; returns the finished process, its output as text."""

    def run(*arguments, stdin="", **environment):
        return run_limpet(arguments, stdin, LIMPET_BROKER=broker.url, **environment)

    return run


def surroundings(variables):
    kept = {n: v for n, v in os.environ.items() if n not in ("NO_COLOR", "COLUMNS", "LINES")}
    return {**kept, "TERM": "xterm", **variables}


def run_limpet(arguments, stdin="", **environment):
    return subprocess.run(
        [*LIMPET, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        env=surroundings(environment),
    )


def succeed(done):
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def fail(done, status):
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith("limpet: ")
    assert "Traceback" not in done.stderr
    return done.stderr


def test_ls_shows_a_table(limpet):
    lines = succeed(limpet("ls")).splitlines()
    head = ["DEVICE", "STATE", "BOOT", "RUNTIME", "AGENT", "CLOCK", "BOARD"]
    row = ["pump-7", "online", "3", "Scripted 1.0", "0.0", "synced", "test bench"]
    assert [re.split("  +", line) for line in lines] == [head, row]


def test_ls_as_json_is_all_that_a_device_says(limpet, device):
    (found,) = json.loads(succeed(limpet("ls", "--json")))
    assert found["device"] == "pump-7"
    assert found["status"]["nonce"] == "n3"
    assert found["about"] == device.about


def test_a_runtime_that_says_more_is_shown_by_name_and_version(limpet, broker):
    about = {"runtime": {"name": "micropython", "version": "1.26", "threads": "gil"}}
    with ScriptedDevice(broker, "a", root="r2", about=about):
        row = succeed(limpet("ls", "--root", "r2")).splitlines()[1]
    assert re.split("  +", row)[3:5] == ["micropython 1.26", "-"]


def test_an_empty_fleet_is_no_error_and_said_aside(limpet):
    done = limpet("ls", "--root", "nobody")
    assert (done.returncode, done.stdout) == (0, "")
    assert "no device has shown up under nobody/" in done.stderr
    assert json.loads(succeed(limpet("--root", "nobody", "ls", "--json"))) == []


def test_call_prints_the_result_as_readable_json(limpet):
    out = succeed(limpet("call", "pump-7", "system.echo", "text=grün"))
    assert out == '{\n  "text": "grün"\n}\n'


def test_call_raw_prints_one_line(limpet):
    out = succeed(limpet("call", "--raw", "pump-7", "system.echo", "text=a b"))
    assert out == '{"text":"a b"}\n'


def test_values_are_json_where_they_are_json(limpet):
    words = {"n": "5", "f": "-1.5e3", "t": "true", "z": "null", "s": "fast", "q": '"45"'}
    words.update(l="[1, 2]", o='{"a": 1}', e="", eq="a=b", nan="NaN", bad="[1")
    expected = {"n": 5, "f": -1500.0, "t": True, "z": None, "s": "fast", "q": "45"}
    expected.update(l=[1, 2], o={"a": 1}, e="", eq="a=b", nan="NaN", bad="[1")
    pairs = [f"{name}={value}" for name, value in words.items()]
    assert json.loads(succeed(limpet("call", "pump-7", "params.show", *pairs))) == expected


def test_options_may_stand_anywhere(limpet):
    words = ["--timeout", "5", "call", "pump-7", "params.show", "--raw", "a=1", "--ttl=5", "b=2"]
    assert succeed(limpet(*words)) == '{"a":1,"b":2}\n'


def test_parameters_may_come_as_one_object_or_from_stdin(limpet):
    text = '{"steps": [1, {"a": "ü"}]}'
    done = limpet("call", "pump-7", "params.show", "--json", text)
    assert json.loads(succeed(done)) == json.loads(text)
    done = limpet("call", "pump-7", "params.show", "--json", "-", stdin=text)
    assert json.loads(succeed(done)) == json.loads(text)


def test_stdin_that_is_no_object_is_a_usage_error(limpet):
    done = limpet("call", "pump-7", "params.show", "--json", "-", stdin="[1]")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1


def test_ttl_and_id_reach_the_device(limpet):
    id = "0123456789abcdef01234567"
    done = limpet("call", "pump-7", "request.show", "--ttl", "33", "--id", id)
    assert json.loads(succeed(done)) == {"id": id, "ttl": 33}


def test_the_devices_error_is_status_1_with_its_words(limpet):
    err = fail(limpet("call", "pump-7", "valve.open"), 1)
    assert err.splitlines()[0] == (
        "limpet: pump-7 answered bad-params: "
        "degrees: missing; expected a number from 0 to 90 (deg)"
    )
    assert "limpet describe pump-7 valve.open" in err


def test_an_unknown_method_gets_near_names(limpet):
    err = fail(limpet("call", "pump-7", "system.pin"), 1)
    assert "unknown-method" in err
    assert "did you mean system.ping?" in err


def test_an_unknown_method_is_told_even_if_the_device_lists_nothing(limpet, broker):
    script = {"rpc.list": lambda _device, _request: [7]}
    with ScriptedDevice(broker, "odd", script, root="r3"):
        err = fail(limpet("--root", "r3", "call", "odd", "system.pin"), 1)
    assert "unknown-method" in err


def test_an_unknown_device_gets_the_names_there_are(limpet):
    err = fail(limpet("call", "pump-8", "system.ping"), 3)
    assert "there is no device called pump-8; did you mean pump-7?" in err
    assert "limpet ls lists: pump-7" in err


def test_in_an_empty_fleet_an_unknown_device_is_told_so(limpet):
    err = fail(limpet("--root", "nobody", "describe", "pump-8"), 3)
    assert "no device has ever shown up under nobody/" in err


def test_no_answer_is_status_3_with_state_and_id(limpet):
    err = fail(limpet("call", "pump-7", "lie.silent", "--timeout", "0.3"), 3)
    assert "no answer from pump-7 in 0.3 s; its status says online" in err
    assert re.search(r"--id [0-9a-f]{24}\n", err)


def test_a_device_that_is_offline_is_told_as_that(limpet, broker):
    with ScriptedDevice(broker, "gone", root="r4"):
        pass
    err = fail(limpet("--root", "r4", "call", "gone", "system.ping", "--timeout", "30"), 3)
    assert "gone is offline\n" in err and "nothing was sent; --wait" in err
    words = ("--root", "r4", "call", "gone", "system.ping", "--wait", "--timeout", "30")
    err = fail(limpet(*words), 3)
    assert "nobody is subscribed to r4/gone/call; its status says offline" in err
    assert "it was not run" in err


def test_what_needs_the_device_at_once_says_at_once_that_it_is_offline(limpet, broker, tmp_path):
    with ScriptedDevice(broker, "gone", root="away"):
        pass
    (tmp_path / "x").write_text("x")
    for words in (
        ("cp", tmp_path / "x", "gone:files/"),
        ("ls", "gone:files"),
        ("cat", "gone:files/x"),
        ("run", "gone", "--", "uname"),
        ("schedule", "gone"),
    ):
        err = fail(limpet("--root", "away", *map(str, words)), 3)
        assert "gone is offline\n" in err and "nothing was sent\n" in err, words


def test_since_when_a_device_is_offline_is_told_as_far_as_it_is_known(limpet, broker):
    with ScriptedDevice(broker, "gone", root="r5") as device:
        for words, text in (
            ({"at": 1795176000}, "gone is offline since 2026-11-20T12:00:00Z"),
            ({"at": 1795176000, "lost": True}, "from 2026-11-20T12:00:00Z on was cut"),
            ({"at": "\x1b[1m"}, "gone is offline\n"),
        ):
            device.say("status", {"state": "offline", "boot": 3, **words})
            err = fail(limpet("--root", "r5", "call", "gone", "system.ping"), 3)
            assert text in err


def test_two_devices_of_one_name_are_told(limpet, broker):
    with ScriptedDevice(broker, "twin", root="r6") as device:
        device.say("status", {"state": "online", "boot": 3, "rival": True})
        done = limpet("--root", "r6", "ls")
        assert "twin: two devices seem to have this name" in done.stderr
        watch = subprocess.Popen(
            [*LIMPET, "--root", "r6", "watch"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=surroundings({"LIMPET_BROKER": broker.url}),
        )  # fmt: skip
        assert "twin" in watch.stdout.readline()
        assert "two devices" in watch.stderr.readline()
        watch.terminate()
        watch.communicate()


def test_no_broker_is_status_4_and_no_password_shows():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"mqtt://ann:s3cret@127.0.0.1:{port}"
    for done in (
        run_limpet(["ls"], LIMPET_BROKER=url),
        run_limpet(["--broker", url, "call", "pump-7", "system.ping"]),
    ):
        err = fail(done, 4)
        assert f"mqtt://ann@127.0.0.1:{port} cannot be reached: nothing listens" in err
        assert "s3cret" not in err


def test_a_broker_that_goes_away_for_good_is_status_4(broker, device):
    with CuttableProxy(broker) as proxy:

        def vanish(_device, _request):
            proxy.open = False
            proxy.cut()
            return SILENCE

        device.script["vanish"] = vanish
        words = ["--broker", proxy.url, "--timeout", "1", "call", "pump-7", "vanish"]
        done = run_limpet(words)
    assert (done.returncode, done.stdout) == (4, "")
    assert "lost the connection" in done.stderr
    assert "within the 1 s" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "which command? ls, cp, cat, rm, mv, mkdir, shell, run, call, jobs"),
        (["lss"], "lss"),
        (["ls", "pump-7", "pump-8"], "pump-8"),
        (["ls", "--jsn"], "--jsn"),
        (["call", "pump-7"], "method"),
        (["call", "a/b", "m"], "A-Z a-z 0-9 _ -"),
        (["call", "blob", "m"], "reserved"),
        (["call", "pump-7", "m", "x"], "'x' is not name=value"),
        (["call", "pump-7", "m", "=1"], "'=1' is not name=value"),
        (["call", "pump-7", "m", "a=1", "a=2"], "a is given twice"),
        (["call", "pump-7", "m", "a=1", "--json", "{}"], "not both"),
        (["call", "pump-7", "m", "--json", "{"], "not JSON"),
        (["call", "pump-7", "m", "--json", "[]"], "object"),
        (["call", "pump-7", "m", "--json", '{"a": NaN}'], "not JSON"),
        (["ls", "--timeout", "0"], "above 0"),
        (["ls", "--timeout", "nan"], "above 0"),
        (["call", "pump-7", "m", "--ttl", "x"], "above 0"),
    ],
)
def test_a_wrong_command_line_is_one_line_that_says_what(words, said, capsys):
    from fleet.cli.arguments import parse

    with pytest.raises(SystemExit) as caught:
        parse(words)
    out, err = capsys.readouterr()
    assert (caught.value.code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert err.endswith("--help\n")


def test_a_wrong_url_or_root_is_status_2_and_repeats_no_password():
    err = fail(run_limpet(["--broker", "mqtt://ann:s3cret/@h", "ls"]), 2)
    assert "s3cret" not in err
    fail(run_limpet(["--root", "a/#", "ls"]), 2)


def test_text_that_is_not_utf_8_is_a_usage_error(limpet):
    done = limpet("call", "pump-7", "params.show", os.fsencode("a=\udcff"))
    assert "cannot be written as JSON" in fail(done, 2)


@pytest.mark.parametrize("words", [[], ["ls"], ["call"], ["describe"], ["watch"], ["key"]])
def test_help_teaches_within_80_columns(words):
    out = succeed(run_limpet([*words, "--help"], COLUMNS="80"))
    assert max(map(len, out.splitlines())) < 80
    assert "limpet " + (words[0] if words else "call") in out.split("options:")[1]
    assert "LIMPET_BROKER" in out


def test_the_exit_statuses_are_in_the_help():
    out = succeed(run_limpet(["--help"]))
    assert re.findall(r"^  ([0-4])  ", out, re.MULTILINE) == ["0", "1", "2", "3", "4"]


def test_describe_lists_the_families_and_on_request_each_command(limpet):
    out = succeed(limpet("describe", "pump-7"))
    assert re.search(r"^valve +open", out, re.MULTILINE) and "Opens a valve" not in out
    out = succeed(limpet("describe", "pump-7", "--all"))
    assert "valve.open    Opens a valve.\n" in out


def test_describe_shows_types_units_ranges_and_a_call(limpet):
    out = succeed(limpet("describe", "pump-7", "valve.open"))
    assert "permission act, repeat rule once" in out
    assert "degrees  a number from 0 to 90 (deg); how far\n" in out
    assert 'mode     "slow" or "fast", else "slow"\n' in out
    assert out.endswith("\n  limpet call pump-7 valve.open degrees=DEGREES\n")


def test_describe_of_a_family_lists_its_commands(limpet):
    said = succeed(limpet("describe", "pump-7", "system"))
    assert "system.echo" in said and "system.ping" in said and "valve.open" not in said
    assert "has no commands called moon.*" in fail(limpet("describe", "pump-7", "moon"), 2)


def test_a_device_that_lists_for_ever_is_told(limpet, broker):
    page = {"commands": [{"name": "a.b"}], "more": True}
    with ScriptedDevice(broker, "odd", {"rpc.list": lambda *_: page}, root="r9"):
        assert "in a form known here" in fail(limpet("--root", "r9", "describe", "odd"), 1)


def test_describe_as_json_is_the_devices_own_words(limpet):
    said = json.loads(succeed(limpet("describe", "pump-7", "valve.open", "--json")))
    assert said["params"][0]["high"] == 90


def test_describe_survives_a_device_that_describes_itself_otherwise(limpet, broker):
    script = {
        "rpc.list": lambda _device, _request: {"not": "a list", "more": True},
        "rpc.describe": lambda _device, _request: {
            "name": "x",
            "params": [
                7,
                {},
                {"name": ["b"], "type": ["c"], "high": {}, "fields": 7, "unit": 3},
                {"name": "a", "type": "list", "choices": 3, "low": [], "fields": [1, {}]},
            ],
        },
    }
    with ScriptedDevice(broker, "odd", script, root="r5"):
        assert "in a form known here" in fail(limpet("--root", "r5", "describe", "odd"), 1)
        succeed(limpet("--root", "r5", "describe", "odd", "x.y"))


def test_what_a_device_says_never_steers_the_terminal(limpet, broker):
    about = {"runtime": ESCAPES, "board": [ESCAPES], "agent": {"a": ESCAPES}}
    with ScriptedDevice(broker, "evil", HOSTILE, root="r6", about=about):
        outputs = [
            limpet("--root", "r6", "ls").stdout,
            limpet("--root", "r6", "call", "evil", "hostile.result").stdout,
            limpet("--root", "r6", "call", "evil", "hostile.error").stderr,
        ]
    for output in outputs:
        assert "red" in output
        assert all(c.isprintable() or c == "\n" for c in output)
    assert json.loads(outputs[1]) == {ESCAPES: ESCAPES}


def in_terminal(arguments, **environment):
    """The output and the status of limpet at a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*LIMPET, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=surroundings(environment),
    ) as process:
        os.close(theirs)
        output = b""
        try:
            while piece := os.read(ours, 65536):
                output += piece
        except OSError:  # Linux says so when the last writer has closed
            pass
        os.close(ours)
        process.wait(TIMEOUT_S)
    return output.decode(), process.returncode


def test_colours_are_for_terminals_and_those_who_want_them(limpet, broker, device):
    def listing(**environment):
        output, status = in_terminal(["ls"], LIMPET_BROKER=broker.url, **environment)
        assert status == 0
        return output

    assert "\033[32monline" in listing()
    assert "\033" not in listing(NO_COLOR="1")
    assert "\033" not in listing(TERM="dumb")
    assert "\033" not in limpet("ls").stdout


def test_at_a_terminal_a_row_is_cut_to_its_width(broker):
    with ScriptedDevice(broker, "a", root="r7", about={"board": "b" * 200}):
        output, _ = in_terminal(
            ["--root", "r7", "ls"], LIMPET_BROKER=broker.url, NO_COLOR="1", COLUMNS="60"
        )
    assert [len(line) for line in output.splitlines()][1] == 60
    assert output.splitlines()[1].endswith("bbb...")


def test_at_a_terminal_an_error_is_wrapped_between_words(broker, device):
    words = ["call", "pump-7", "valve.open"]
    output, status = in_terminal(words, LIMPET_BROKER=broker.url, NO_COLOR="1", COLUMNS="50")
    lines = output.splitlines()
    assert status == 1
    assert max(map(len, lines)) <= 50
    assert lines[0].startswith("limpet: pump-7 answered bad-params: degrees:")
    assert len(lines) > 3


class Watching:
    """`limpet watch` under way: a process whose lines are read one by one."""

    def __init__(self, broker, *arguments):
        self.process = subprocess.Popen(
            [*LIMPET, "--broker", broker.url, "watch", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=surroundings({}),
        )

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.process.kill()
        self.process.communicate()

    def line(self):
        return self.process.stdout.readline()

    def end(self):
        """(status, stderr)"""
        err = self.process.communicate(timeout=TIMEOUT_S)[1]
        return self.process.returncode, err


def test_watch_prints_what_is_and_what_changes_until_ctrl_c(broker):
    with (
        ScriptedDevice(broker, "w1", root="r8") as device,
        Watching(broker, "--root", "r8") as watch,
    ):
        assert re.fullmatch(r"\d\d:\d\d:\d\d  w1  online  boot 3  clock synced\n", watch.line())
        device.say("status", {"state": "sleeping", "boot": 3, "clock": "unset"})
        assert watch.line()[10:] == "w1  sleeping  boot 3  clock unset\n"
        device.say("status", {"state": "sleeping", "boot": 3, "clock": "synced"})
        assert watch.line()[10:] == "w1  sleeping  clock synced\n"
        device.say("about", b"")
        assert "w1  sleeping  tells something new" in watch.line()
        device.say("status", b"")
        assert watch.line()[10:] == "w1  gone: its status was taken away\n"
        watch.process.send_signal(signal.SIGINT)
        assert watch.end() == (130, "")


def test_watch_as_json_names_before_and_after_of_the_chosen_devices(broker):
    with (
        ScriptedDevice(broker, "w1", root="r9") as first,
        ScriptedDevice(broker, "w2", root="r9") as second,
        Watching(broker, "w2", "--json", "--root", "r9") as watch,
    ):
        was = json.loads(watch.line())
        assert (was["device"], was["was"], was["status"]["state"]) == ("w2", None, "online")
        first.say("status", {"state": "sleeping"})
        second.say("status", {"state": "sleeping"})
        now = json.loads(watch.line())
        assert (now["device"], now["was"], now["status"]) == (
            "w2",
            "online",
            {"state": "sleeping"},
        )


def test_watch_tells_of_a_lost_broker_and_goes_on(broker):
    with (
        CuttableProxy(broker) as proxy,
        ScriptedDevice(broker, "w3", root="r10") as device,
        Watching(proxy, "--root", "r10") as watch,
    ):
        assert "online" in watch.line()
        proxy.cut()
        assert "lost the connection" in watch.process.stderr.readline()
        assert "again" in watch.process.stderr.readline()
        device.say("status", {"state": "sleeping"})
        assert "w3  sleeping" in watch.line()


def test_a_reader_that_goes_away_ends_it_without_a_word(broker):
    with (
        ScriptedDevice(broker, "w4", root="r11") as device,
        Watching(broker, "--root", "r11") as watch,
    ):
        assert "online" in watch.line()
        watch.process.stdout.close()
        device.say("status", {"state": "sleeping"})
        assert watch.process.wait(TIMEOUT_S) == 141
        assert watch.process.stderr.read() == ""


def test_ctrl_c_ends_a_call_that_waits_without_a_word(broker):
    words = ["--broker", broker.url, "--root", "r12", "call", "w5", "lie.silent"]
    with (
        ScriptedDevice(broker, "w5", LIES, root="r12") as device,
        subprocess.Popen(
            [*LIMPET, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        device.requests.get(timeout=TIMEOUT_S)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, out, err) == (130, "", "")

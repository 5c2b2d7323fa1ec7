"""limpetd, the agent in one static file, as it is shipped for armhf: under qemu-user."""

import json
import math
import os
import shutil
import struct
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from firmwares import linux, sizes, targets
from provision import Unavailable, package

ARMHF = targets.TARGETS["armhf"]


@pytest.fixture(scope="module")
def limpetd():
    """The words that run the file with TLS; skipped with its reason where it cannot be built."""
    try:
        return [*package.emulator("qemu-user-static", ARMHF.emulator), linux.program("armhf")]
    except Unavailable as reason:
        pytest.skip(str(reason))


def run(limpetd, *arguments, **options):
    return subprocess.run(
        [*limpetd, *arguments], capture_output=True, text=True, timeout=120, **options
    )


def write_config(folder, name, port):
    config = folder / "agent.json"
    values = {"device": name, "data": str(folder / "data"), "mqtt": {"port": port}}
    config.write_text(json.dumps(values))
    return str(config)


def test_it_names_its_versions(limpetd):
    done = run(limpetd, "--version")
    assert done.returncode == 0 and done.stdout.startswith("limpetd "), done
    assert "micropython 1.26" in done.stdout and "arm" in done.stdout


def test_its_self_test_passes(limpetd):
    done = run(limpetd, "--self-test")
    assert done.returncode == 0 and "FAILED" not in done.stdout, done.stdout
    assert "ok      tls: " in done.stdout and "left out" not in done.stdout


def test_a_configuration_is_checked(limpetd, tmp_path):
    good = run(limpetd, "--check-config", write_config(tmp_path, "arm", 1883))
    assert good.returncode == 0 and "fit for use" in good.stdout, good
    (tmp_path / "agent.json").write_text('{"device": 5}')
    bad = run(limpetd, "--check-config", str(tmp_path / "agent.json"))
    assert bad.returncode == 2 and "device" in bad.stderr and bad.stderr.count("\n") == 1, bad


@pytest.mark.parametrize("words", [(), ("--no-such",), ("--check-config",), ("--heap",)])
def test_a_wrong_command_line_is_one_line_and_status_2(limpetd, words):
    done = run(limpetd, *words)
    assert done.returncode == 2 and done.stdout == "", done
    assert done.stderr.count("\n") == 1 and "--help" in done.stderr


def test_nothing_beside_the_file_is_imported(limpetd, tmp_path):
    for name in ("limpetd.py", "interpreter.py", "json.py"):
        (tmp_path / name).write_text("raise SystemExit(77)")
    shutil.copytree(linux.ROOT + "/agent", tmp_path / "agent")
    (tmp_path / "agent" / "__init__.py").write_text("raise SystemExit(77)")
    assert run(limpetd, "--version", cwd=tmp_path).returncode == 0


def test_it_is_a_plain_interpreter_when_asked(limpetd, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import sys; print(sys.argv[1:], __name__); sys.exit(3)")
    done = run(limpetd, "--python", str(script), "--config", "x")
    assert done.stdout == "['--config', 'x'] __main__\n" and done.returncode == 3


def test_it_needs_no_loader_and_no_library(limpetd):
    listing = subprocess.run(
        [ARMHF.prefix + "readelf", "--program-headers", "--dynamic", limpetd[-1]],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "INTERP" not in listing and "NEEDED" not in listing


def packed(limpetd):
    """{group: names of its modules} of the file."""
    report = json.loads((Path(limpetd[-1]).parent / linux.PACKED).read_text())
    return {
        group: [sizes.module_name(path) for path in words["modules"]]
        for group, words in report.items()
    }


def test_every_packed_module_is_found_and_runs(limpetd):
    script = """
import sys
sys.path[:] = ['.frozen']
for name in %r:
    __import__(name)
    print(name, sys.modules[name].__file__)
"""
    names = [
        name for names in packed(limpetd).values() for name in names if name != "agent.__main__"
    ]
    done = run(limpetd, "--python", "-X", "heapsize=2m", "-c", script % names)
    assert done.returncode == 0 and len(names) > 80, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == names


def test_an_agent_that_uses_no_part_unpacks_the_core_alone(limpetd, tmp_path):
    script = """
import sys
sys.path[:] = ['.frozen']
from agent import config
from agent.app import Agent
agent = Agent(config.parse(b'{"device": "idle", "mqtt": {"port": 1}}'), None, lambda line: None)
agent.optional.take_up()
agent.step()
print(*sys.modules)
"""
    done = run(limpetd, "--python", "-c", script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    used = set(done.stdout.split())
    assert "agent.mqtt.link" in used
    parts = {
        group: used & set(names) for group, names in packed(limpetd).items() if group != "core"
    }
    assert not any(parts.values()), parts


def test_a_part_can_be_left_off(limpetd, tmp_path):
    less = [*limpetd[:-1], linux.program("armhf", without=("devices",))]
    assert os.path.getsize(less[-1]) < os.path.getsize(limpetd[-1]) - 20_000
    done = run(less, "--self-test")
    assert done.returncode == 0, done.stdout


# Calls of `math` with exact arguments, and how far off the result may be, in its last bit's units.
SMALL_MATH = (
    ("exp(%r)", 2, [(number / 64,) for number in range(-45000, 45000, 997)]),
    ("log(%r)", 2, [(number / 1024,) for number in range(1, 4000, 7)] + [(1e-300,), (7e300,)]),
    # As fractions: a number with a point is read within 10 units.
    ("sin(%d / 7)", 1, [(number,) for number in range(-900, 900, 13)] + [(7000003,), (22,)]),
    ("cos(%d / 7)", 1, [(number,) for number in range(-900, 900, 13)] + [(-7000003,), (11,)]),
    ("tan(%d / 7)", 1, [(number,) for number in range(-900, 900, 13)]),
    ("asin(%d / 512)", 1, [(number,) for number in range(-512, 513, 17)]),
    ("acos(%d / 512)", 1, [(number,) for number in range(-512, 513, 17)]),
    ("pow(10.0, %r)", 10, [(float(number),) for number in range(-300, 309)]),
    ("pow(%r, %r)", 900, [(a / 8, b / 8) for a in range(1, 99, 9) for b in range(-300, 300, 7)]),
)


def test_what_is_smaller_in_math_is_as_exact_as_it_says(limpetd, tmp_path):
    calls = [(call % one, units) for call, units, given in SMALL_MATH for one in given]
    script = tmp_path / "script.py"
    lines = [
        "import struct",
        "from math import *",
        "def show(x): print(struct.pack('>d', x).hex())",
    ]
    script.write_text("\n".join(lines + ["show(%s)" % call for call, _ in calls]))
    done = run(limpetd, "--python", "-X", "heapsize=2m", str(script))
    assert done.returncode == 0, done.stderr
    for (call, units), text in zip(calls, done.stdout.split(), strict=True):
        right = eval(call, vars(math))
        off = abs(struct.unpack(">d", bytes.fromhex(text))[0] - right)
        assert off <= units * math.ulp(right), call


@pytest.mark.parametrize(
    ("call", "right"),
    [("pow(float('-inf'), 3.0)", "-inf"), ("pow(-2.0, -3.0)", "-0.125"),
     ("pow(0.0, 0.0)", "1.0"), ("pow(float('nan'), 0.0)", "1.0"),
     ("pow(0.5, float('inf'))", "0.0"), ("exp(-800.0)", "0.0"), ("exp(float('nan'))", "nan"),
     ("log(float('inf'))", "inf")],
)  # fmt: skip
def test_the_ends_of_exp_log_and_pow_are_those_of_c(limpetd, call, right):
    done = run(limpetd, "--python", "-c", "from math import *; print(%s)" % call)
    assert done.stdout.strip() == right, done


def test_it_comes_online_and_answers(limpetd, broker, caller5, tmp_path):
    device = SimpleNamespace(name="limpetd-armhf")
    config = write_config(tmp_path, device.name, broker.port)
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(
            [*limpetd, "--config", config], cwd=tmp_path, stdout=log, stderr=log
        )
    try:
        caller5.wait_for_state(device, "online")
        assert caller5.call(device, "system.ping")["result"] == {}
        info = caller5.call(device, "system.info")["result"]
        assert info["runtime"]["threads"] == "gil" and info["workers"]["count"] == 1
    finally:
        process.kill()
        process.wait()
        print((tmp_path / "log").read_text(errors="replace"))


def test_the_same_source_gives_the_same_bytes_in_another_folder(limpetd, tmp_path):
    again = tmp_path / "in" / "another" / "folder"
    again.mkdir(parents=True)
    linux.make(ARMHF, False, str(again))
    with open(linux.program("armhf", tls=False), "rb") as first:
        assert (again / linux.NAME).read_bytes() == first.read()

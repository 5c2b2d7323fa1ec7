"""mosquitto's and paho-mqtt's scripted brokers get what they expect from our client.

In the usual run mosquitto's scripts see it on two interpreters, where they would start a client in
C and one in C++, and the rest sees it on one; at full size all see it on every interpreter.
"""

import collections
import concurrent.futures
import fnmatch
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

import listed
import pytest
from provision import Unavailable, peers, runtimes, scripts
from stage import CLIENT, Stage, make_clients

LISTED = listed.read()
SCRIPTS, SEQUENCES, PAHO = (LISTED[name] for name in LISTED)
FULL = os.environ.get("LIMPET_SIZE") == "full"
PAIRS = [("micropython-gil", "cpython")]
SINGLE = ["micropython-gil"]
if FULL:
    PAIRS += [("micropython", "micropython-oldest"), ("micropython-armhf", "micropython-gil")]
    SINGLE = list(runtimes.NAMES)
SHARES = (("PUBLISH",), ("CONNECT", "PUBACK", "FORBIDDEN", "AUTH"), None)  # None: the others
_COLOUR = re.compile(r"\x1b\[[0-9]*m")
_FAILED = re.compile(r"^(.*?) failed: (.*)$")
_GOT = re.compile(r"Receive message .*?\| (b'.*?'|b\".*?\") \| ")
# An end that still had bytes unread when it closed is met as a reset: closed all the same.
_SAID = {
    "Still connected": "stays",
    "connection failed": "closes",
    "[Errno 104] Connection reset by peer": "closes",
}


class Runs:
    """Everything that is run, started at once: their scripts wait more than they work."""

    def __init__(self, folder):
        self._folder = folder
        self._pool = concurrent.futures.ThreadPoolExecutor(8)
        self._started = {}
        for pair in PAIRS:
            self._start("-".join(pair), self._scripts, pair)
        for name in SINGLE:
            self._start("sequences-" + name, self._sequences, name)
            self._start("paho-" + name, self._paho, name)

    def _start(self, key, start, argument):
        folder = self._folder / key
        folder.mkdir()
        try:
            self._started[key] = start(folder, argument)
        except Unavailable as reason:
            self._started[key] = str(reason)

    def __getitem__(self, key):
        """What was started; skips the test where it could not be."""
        started = self._started[key]
        if isinstance(started, str):
            pytest.skip(started)
        return started

    def _scripts(self, folder, pair):
        """({script: Future of (status, output)}, stage)"""
        source = Path(scripts.mosquitto())
        stage = Stage(folder, source, [command(name) for name in pair])
        # Those that wait for a ping first: they take longest.
        names = sorted(SCRIPTS[0], key=lambda name: (not re.search("ping|unexpected", name), name))
        run = {n: self._pool.submit(stage.run, source / "lib" / (n + ".py")) for n in names}
        return run, stage

    def _sequences(self, folder, name):
        """[(Future of (status, output), stage)]: the files of sequences, in shares."""
        source = Path(scripts.mosquitto())
        words = command(name)
        named = [name for share in SHARES if share for name in share]
        others = [p.stem for p in (source / "lib/data").glob("*.json") if p.stem not in named]
        jobs = []
        for number, share in enumerate(SHARES):
            inner = folder / ("share%d" % number)
            copy = copy_sequences(source, inner / "test", share or others)
            stage = Stage(inner, source, (words, words))
            jobs.append((self._pool.submit(stage.run, copy, 3000), stage))
        return jobs

    def _paho(self, folder, name):
        """(Future of what pytest said, path of its report, where faults are kept)"""
        shutil.copytree(scripts.paho(), folder / "tests")
        faults = make_clients(folder / "tests" / "lib" / "clients", command(name))
        return self._pool.submit(run_pahos, folder), folder, faults

    def close(self):
        self._pool.shutdown()


def command(name):
    """What starts our client on an interpreter."""
    return [runtimes.get(name).path, str(CLIENT)]


def run_pahos(folder):
    """What paho's own tests say, of those that are listed as passing."""
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull]
    words += ["--rootdir", str(folder), "--junitxml", str(folder / "report.xml")]
    words += ["tests/lib/%s.py" % name for name in PAHO[0]]
    # Their tests make certificates with the openssl that they find.
    path = os.path.dirname(peers.openssl()) + ":" + os.environ["PATH"]
    environment = dict(os.environ, PYTHONPATH=str(folder), PYTHONDONTWRITEBYTECODE="1", PATH=path)
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, timeout=900
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    made = Runs(tmp_path_factory.mktemp("scripted"))
    yield made
    made.close()


def sources(get):
    """The path of what they need, got from `get`; skips where it cannot be had."""
    try:
        return Path(get())
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("pair", ["-".join(pair) for pair in PAIRS])
@pytest.mark.parametrize("name", SCRIPTS[0])
def test_mosquittos_broker_gets_what_it_expects(runs, name, pair):
    status, output = runs[pair][0][name].result()
    assert status == 0, output


@pytest.mark.parametrize("pair", ["-".join(pair) for pair in PAIRS])
def test_our_client_ends_well_wherever_mosquittos_scripts_pass(runs, pair):
    run, stage = runs[pair]
    concurrent.futures.wait(run.values())
    assert stage.faults.read_text() == ""


def test_every_script_of_mosquittos_is_listed():
    met = [path.stem for path in sources(scripts.mosquitto).glob("lib/[01]*.py")]
    assert sorted(met) == sorted([*SCRIPTS[0], *SCRIPTS[1]])


def test_every_script_of_pahos_is_listed():
    met = [path.stem for path in sources(scripts.paho).glob("lib/test_*.py")]
    assert sorted(met) == sorted([*PAHO[0], *PAHO[1]])


@pytest.mark.parametrize("runtime", SINGLE)
def test_every_sequence_of_packets_ends_as_it_should_or_as_listed(runs, runtime):
    failed, faults, ran = [], [], 0
    for job, stage in runs["sequences-" + runtime]:
        _, output = job.result()
        counted = re.search(r"^(\d+) tests total$", output, re.M)
        assert counted, output
        ran += int(counted[1])
        failed += failures(output)
        faults += stage.faults.read_text().splitlines()
    assert ran == SEQUENCES[3]
    met = collections.Counter(match(SEQUENCES[2], name, does) for name, does in failed)
    assert met == {one: one.count for one in SEQUENCES[2]}
    # Where theirs ends the connection and ours does not, ours ends when its patience does.
    silent = sum(one.count for one in SEQUENCES[2] if one.does == "nothing")
    expected = ["mosquitto/fuzzish: nothing happened", "fuzzish ended with status 1"] * silent
    assert sorted(faults) == sorted(expected)


@pytest.mark.parametrize("runtime", SINGLE)
def test_pahos_broker_gets_what_it_expects(runs, runtime):
    sources(peers.openssl)
    job, folder, faults = runs["paho-" + runtime]
    output = job.result()
    passed = set()
    for case in xml.etree.ElementTree.parse(folder / "report.xml").iter("testcase"):
        assert not len(case), output  # neither failure nor error, nor left out
        passed.add(case.get("classname").rsplit(".", 1)[1])
    assert passed == set(PAHO[0]), output
    assert faults.read_text() == "", output


def copy_sequences(source, target, names):
    """The script that plays the sequences, in a copy that finds those called `names` alone."""
    (target / "lib" / "data").mkdir(parents=True)
    for path in source.glob("m*.py"):
        shutil.copy(path, target)
    for name in ("msg_sequence_test.py", "mosq_test_helper.py"):
        shutil.copy(source / "lib" / name, target / "lib")
    for name in names:
        shutil.copy(source / "lib" / "data" / (name + ".json"), target / "lib" / "data")
    return target / "lib" / "msg_sequence_test.py"


def failures(output):
    """[(name, what ours did)] of the sequences that did not end as their script wants."""
    found = []
    for line in _COLOUR.sub("", output).splitlines():
        failed = _FAILED.match(line)
        if failed:
            got = _GOT.match(failed[2])
            does = _SAID.get(failed[2], failed[2])
            if got:  # bytes, as Python writes them
                data = got[1][2:-1].encode().decode("unicode_escape").encode("latin-1")
                does = data.hex() or "nothing"
            found.append((" ".join(failed[1].split()), does))
    return found


def match(differing, name, does):
    """The Difference that allows this, or what happened."""
    for one in differing:
        if one.does == does and fnmatch.fnmatchcase(name, one.name.replace("[MQTT", "[[]MQTT")):
            return one
    return name, does

"""What the benches read of a process is what that process used, and what they start they end."""

import os
import subprocess
import sys
import types

from benches import driving, processes, rpc
from benches.records import BenchError

BURN = """
import sys, threading, time
def burn():
    end = time.process_time_ns() + 30_000_000
    while time.process_time_ns() < end:
        pass
worker = threading.Thread(target=lambda: (burn(), sys.stdin.read()), daemon=True)
burn()
worker.start()
buffer = bytearray(b"x") * 20_000_000
del buffer
while time.process_time_ns() < 60_000_000:
    time.sleep(0.001)
print(time.process_time_ns(), flush=True)
sys.stdin.read()
"""


def test_cpu_time_of_all_threads_is_counted_and_the_peak_is_kept():
    command = [sys.executable, "-c", BURN]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        own_ns = int(process.stdout.readline())
        usage = processes.read_usage(process.pid)
        memory = processes.read_memory(process.pid)
        process.communicate("")
    # A thread's time is brought up to date at its next switch or tick: 10 ms is beyond both.
    assert usage.cpu_ns > own_ns - 10_000_000
    assert usage.context_switches >= usage.wake_ups > 0
    assert memory.peak_kib > memory.rss_kib + 15_000
    assert 0 < memory.pss_kib <= memory.rss_kib


def test_a_started_process_is_ended_and_its_last_words_are_kept(tmp_path):
    command = [sys.executable, "-c", "print('one'); print('no such broker'); raise SystemExit(3)"]
    with processes.started("toy", command, str(tmp_path)) as running:
        running.process.wait()
        assert running.explain() == "ended with status 3: no such broker"


def test_a_process_that_goes_on_is_ended_with_the_block(tmp_path):
    command = [sys.executable, "-c", "import signal; signal.pause()"]
    with processes.started("toy", command, str(tmp_path)) as running:
        assert running.process.poll() is None
    assert running.process.poll() is not None


def test_rounds_begin_with_another_subject_each_time():
    assert [rpc.rotate(["a", "b", "c"], number) for number in range(4)] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]


def test_an_unknown_subject_is_refused_with_the_ones_there_are():
    try:
        rpc.choose("limpet-cpython,nobody")
    except BenchError as error:
        assert "no such subject: nobody" in str(error)
        assert "libmosquitto" in str(error)
    else:
        raise AssertionError("accepted")


def test_of_the_rounds_of_a_case_the_best_latency_and_rate_count_and_the_median_of_the_rest():
    rounds = ((3.0, 10.0, 7.0, 2.0), (50.0, 200.0, 9.0, 40.0), (4.0, 30.0, 8.0, 3.0))
    runs = [
        {
            "p50_us": p50,
            "p99_us": p99,
            "per_second": rate,
            "count": 2,
            "bytes_in": 6,
            "bytes_out": 4,
            "cpu_us": cpu,
        }
        for p50, p99, rate, cpu in rounds
    ]
    rows = list(rpc.summarise({("inflight=1", "paho"): runs}))
    assert [(row.metric, row.value) for row in rows] == [
        ("p50_us", 3.0),
        ("p99_us", 30.0),
        ("per_second", 9.0),
        ("wire_bytes", 5.0),
        ("cpu_us", 3.0),
    ]


def test_what_a_subject_uses_is_counted_for_each_message(tmp_path):
    driver = tmp_path / "driver"
    driver.write_text("#!/bin/sh\necho '{\"count\": 4}'\n")
    driver.chmod(0o755)
    served = types.SimpleNamespace(host="h", port=1)
    target = driving.Driven("me", served, "call", "reply", "echo")
    load = driving.Load(1, 1)
    assert driving.drive(str(driver), target, load) == {"count": 4}
    figures = driving.drive(str(driver), target._replace(pid=os.getpid()), load)
    assert figures["cpu_us"] > 0 and figures["waits"] > 0  # we waited for the driver at least


def test_a_run_that_went_wrong_leaves_a_reason_and_no_figure(monkeypatch):
    def drive(driver, target, load):
        if target.name == "paho":
            raise driving.Unavailable("the driver: a second reply to request 3")
        return {"p50_us": 1.0}

    monkeypatch.setattr(driving, "drive", drive)
    targets = [driving.Driven(name, None, "", "", "echo") for name in ("paho", "libmosquitto")]
    samples, missing = rpc.measure(
        "", {rpc.USUAL: targets, rpc.NAGLE: [], rpc.PROMISES: []}, 3, 0.1
    )
    assert {subject for _, subject in samples} == {"libmosquitto"}
    assert {(item.subject, item.case) for item in missing} == {
        ("paho", "inflight=1"),
        ("paho", "inflight=20"),
        ("paho", "method=system.echo"),
    }
    assert len(samples["inflight=1", "libmosquitto"]) == 3

"""Fleet against a real broker and a scripted device, true and lying, over good and bad links."""

import contextlib
import queue
import socket
import threading
import time
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from cuttable_proxy import CuttableProxy
from fleet import (
    AddressError,
    BadReply,
    CallError,
    CallTimeout,
    Fleet,
    NotListening,
    Refused,
    Unreachable,
)
from provision import broker as brokers
from scripted_device import LIES, SILENCE, TIMEOUT_S, ScriptedDevice

CERTIFICATE = Path(__file__).with_name("test_broker.pem")
# Lies with the right id and name end their call, with an error; some never reach its topic.
ENDING_LIES = {
    "lie.neither",
    "lie.error_without_code",
    "lie.error_as_text",
    "lie.error_odd_message",
}
UNSEEN_LIES = {"lie.silent", "lie.other_topic"}
RETRY = (0.01, 0.05)
MALFORMED_PUBLISH = b"\x30\x06\x00\x01a\x01\x7f\x00"  # a property that MQTT 5 does not have


@pytest.fixture
def device(broker):
    with ScriptedDevice(broker, "pump-7", LIES) as running:
        yield running


@pytest.fixture
def fleet(broker, device):
    with Fleet(broker.url) as running:
        yield running


@pytest.fixture
def proxy(broker):
    with CuttableProxy(broker) as running:
        yield running


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def caught(kind, function, *arguments, **options):
    with pytest.raises(kind) as info:
        function(*arguments, **options)
    return info.value


def test_a_device_is_listed_with_what_it_says_of_itself(fleet, device):
    assert fleet.protocol == "5"
    found = fleet.devices()["pump-7"]
    assert (found.state, found.status["boot"], found.about) == ("online", 3, device.about)
    assert fleet.device("pump-7") == found
    assert fleet.device("nobody") is None


def test_a_call_brings_the_result(fleet):
    assert fleet.call("pump-7", "system.echo", {"text": "ü\n"}) == {"text": "ü\n"}


def test_the_request_names_its_time_and_its_own_reply_topic(fleet, device):
    fleet.call("pump-7", "system.ping", ttl=30.0, timeout=5)
    request = device.requests.get(timeout=TIMEOUT_S)
    assert request["params"] == {}
    assert request["ttl"] == 30
    assert request["properties"].MessageExpiryInterval == 30
    assert request["reply"].startswith("limpet/reply/")
    assert request["reply"].endswith("/pump-7")


def test_without_a_ttl_the_command_expires_with_its_callers_patience(fleet, device):
    fleet.call("pump-7", "system.ping", timeout=7)
    assert device.requests.get(timeout=TIMEOUT_S)["ttl"] == 7


def test_the_devices_error_is_raised(fleet):
    error = caught(CallError, fleet.call, "pump-7", "nothing.here")
    assert (error.code, error.device, error.method) == ("unknown-method", "pump-7", "nothing.here")


def test_a_fleet_larger_than_a_brokers_queue_is_listed_whole():
    count = 1500  # two retained topics each; mosquitto queues 1,000 messages at QoS 1
    with brokers.start() as broker, ScriptedDevice(broker, "d") as device:
        for number in range(count):
            for kind in ("status", "about"):
                topic = f"limpet/d{number}/{kind}"
                last = device.client.publish(topic, '{"state": "online"}', 1, True)
        last.wait_for_publish(TIMEOUT_S)
        with Fleet(broker.url) as fleet:
            devices = fleet.devices()
    assert len(devices) == count + 1
    assert all(device.status and device.about for device in devices.values())


def test_another_root_is_another_fleet(broker, device):
    with ScriptedDevice(broker, "x1", root="site/a"), Fleet(broker.url, "site/a") as fleet:
        assert list(fleet.devices()) == ["x1"]
        assert fleet.call("x1", "system.ping") == {}


@pytest.mark.parametrize("method", sorted(set(LIES) - {"lie.late"}))
def test_a_lie_is_never_a_result_and_the_next_truth_is(fleet, method):
    call = fleet.submit("pump-7", method)
    # Answers arrive in order: with the truth here, the lie has been judged.
    assert fleet.call("pump-7", "system.echo", {"text": "truth"}) == {"text": "truth"}
    if call.done():
        assert method in ENDING_LIES
        caught((BadReply, CallError), call.result)
    else:
        assert method not in ENDING_LIES
        assert (call.refused is None) == (method in UNSEEN_LIES)


def test_a_timeout_says_what_was_refused(fleet):
    error = caught(CallTimeout, fleet.call, "pump-7", "lie.garbage", timeout=0.3)
    assert "no answer from pump-7 in 0.3 s" in str(error)
    assert "not JSON" in str(error)


def test_a_late_answer_is_refused_and_does_not_answer_the_next_call(fleet):
    caught(CallTimeout, fleet.call, "pump-7", "lie.late", {"seconds": 0.4}, timeout=0.1)
    assert fleet.call("pump-7", "system.echo", {"text": "next"}) == {"text": "next"}
    assert fleet.refused == {"an answer to no call that waits": 1}


def test_a_timeout_names_the_id_and_the_same_id_may_ask_again(fleet, device):
    device.script["once"] = lambda _device, request: request["id"]
    error = caught(CallTimeout, fleet.call, "pump-7", "lie.silent", timeout=0.1)
    assert fleet.call("pump-7", "once", id=error.id) == error.id


def test_answers_in_any_order_find_their_calls(fleet, device):
    held = []

    def hold(device, request):
        held.append(request)
        if len(held) == 5:
            for one in reversed(held):
                device.reply(one, result=one["params"]["n"])
        return SILENCE

    device.script["hold"] = hold
    calls = [fleet.submit("pump-7", "hold", {"n": n}) for n in range(5)]
    assert [call.result() for call in calls] == [0, 1, 2, 3, 4]


def test_call_many_gives_results_and_errors_in_the_order_asked(fleet):
    requests = [
        ("pump-7", "system.echo", {"text": "a"}),
        ("pump-7", "nothing.here", {}),
        ("pump-7", "system.echo", {"text": "b"}),
    ]
    first, second, third = fleet.call_many(requests)
    assert (first, third) == ({"text": "a"}, {"text": "b"})
    assert second.code == "unknown-method"


def test_threads_share_a_fleet_and_each_gets_its_own_answers(fleet):
    wrong = []

    def call(number):
        for step in range(40):
            text = f"{number}.{step}"
            if fleet.call("pump-7", "system.echo", {"text": text}) != {"text": text}:
                wrong.append(text)

    threads = [threading.Thread(target=call, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert fleet.refused == {}


def test_a_name_that_nobody_answers_to_is_said_at_once(fleet):
    error = caught(NotListening, fleet.call, "nobody", "system.ping", timeout=60)
    assert "limpet/nobody/call" in str(error)


@pytest.mark.parametrize("options", [{"timeout": 0}, {"ttl": -1}])
def test_a_time_that_is_none_is_refused(fleet, options):
    caught(ValueError, fleet.call, "pump-7", "system.ping", **options)


def test_what_cannot_be_sent_is_refused_and_nothing_waits(fleet):
    caught(AddressError, fleet.call, "a/b", "x")
    caught(TypeError, fleet.call, "pump-7", "x", {"a": object()})
    caught(ValueError, fleet.call, "pump-7", "x", {"a": float("nan")})
    assert fleet._calls.waiting(0) == []


def test_a_caller_of_mqtt_5_reaches_a_device_of_3_1_1(broker):
    with (
        ScriptedDevice(broker, "old", version=paho.MQTTv311),
        Fleet(broker.url) as fleet,
    ):
        assert fleet.call("old", "system.ping") == {}


def test_a_broker_of_3_1_1_is_spoken_to_in_3_1_1(broker, device):
    with (
        CuttableProxy(broker, refuse_version_5=True) as proxy,
        Fleet(proxy.url, retry=RETRY) as fleet,
    ):
        assert fleet.protocol == "3.1.1"
        assert fleet.call("pump-7", "system.ping") == {}
        assert not hasattr(device.requests.get().get("properties"), "MessageExpiryInterval")
        caught(CallTimeout, fleet.call, "nobody", "system.ping", timeout=0.1)
        proxy.cut()
        assert fleet.call("pump-7", "system.ping") == {}
        assert proxy.connects == [5, 4, 4]


def answer_second_time(device):
    """A command that is silent when it first sees an id, and answers the repetition."""
    seen = set()

    def command(_device, request):
        if request["id"] in seen:
            return "at last"
        seen.add(request["id"])
        return SILENCE

    device.script["second"] = command


def test_a_call_goes_out_again_after_a_break_with_its_id_and_the_rest_of_its_time(device, proxy):
    answer_second_time(device)
    with Fleet(proxy.url, retry=RETRY) as fleet:
        call = fleet.submit("pump-7", "second", timeout=20)
        first = device.requests.get(timeout=TIMEOUT_S)
        proxy.cut()
        assert call.result() == "at last"
    second = device.requests.get(timeout=TIMEOUT_S)
    assert second["id"] == first["id"] == call.id
    assert second["reply"] == first["reply"]
    assert second["ttl"] < first["ttl"] == 20
    assert second["properties"].MessageExpiryInterval <= 20
    assert device.requests.empty()


def test_a_call_whose_time_is_over_is_not_sent_again(device, proxy):
    with Fleet(proxy.url, retry=RETRY) as fleet:
        call = fleet.submit("pump-7", "lie.silent")
        first = device.requests.get(timeout=TIMEOUT_S)
        call.expires = time.monotonic()
        proxy.cut()
        fleet.call("pump-7", "system.ping")
    assert first["method"] == "lie.silent"
    assert device.requests.get(timeout=TIMEOUT_S)["method"] == "system.ping"


def test_a_call_made_while_there_is_no_connection_goes_out_with_the_next(device, proxy):
    noticed = queue.Queue()
    with Fleet(proxy.url, retry=RETRY, notice=noticed.put) as fleet:
        proxy.open = False
        proxy.cut()
        assert noticed.get(timeout=TIMEOUT_S) == f"lost the connection to {proxy.url}"
        assert not fleet.connected
        call = fleet.submit("pump-7", "system.ping")
        proxy.open = True
        assert call.result() == {}
        assert fleet.connected


def test_a_break_is_noticed_with_each_reason_once_and_its_end(device, proxy):
    noticed = queue.Queue()
    with Fleet(proxy.url, retry=(0.001, 0.002), notice=noticed.put):
        proxy.open = False
        proxy.cut()
        assert noticed.get(timeout=TIMEOUT_S) == f"lost the connection to {proxy.url}"
        reasons = {noticed.get(timeout=TIMEOUT_S)}
        proxy.refused.acquire()
        for _ in range(20):
            assert proxy.refused.acquire(timeout=TIMEOUT_S)
        proxy.open = True
        again = f"connected to {proxy.url} again"
        while (text := noticed.get(timeout=TIMEOUT_S)) != again:
            assert text not in reasons
            reasons.add(text)


def test_a_break_that_lasts_is_the_brokers_fault_and_names_the_id(device, proxy):
    with Fleet(proxy.url, retry=RETRY) as fleet:
        call = fleet.submit("pump-7", "lie.silent", timeout=0.5)
        device.requests.get(timeout=TIMEOUT_S)
        proxy.open = False
        proxy.cut()
        error = caught(Unreachable, call.result)
    assert call.id in str(error)


def test_a_malformed_packet_costs_the_connection_and_not_the_call(device, proxy):
    answer_second_time(device)
    with Fleet(proxy.url, retry=RETRY) as fleet:
        call = fleet.submit("pump-7", "second")
        device.requests.get(timeout=TIMEOUT_S)
        proxy.inject(MALFORMED_PUBLISH)
        assert call.result() == "at last"


def test_a_reconnection_forgets_devices_that_the_broker_forgot(broker, proxy):
    with Fleet(proxy.url, retry=RETRY) as fleet, ScriptedDevice(broker, "brief") as brief:
        assert "brief" in fleet.devices()
        proxy.open = False
        proxy.cut()
        brief.say("status", b"")
        brief.say("about", b"")
        changes = fleet.watch()
        proxy.open = True
        change = next(change for change in changes if change.name == "brief" and not change.after)
        assert change.name not in fleet.devices()


def test_watch_tells_of_a_device_whose_link_was_cut(broker):
    with (
        CuttableProxy(broker) as proxy,
        ScriptedDevice(proxy, "far"),
        Fleet(broker.url) as fleet,
    ):
        changes = (change for change in fleet.watch() if change.name == "far")
        first = next(changes)
        assert (first.before, first.after.state, first.after.changed) == (None, "online", None)
        proxy.open = False
        proxy.cut()
        second = next(changes)
        assert (second.before.state, second.after.state) == ("online", "offline")
        assert second.after.changed is not None


def test_nobody_at_the_port_is_said_with_the_address():
    url = f"mqtt://ann:s3cret@127.0.0.1:{free_port()}"
    error = caught(Unreachable, Fleet(url, timeout=5).open)
    assert "nothing listens" in str(error)
    assert "s3cret" not in str(error)


def test_a_host_that_is_none_is_said():
    error = caught(Unreachable, Fleet("mqtt://no-such-host.invalid", timeout=5).open)
    assert "no-such-host.invalid" in str(error)


@contextlib.contextmanager
def server(serve):
    """A listener that hands each connection to `serve`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    serve(listener.accept()[0])

        threading.Thread(target=accept, daemon=True).start()
        yield "mqtt://127.0.0.1:%d" % listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def test_a_port_that_hangs_up_is_no_broker():
    with server(lambda connection: connection.close()) as url:
        error = caught(Unreachable, Fleet(url, timeout=5).open)
    assert "is that an MQTT port" in str(error)


def test_a_port_that_says_nothing_is_given_up():
    held = []
    with server(held.append) as url:
        error = caught(Unreachable, Fleet(url, timeout=0.3).open)
    assert "does not answer within 0.3 s" in str(error)
    assert len(held) == 2  # with MQTT 5 and with 3.1.1
    for connection in held:
        connection.close()


def test_a_broker_that_chokes_on_mqtt_5_is_spoken_to_in_3_1_1(broker, device):
    with (
        CuttableProxy(broker, refuse_version_5="in silence") as proxy,
        Fleet(proxy.url, timeout=1) as fleet,
    ):
        assert fleet.protocol == "3.1.1"
        assert fleet.call("pump-7", "system.ping", timeout=TIMEOUT_S) == {}


def test_a_wrong_password_is_refused_and_not_repeated(tmp_path):
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    lines = ["allow_anonymous false", f"password_file {passwords}"]
    with brokers.start(extra_lines=lines) as strict:
        url = strict.url.replace("mqtt://", "mqtt://ann:s3cret@")
        error = caught(Refused, Fleet(url).open)
    assert "'ann'" in str(error)
    assert "s3cret" not in str(error)


def test_a_call_that_the_broker_does_not_allow_is_refused_at_once(tmp_path):
    rights = tmp_path / "rights"
    rights.write_text("topic read #\ntopic write limpet/reply/#\n")
    with (
        brokers.start(extra_lines=[f"acl_file {rights}"]) as strict,
        Fleet(strict.url) as fleet,
    ):
        error = caught(Refused, fleet.call, "pump-7", "system.ping", timeout=60)
    assert "limpet/pump-7/call" in str(error)


def test_a_broker_that_gives_nothing_back_still_shows_its_devices(tmp_path, monkeypatch):
    monkeypatch.setattr("fleet.client.SETTLE_S", 0.5)
    rights = tmp_path / "rights"
    rights.write_text("topic readwrite limpet/pump-7/#\n")
    with (
        brokers.start(extra_lines=[f"acl_file {rights}"]) as strict,
        ScriptedDevice(strict, "pump-7"),
        Fleet(strict.url) as fleet,
    ):
        assert list(fleet.devices()) == ["pump-7"]


@pytest.fixture(scope="module")
def tls_url():
    port = free_port()
    lines = [f"listener {port} 127.0.0.1", f"certfile {CERTIFICATE}", f"keyfile {CERTIFICATE}"]
    with brokers.start(extra_lines=lines):
        yield f"mqtts://127.0.0.1:{port}"


def test_a_certificate_nobody_vouches_for_is_refused(tls_url):
    error = caught(Unreachable, Fleet(tls_url, timeout=5).open)
    assert "--ca" in str(error)


def test_a_certificate_that_was_named_is_trusted(tls_url):
    with Fleet(tls_url, ca=str(CERTIFICATE)) as fleet:
        assert fleet.devices() == {}


def test_a_certificate_for_another_name_is_refused(tls_url):
    url = tls_url.replace("127.0.0.1", "localhost")
    error = caught(Unreachable, Fleet(url, ca=str(CERTIFICATE), timeout=5).open)
    assert "not trusted" in str(error)


def test_a_file_without_certificates_is_said(tls_url):
    error = caught(Unreachable, Fleet(tls_url, ca=__file__, timeout=5).open)
    assert __file__ in str(error)


def test_tls_to_a_port_without_it_is_said(broker):
    error = caught(Unreachable, Fleet(broker.url.replace("mqtt:", "mqtts:"), timeout=5).open)
    assert "mqtt://" in str(error)


def test_no_tls_to_a_port_with_it_is_said(tls_url):
    error = caught(Unreachable, Fleet(tls_url.replace("mqtts:", "mqtt:"), timeout=5).open)
    assert "mqtts://" in str(error)


def test_closing_ends_the_calls_that_wait(broker, device):
    with Fleet(broker.url) as fleet:
        call = fleet.submit("pump-7", "lie.silent", timeout=60)
    assert "closed" in str(caught(Unreachable, call.result))


def test_a_closed_fleet_leaves_no_thread(broker, device):
    before = set(threading.enumerate())
    with Fleet(broker.url) as fleet:
        fleet.call("pump-7", "system.ping")
        assert set(threading.enumerate()) > before
    assert set(threading.enumerate()) <= before

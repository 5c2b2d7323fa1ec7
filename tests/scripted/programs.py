"""What each client program of mosquitto's and paho's scripted tests does, on our session and link.

One rule: a program is one function of the port (and of what else its script passes), told by the
name that the scripts call it by; where many do the same, it is one function and its values. Names,
topics, payloads and identifiers are the scripts' own. Runs on every interpreter.
"""

import os
import sys

from client import RECEIVE_MAXIMUM_20, Client, Lasting, Unexpected
from mqtt_peer import text

from agent.mqtt.events import Disconnected, Unsubscribed
from agent.mqtt.outbox import Delivered
from agent.mqtt.packets import Will
from agent.mqtt.session import Connected, Subscribed

PROGRAMS = {}
PAYLOAD_FORMAT, CONTENT_TYPE, RESPONSE_TOPIC, CORRELATION_DATA = 1, 3, 8, 9
_MAXIMUM_1000 = b"\x27\x00\x00\x03\xe8" + RECEIVE_MAXIMUM_20
_WILL = Will("will/topic", b"will-payload", 1, True, None)
_WILL_V5 = Will("will/topic", b"will-payload", 1, True, {PAYLOAD_FORMAT: 1})
_SET_WILL = Will("topic/on/unexpected/disconnect", b"will message", 1, True, None)
_OTHER_WILL = Will("will-topic", b"will message", 2, False, None)
_SECRET = {"username": "uname", "password": ";'[08gn=#"}
_OTHER_SECRET = {"username": "oibvvwqw", "password": "#'^2hg9a&nm38*us"}
_UNICODE = {
    "username": "\u00fas\u00e9rn\u00e1m\u00e9-h\u00e9ll\u00f3",
    "password": "h\u00e9ll\u00f3",
}


def program(name, run, *arguments, **options):
    """Enter what `name` does: `run(port, *what the script passes, *arguments, **options)`."""

    def call(port, *passed):
        return run(port, *(passed + arguments), **options)

    PROGRAMS[name] = call


def entered(name, **options):
    """The function that follows is what `name` does."""

    def enter(run):
        program(name, run, **options)
        return run

    return enter


# Those of many names.


def hello(port, name, **options):
    """Connect, say goodbye."""
    client = Client(port, name, **options)
    client.connect()
    client.leave()


def connect(port, name, **options):
    """Connect, and be there until the other side goes."""
    Client(port, name, **options).stay()


def subscribe(port, name, topic, qos, messages=0, **options):
    """Subscribe, take what is wanted, say goodbye."""
    client = Client(port, name, **options)
    client.connect()
    client.link.subscribe(topic, qos)
    client.check(client.until(Subscribed).codes == (qos,), "another QoS was granted")
    for _ in range(messages):
        client.check(client.message().topic == topic, "another topic")
    client.leave()


def unsubscribe(port, name, version=4):
    """Unsubscribe, say goodbye."""
    client = Client(port, name, version, marked=True)
    client.connect()
    client.link.unsubscribe("unsubscribe/test")
    client.until(Unsubscribed)
    client.leave()


def publish(
    port, name, topic, payload, qos=0, retain=False, properties=None, goes=True, **options
):
    """Publish one message; say goodbye when it is delivered."""
    client = Client(port, name, **options)
    client.connect()
    client.link.publish(topic, payload, qos, retain, properties)
    if qos:
        client.until(Delivered)
    if goes:
        client.leave()
    else:
        client.flush()


def persist(port, name, topic, qos, **options):
    """Publish one message over as many connections as it takes."""
    client = Lasting(port, name, **options)
    client.connect()
    packet_id = client.link.publish(topic, b"message", qos)
    client.check(client.until(Delivered).packet_id == packet_id, "another message was delivered")
    client.leave()


def receive(port, name, topic, qos, packet_id, leaves=False, **options):
    """Take one message, which must be as expected; at QoS 2 stay until it is released."""
    client = Client(port, name, **options)
    client.connect()
    message = client.message()
    told = (message.topic, message.payload, message.qos, message.packet_id, message.retain)
    client.check(told == (topic, b"message", qos, packet_id, False), "another: %r" % (told,))
    client.flush()
    if leaves:
        client.released(packet_id)
        client.leave()
    else:
        client.stay()


def fill(port, qos, count):
    """Publish more than the broker takes at a time."""
    client = Client(port, "publish-qos%d-test" % qos, 5)
    client.connect()
    for _ in range(count):
        client.link.publish("topic", b"12345", qos)
    for _ in range(count):
        client.until(Delivered)
    client.leave()


# mosquitto's, section by section.

program("mosquitto/02-unsubscribe-v5", unsubscribe, "unsubscribe-test", 5)

for _name in ("01-con-discon-success", "01-con-discon-will-clear"):
    program("mosquitto/" + _name, hello, _name.replace("-clear", ""))
program(
    "mosquitto/01-con-discon-success-v5",
    hello,
    "01-con-discon-success-v5",
    version=5,
    announced=_MAXIMUM_1000,
)
program("mosquitto/01-con-discon-will", hello, "01-con-discon-will", will=_WILL)
program("mosquitto/01-con-discon-will-v5", hello, "01-con-discon-will", version=5, will=_WILL_V5)
program(
    "mosquitto/01-extended-auth-failure",
    connect,
    "01-extended-auth",
    version=5,
    announced=_MAXIMUM_1000,
)
program("mosquitto/01-keepalive-pingreq", connect, "01-keepalive-pingreq", keep_alive_s=5)
program("mosquitto/01-server-keepalive-pingreq", connect, "01-server-keepalive-pingreq", version=5)
program("mosquitto/01-pre-connect-callback", connect, "01-pre-connect", **_SECRET)
program(
    "mosquitto/03-publish-b2c-qos1-unexpected-puback", connect, "publish-qos1-test", keep_alive_s=5
)
program(
    "mosquitto/03-publish-b2c-qos2-unexpected-pubcomp",
    connect,
    "publish-qos2-test",
    keep_alive_s=5,
)
for _set in ("mosquitto/", "paho/"):
    program(_set + "01-no-clean-session", connect, "01-no-clean-session", clean_start=False)
    program(_set + "01-unpwd-set", connect, "01-unpwd-set", **_SECRET)
    program(_set + "01-will-set", connect, "01-will-set", will=_SET_WILL)
    program(
        _set + "01-will-unpwd-set", connect, "01-will-unpwd-set", will=_OTHER_WILL, **_OTHER_SECRET
    )
    for _qos in (0, 1, 2):
        _name = "subscribe-qos%d-test" % _qos
        program(_set + "02-subscribe-qos%d" % _qos, subscribe, _name, "qos%d/test" % _qos, _qos)
    program(_set + "02-unsubscribe", unsubscribe, "unsubscribe-test")
    program(_set + "03-publish-qos0", publish, "publish-qos0-test", "pub/qos0/test", b"message")
    program(
        _set + "03-publish-qos0-no-payload",
        publish,
        "publish-qos0-test-np",
        "pub/qos0/no-payload/test",
        b"",
    )
    program(
        _set + "04-retain-qos0",
        publish,
        "retain-qos0-test",
        "retain/qos0/test",
        b"retained message",
        0,
        True,
        goes=False,
    )
    program(_set + "03-publish-b2c-qos1", receive, "publish-qos1-test", "pub/qos1/receive", 1, 123)
    program(
        _set + "03-publish-b2c-qos2", receive, "publish-qos2-test", "pub/qos2/receive", 2, 13423
    )
    for _qos in (1, 2):
        program(
            _set + "03-publish-c2b-qos%d-disconnect" % _qos,
            persist,
            "publish-qos%d-test" % _qos,
            "pub/qos%d/test" % _qos,
            _qos,
            clean_start=_set == "mosquitto/",
        )
for _name in ("02-subscribe-qos1-async1", "02-subscribe-qos1-async2"):
    program("mosquitto/" + _name, subscribe, "subscribe-qos1-test", "qos1/test", 1)
for _name in ("simple", "callback"):
    program(
        "mosquitto/02-subscribe-helper-%s-qos2" % _name,
        subscribe,
        "subscribe-qos2-test",
        "qos2/test",
        2,
        1,
    )
program(
    "mosquitto/03-publish-b2c-qos2-len",
    receive,
    "publish-qos2-test",
    "len/qos2/test",
    2,
    56,
    version=5,
    leaves=True,
)
program(
    "mosquitto/03-publish-c2b-qos1-len",
    publish,
    "publish-qos1-test",
    "pub/qos1/test",
    b"message",
    1,
    version=5,
)
for _name, _version in (("03-publish-c2b-qos2-len", 5), ("03-publish-c2b-qos2", 4)):
    program(
        "mosquitto/" + _name,
        publish,
        "publish-qos2-test",
        "pub/qos2/test",
        b"message",
        2,
        version=_version,
    )
program("mosquitto/03-publish-c2b-qos1-receive-maximum", fill, 1, 6)
program("mosquitto/03-publish-c2b-qos2-receive-maximum", fill, 2, 5)
program(
    "mosquitto/11-prop-send-content-type",
    publish,
    "prop-test",
    "prop/qos0",
    b"message",
    0,
    False,
    {CONTENT_TYPE: "application/json"},
    version=5,
)
program(
    "mosquitto/11-prop-send-payload-format",
    publish,
    "prop-test",
    "prop/qos0",
    b"message",
    0,
    False,
    {PAYLOAD_FORMAT: 1},
    version=5,
)


@entered("mosquitto/03-publish-b2c-qos2-unexpected-pubrel")
def unexpected_release(port):
    """A release of what never came is answered; what comes afterwards is taken."""
    client = Client(port, "publish-qos2-test")
    client.connect()
    client.check(client.message().packet_id == 13423, "another message")
    client.check(client.message().topic == "quit", "another end")


@entered("mosquitto/03-publish-c2b-qos2-maximum-qos-0", most=0)
@entered("mosquitto/03-publish-c2b-qos2-maximum-qos-1", most=1)
def maximum_qos(port, most):
    """What the broker takes. Ours brings a higher QoS down instead of refusing the message, so
    only what theirs had sent is published."""
    client = Client(port, "publish-qos2-test", 5)
    client.connect()
    for qos in range(most, -1, -1):
        client.link.publish("maximum/qos/qos%d" % qos, b"message", qos)
    if most:
        client.until(Delivered)
    client.leave()


@entered("mosquitto/03-publish-c2b-qos2-pubrec-error")
def refused_message(port):
    """The broker refuses one message of QoS 2 and takes the next."""
    client = Client(port, "publish-qos2-test", 5)
    client.connect()
    client.link.publish("topic", b"rejected", 2)
    client.link.publish("topic", b"accepted", 2)
    client.check(client.until(Delivered) == Delivered(1, 0x80), "not refused")
    client.check(client.until(Delivered) == Delivered(2, 0), "not taken")


@entered("mosquitto/03-publish-loop")
@entered("mosquitto/03-publish-loop-forever")
@entered("mosquitto/03-publish-loop-manual")
@entered("mosquitto/03-publish-loop-start")
def loop(port):
    """Subscribe, publish, receive. Of their four ways to run a loop ours has one."""
    client = Client(port, "loop-test", 5)
    client.connect()
    client.link.subscribe("loop/test", 0)
    client.until(Subscribed)
    client.link.publish("loop/test", b"message")
    client.message()
    client.leave()


@entered("mosquitto/03-request-response-1", properties=None)
@entered("mosquitto/03-request-response-correlation-1", properties=b"corridor")
def request(port, properties):
    """Ask, with a topic for the answer."""
    client = Client(port, "request-test", 5)
    client.connect()
    client.link.subscribe("response/topic", 0)
    client.until(Subscribed)
    told = {RESPONSE_TOPIC: "response/topic"}
    if properties:
        told[CORRELATION_DATA] = properties
    client.link.publish("request/topic", b"action", 0, False, told)
    client.message()


@entered("mosquitto/03-request-response-2")
def respond(port):
    """Answer to the topic that the question names."""
    client = Client(port, "response-test", 5)
    client.connect()
    client.link.subscribe("request/topic", 0)
    told = client.message().properties
    correlation = told.get(CORRELATION_DATA)
    back = {CORRELATION_DATA: correlation} if correlation else None
    client.link.publish(told[RESPONSE_TOPIC], b"a response", 0, False, back)
    client.flush()


@entered("mosquitto/11-prop-recv")
def properties_received(port, qos):
    """Say ok to a message with the properties that it must have."""
    client = Client(port, "prop-test", 5)
    client.connect()
    message = client.message()
    told = {CONTENT_TYPE: "plain/text", RESPONSE_TOPIC: "msg/123"}
    client.check(message.properties == told and message.qos == int(qos), "not as it should be")
    if message.qos == 2:  # theirs gives it to its owner when it is released
        client.released(message.packet_id)
    client.link.publish("ok", b"ok")
    client.stay()


@entered("mosquitto/11-prop-oversize-packet")
def oversize(port):
    """What is over the broker's maximum is not sent."""
    client = Client(port, "publish-qos0-test", 5)
    client.connect()
    client.check(client.link.publish("pub/test", b"0123456789012345678") is None, "accepted")
    client.link.publish("pub/test", b"012345678901234567")
    client.leave()


# TLS: the files are in the folder that the environment names.


def _tls(ca, certificate=None, name="localhost"):
    """Options of agent/mqtt/tls.py."""
    folder = os.getenv("SSL_FOLDER") + "/"
    own = folder + certificate if certificate else None
    found = {"certificate": own and own + ".crt", "key": own and own + ".key"}
    found.update({"ca": folder + ca + ".crt", "name": name, "verify": True})
    return found


def hello_tls(port, name, ca, certificate):
    """Connect, say goodbye."""
    hello(port, name, tls=_tls(ca, certificate))


def refuse_tls(port, name, ca, certificate, code):
    """No connection comes about, and `code` says why."""
    event = Client(port, name, tls=_tls(ca, certificate)).until(Disconnected)
    if event.code != code:
        raise Unexpected("%s: %s" % (event.code, event.reason))


@entered("mosquitto/08-ssl-connect-san")
def hello_tls_name(port, host):
    """As hello_tls, to a host whose name or address the certificate carries beside its own."""
    hello(port, "08-ssl-connect-san", tls=_tls("test-root-ca", None, host))


for _set, _ca in (("mosquitto/", "test-root-ca"), ("paho/", "all-ca")):
    program(_set + "08-ssl-connect-no-auth", hello_tls, "08-ssl-connect-no-auth", _ca, None)
    program(
        _set + "08-ssl-fake-cacert",
        refuse_tls,
        "08-ssl-fake-cacert",
        "test-fake-root-ca",
        "client",
        "certificate",
    )
    for _name in ("", "-custom-ssl-ctx", "-custom-ssl-ctx-default"):
        _name = _set + "08-ssl-connect-cert-auth" + _name
        program(_name, hello_tls, "08-ssl-connect-crt-auth", _ca, "client")
program("mosquitto/08-ssl-bad-cacert", refuse_tls, "x", "doesnt/exist", None, "tls")


# Their broker waits for ever for what does not come; this much is enough on a busy machine.
_SEQUENCE_MS = 5000

# What libmosquitto's fuzzish.c publishes on MQTT 5: with these properties, in another order.
_FUZZISH = {
    1: 1,
    2: 0xFFFFFFFF,
    3: "text/plain",
    8: "response/topic",
    9: b"7deac5c5-8802-44ff-86ce-11479f337419",
    35: 0xFFFF,
    38: ("key", "value"),
}
_ALIAS = b"\x23\xff\xff"
_RESPONSE = b"\x08" + text("response/topic") + b"\x09\0\x24" + _FUZZISH[9]
_TYPE = b"\x03" + text("text/plain")
_REORDERED = (_TYPE + _RESPONSE + _ALIAS, _ALIAS + _RESPONSE + _TYPE)


@entered("mosquitto/fuzzish")
def fuzzish(port, version, clean, command=None):
    """Connect, do the one thing that is asked for, and take what comes."""
    client = Client(
        port,
        "fuzzish",
        int(version),
        clean_start=clean != "False",
        patience_ms=_SEQUENCE_MS,
        marked=True,
        reordered=_REORDERED,
    )
    if command:
        client.connect()
        what = command.split("-")[0]
        if what == "publish":
            qos = int(command[-1])
            client.link.publish("test/publish", b"message", qos, False, _FUZZISH)
        elif what == "unsubscribe":
            client.link.unsubscribe("test/subscribe")
        else:
            client.check(False, "there is no command " + command)
    client.stay()


# paho's, where it is not the same as above.

program("paho/01-keepalive-pingreq", connect, "01-keepalive-pingreq", keep_alive_s=4)
program("paho/01-unpwd-empty-password-set", connect, "01-unpwd-set", username="uname", password="")
program("paho/01-unpwd-empty-set", connect, "01-unpwd-set", username="", password="")
program("paho/01-unpwd-unicode-set", connect, "01-unpwd-unicode-set", **_UNICODE)
program("paho/01-zero-length-clientid", hello, "")
program(
    "paho/03-publish-helper-qos0", publish, "publish-helper-qos0-test", "pub/qos0/test", b"message"
)
program(
    "paho/03-publish-helper-qos0-v5",
    publish,
    "publish-helper-qos0-test",
    "pub/qos0/test",
    b"message",
    version=5,
    announced=b"",
)
program(
    "paho/03-publish-helper-qos1-disconnect",
    persist,
    "publish-helper-qos1-disconnect-test",
    "pub/qos1/test",
    1,
)


@entered("paho/01-asyncio", topic="asyncio")
@entered("paho/01-decorators", topic="decorators")
def tour(port, topic):
    """Subscribe, unsubscribe, be told, tell. Of ways to be called back ours has none."""
    client = Client(port, topic + "-test")
    client.connect()
    client.link.subscribe("sub-test", 1)
    client.until(Subscribed)
    client.link.unsubscribe("unsub-test")
    client.until(Unsubscribed)
    client.message()
    client.link.publish(topic, b"message", 1)
    client.until(Delivered)
    client.leave()


@entered("paho/01-reconnect-on-failure")
def once_only(port):
    """Publish where the broker accepts, and do not come back: status 42."""
    client = Client(port, "01-reconnect-on-failure")
    while isinstance(client.until(Connected, Disconnected), Connected):
        client.link.publish("reconnect/test", b"message")
    sys.exit(42)

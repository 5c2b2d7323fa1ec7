"""One MQTT connection over paho-mqtt, from CONNECT to its end.

Rule: a connection lives once. It never reconnects and never sends a packet a second time, so
that what is repeated after a break is decided in one place (`client.py`), with what is left of
each call's time. MQTT 5 is tried first, 3.1.1 where the broker does not speak it.
"""

import contextlib
import logging
import math
import secrets
import socket
import ssl
import threading

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from .errors import Refused, Unreachable

KEEP_ALIVE_S = 30
# The broker is told (MQTT 5) and it is checked again here (3.1.1): a device's answer is held in
# memory whole. The largest a device is meant to send is far below it.
MAXIMUM_MESSAGE_BYTES = 4 * 1024 * 1024
PACKET_OVERHEAD_BYTES = 1024
_CLOSED = "closed the connection without an answer"
_log = logging.getLogger("limpet.fleet")


class _UnsupportedVersion(Unreachable):
    """The broker does not speak this version of MQTT, or hung up on its first packet, or says
    nothing to it: one that reads MQTT 5's packet as 3.1.1's may wait for more bytes for ever."""


class _Paho(paho.Client):
    """paho's client, telling when its network thread ends, whatever ended it."""

    ended = None

    def loop_forever(self, *arguments, **named):
        try:
            return super().loop_forever(*arguments, **named)
        except Exception as error:  # noqa: BLE001 - a thread's loop: a malformed packet ends here
            _log.warning("the connection ended: %s: %s", type(error).__name__, error)
            return paho.MQTT_ERR_UNKNOWN
        finally:
            self.ended()


class _Acknowledgements:
    """Pairs packet ids with what the broker says of them, whichever comes first.

    The lock covers the two dicts and is never held while paho is called: paho calls back with
    its own locks held.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._arrived = {}
        self._expected = {}

    def expect(self, packet_id, callback):
        with self._lock:
            if packet_id not in self._arrived:
                self._expected[packet_id] = callback
                return
            answer = self._arrived.pop(packet_id)
        callback(answer)

    def arrive(self, packet_id, answer):
        with self._lock:
            callback = self._expected.pop(packet_id, None)
            if callback is None:
                self._arrived[packet_id] = answer
                return
        callback(answer)


class Connection:
    """Use `connect()`. `on_message(topic, payload, retained)` is called from this connection's
    own thread and must not block. `lost` is set once it has ended, by either side."""

    def __init__(self, address, version, context, on_message):
        self.address = address
        self.version = version
        self._on_message = on_message
        self.lost = threading.Event()
        self._answered = threading.Event()
        self._refusal = None
        self._socket = None
        self._acknowledged = _Acknowledgements()
        self._client = self._make_client(context)

    def _make_client(self, context):
        client = _Paho(
            paho.CallbackAPIVersion.VERSION2,
            client_id="limpet-" + secrets.token_hex(8),
            protocol=self.version,
            reconnect_on_failure=False,
        )
        if self.address.user is not None:
            client.username_pw_set(self.address.user, self.address.password)
        if context is not None:
            client.tls_set_context(context)
        client.ended = self._end
        client.on_connect = self._connected
        client.on_message = self._received
        client.on_socket_open = self._opened
        client.on_subscribe = client.on_publish = self._acknowledgement
        return client

    def open(self, timeout_s, patience_s):
        """Connect in at most `timeout_s`, and wait `patience_s` for the broker's answer. Raises
        Unreachable or Refused."""
        client = self._client
        client.connect_timeout = timeout_s
        options = {}
        if self.version == paho.MQTTv5:
            options["properties"] = _properties(
                PacketTypes.CONNECT,
                MaximumPacketSize=MAXIMUM_MESSAGE_BYTES + PACKET_OVERHEAD_BYTES,
            )
        try:
            client.connect(self.address.host, self.address.port, KEEP_ALIVE_S, **options)
        except (OSError, ValueError) as error:
            raise Unreachable(_connect_failure(self.address, error, timeout_s)) from None
        client.loop_start()
        if not self._answered.wait(patience_s):
            self._answered.set()
            self._refusal = _UnsupportedVersion(
                f"{self.address} accepts connections and does not answer within {timeout_s:g} s: "
                "is that an MQTT port?"
            )
        if self._refusal:
            self.close()
            raise self._refusal

    def subscribe(self, filters, timeout_s):
        """Subscribe to `filters`, a list of (topic filter, QoS), and wait for the broker's answer.

        Raises Refused or Unreachable.
        """
        done = threading.Event()
        codes = []

        def acknowledged(answer):
            codes.extend(answer)
            done.set()

        result, packet_id = self._client.subscribe(filters)
        if result != paho.MQTT_ERR_SUCCESS:
            raise Unreachable(f"lost the connection to {self.address}")
        self._acknowledged.expect(packet_id, acknowledged)
        if not done.wait(timeout_s):
            raise Unreachable(f"{self.address} took no subscription within {timeout_s:g} s")
        for (name, _qos), code in zip(filters, codes, strict=False):
            if code.is_failure:
                raise Refused(
                    f"{self.address} does not let {_who(self.address)} read {name} ({code}): "
                    "give that user the right in the broker's access list"
                )

    def unsubscribe(self, names):
        """Want no more of these topics; what the broker says to it does not matter."""
        self._client.unsubscribe(list(names))

    def publish(self, topic, payload, expiry_s=None, on_acknowledged=None, retain=False):
        """Queue one message at QoS 1; with MQTT 5 the broker drops it after `expiry_s`.

        `on_acknowledged(reason code)` comes from the connection's thread once the broker has it;
        never, if the connection ends first.
        """
        options = {}
        if self.version == paho.MQTTv5 and expiry_s is not None:
            options["properties"] = _properties(
                PacketTypes.PUBLISH, MessageExpiryInterval=max(1, math.ceil(expiry_s))
            )
        packet = self._client.publish(topic, payload, qos=1, retain=retain, **options)
        if packet.rc == paho.MQTT_ERR_SUCCESS:
            self._acknowledged.expect(packet.mid, on_acknowledged or _ignore)

    def close(self):
        """Say goodbye and end the thread. Safe to call twice."""
        self._client.disconnect()
        self._client.loop_stop()

    # From here on: called by paho, in the connection's own thread.

    def _opened(self, _client, _userdata, opened):
        if opened.family in (socket.AF_INET, socket.AF_INET6):
            self._socket = opened
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _acknowledge_at_once(self):
        """Let the kernel acknowledge what was read without waiting for more.

        A broker with Nagle's algorithm on (mosquitto as it comes) holds an answer back until the
        packet before it is acknowledged, which takes 40 ms otherwise. Linux only, and it wears
        off, hence once for each packet.
        """
        option = getattr(socket, "TCP_QUICKACK", None)
        if option is not None and self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, option, 1)

    def _connected(self, _client, _userdata, _flags, code, _properties):
        if code.is_failure:
            self._refusal = _refusal(self.address, str(code))
        self._answered.set()

    def _received(self, _client, _userdata, message):
        self._acknowledge_at_once()
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        try:
            self._on_message(topic, message.payload, message.retain)
        except Exception:  # noqa: BLE001 - one message must not end the connection
            _log.exception("a message on %s was not understood", topic)

    def _acknowledgement(self, _client, _userdata, packet_id, answer, _properties):
        self._acknowledge_at_once()
        self._acknowledged.arrive(packet_id, answer)

    def _end(self):
        if not self._answered.is_set():
            self._refusal = _UnsupportedVersion(
                f"{self.address} {_CLOSED}: is that an MQTT port?"
                + ("" if self.address.tls else " A port for TLS needs mqtts://")
            )
            self._answered.set()
        self.lost.set()


def connect(address, ca, on_message, timeout_s, version=None):
    """An open Connection, with MQTT 5 or else 3.1.1; `version` tries that one alone.

    `ca` is a file of certificates to trust in place of the system's. Raises Unreachable.
    """
    context = _tls_context(ca) if address.tls else None
    candidates = (version,) if version else (paho.MQTTv5, paho.MQTTv311)
    for candidate in candidates:
        connection = Connection(address, candidate, context, on_message)
        try:
            connection.open(timeout_s, timeout_s / len(candidates))
            return connection
        except _UnsupportedVersion as error:
            refusal = error
    raise refusal


def _tls_context(ca):
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise Unreachable(f"the certificates in {ca} cannot be read: {error}") from None


def _ignore(_answer):
    """For a message whose fate the caller learns otherwise."""


def _properties(packet_type, **values):
    properties = Properties(packet_type)
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


def _who(address):
    return f"the user {address.user!r}" if address.user else "a caller without a user name"


def _refusal(address, reason):
    if reason == "Unsupported protocol version":
        return _UnsupportedVersion(f"{address} speaks neither MQTT 5 nor 3.1.1")
    return Refused(
        f"{address} refused {_who(address)}: {reason}. "
        "The user and the password belong into the broker's URL, mqtt://user:password@host"
    )


def _connect_failure(address, error, timeout_s):
    where = f"{address} cannot be reached: "
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"{where}its certificate is not trusted ({error.verify_message}); "
            "name the authority that signed it with --ca FILE"
        )
    if address.tls and isinstance(error, ssl.SSLError | ConnectionResetError):
        return f"{where}TLS failed ({error.strerror or error}); a port without TLS needs mqtt://"
    if isinstance(error, socket.gaierror):
        return f"{where}there is no host of that name ({error.strerror})"
    if isinstance(error, ConnectionRefusedError):
        return f"{where}nothing listens on that port"
    if isinstance(error, TimeoutError):
        return f"{where}no answer within {timeout_s:g} s"
    return f"{where}{getattr(error, 'strerror', None) or error}"

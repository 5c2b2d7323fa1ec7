"""What a broker seldom says: every packet that is not of the usual form, and what it changes.

One rule: what session.py does not know at a glance is read here in full, by the standard, and is
an event, or bytes for the broker, or BadMessage. Loaded with the first such packet. Section
numbers are those of the MQTT 5.0 standard.
"""

from agent.bad_message import BadMessage
from agent.mqtt import fields, packets
from agent.mqtt.events import Ended, Oversized, Unsubscribed
from agent.mqtt.packets import V5, V311
from agent.mqtt.properties import read_properties
from agent.mqtt.session import Subscribed
from agent.mqtt.wire import encode_properties, encode_text

MOST_IDENTIFIER = 268435455  # section 3.8.2.1.2: what a variable byte integer holds

_NO_IDENTIFIERS = 0xA1  # Subscription Identifiers not supported, section 3.9.3

# States of a session, see session.py.
OPENING, OPEN, ENDED = 1, 2, 3


def read(session, first):
    """The event, if any, in the packet in the session's buffer that begins with `first`."""
    if session.state == OPENING:
        return _answer(session, first)
    if first < 0:
        return _too_large(session)
    handler, flags = _HANDLERS.get(first >> 4, (None, 0))
    if handler is None:
        text = "packet type %d, which no broker may send" % (first >> 4)
        raise BadMessage(text, fields.PROTOCOL_ERROR)
    if first & 15 != flags:
        raise BadMessage("wrong flags in packet type %d" % (first >> 4), fields.MALFORMED)
    return handler(session, first >> 4, session.intake)


def _on_puback(session, packet_type, intake):
    ack = packets.decode_ack(session.version, packet_type, intake.view, intake.body, intake.stop)
    session.outbox.acknowledge(*ack)


def _on_qos_2(session, packet_type, intake):
    from agent.mqtt.exactly_once import read

    read(session, packet_type)


def _on_codes(session, packet_type, intake):
    version = session.version
    codes = packets.decode_codes(version, packet_type, intake.view, intake.body, intake.stop)
    if packet_type == packets.SUBACK:
        return session.subscribed(*codes)
    if session.asked.get(codes[0], (None, True))[1]:  # nobody asked, or for something else
        return None
    topic_filter = session.asked.pop(codes[0])[0]
    # After a refusal the broker may still have it; an older answer says nothing of a later ask.
    if codes[1] < 0x80 and session.granted.get(topic_filter) == codes[0]:
        del session.granted[topic_filter]
    return Unsubscribed(codes[0], topic_filter)


def _on_pingresp(session, packet_type, intake):
    raise BadMessage("a PINGRESP with content", fields.MALFORMED)


def _on_disconnect(session, packet_type, intake):
    if session.version == V311:
        raise BadMessage("a DISCONNECT from a broker of MQTT 3.1.1", fields.PROTOCOL_ERROR)
    reason, properties = packets.decode_disconnect(intake.view, intake.body, intake.stop)
    _end(session, reason, _said("the broker ended the connection", reason, properties))


_HANDLERS = {
    packets.PUBACK: (_on_puback, 0),
    packets.PUBREC: (_on_qos_2, 0),
    packets.PUBREL: (_on_qos_2, 2),
    packets.PUBCOMP: (_on_qos_2, 0),
    packets.SUBACK: (_on_codes, 0),
    packets.UNSUBACK: (_on_codes, 0),
    packets.PINGRESP: (_on_pingresp, 0),
    packets.DISCONNECT: (_on_disconnect, 0),
}


def _answer(session, first):
    """What the first packet is if it is no acceptance of MQTT 5: an event, an end, BadMessage."""
    intake = session.intake
    if first < 0 or first >> 4 != packets.CONNACK:
        raise BadMessage("not a CONNACK first", fields.PROTOCOL_ERROR)
    if first & 15:
        raise BadMessage("wrong flags in CONNACK", fields.MALFORMED)
    version = session.version
    present, reason, properties = packets.decode_connack(
        version, intake.view, intake.body, intake.stop
    )
    if reason:
        _end(session, reason, _said("the broker refuses the connection", reason, properties))
        return None
    if present and session.settings.clean_start:
        raise BadMessage("a session where a clean start was asked for", fields.PROTOCOL_ERROR)
    told = properties or {}
    resumes = present
    if version == V311:
        told = {fields.RECEIVE_MAXIMUM: session.settings.send_maximum}
        # MQTT-4.4.0-1 there asks for all to be sent again, whatever the broker says.
        resumes = present or (session.client_id and not session.settings.clean_start)
    return session.begin(present, properties, told, resumes)


def _end(session, reason, text):
    """The connection is over."""
    session.state = ENDED
    session.ended = Ended(reason, text)


def refuse(session, reason):
    """The connection is over for what the broker said, which it is told, or for its silence."""
    if reason == packets.KEEP_ALIVE_TIMEOUT:
        _end(session, reason, "the broker does not answer the ping")
    elif session.state == OPEN and session.version == V5:  # MQTT-3.14.0-1: not before CONNACK
        session.packets.append(packets.encode_disconnect(reason))
    session.state = ENDED


def check_asking(properties, subscribes):
    """A copy of the properties of a SUBSCRIBE or an UNSUBSCRIBE; ValueError unless it may be."""
    copy = {}
    for name, value in properties.items():
        if name == fields.SUBSCRIPTION_ID and subscribes:
            if type(value) is not int or not 0 < value <= MOST_IDENTIFIER:
                text = "not a subscription identifier, 1 to %d: %r"
                raise ValueError(text % (MOST_IDENTIFIER, value))
        elif name != fields.USER_PROPERTY:
            text = "not a property of a%s: %r"
            raise ValueError(text % (" SUBSCRIBE" if subscribes else "n UNSUBSCRIBE", name))
        elif not isinstance(value, list) or not all(map(_is_pair, value)):
            raise ValueError(
                "user properties: expected a list of pairs of text, not %r" % (value,)
            )
        copy[name] = list(value) if isinstance(value, list) else value
    encode_properties(copy)  # which refuses what no text may hold
    return copy


def _is_pair(value):
    return isinstance(value, tuple) and [type(one) for one in value] == [str, str]


def unsubscribe(session, topic_filter, properties):
    """Want a filter no longer, and say so where there is a connection."""
    if properties:
        properties = check_asking(properties, False)
    encode_text(topic_filter)
    session.wanted.pop(topic_filter, None)
    if session.state != OPEN:
        return
    packet_id = session.outbox.take_id(session.asked)
    session.asked[packet_id] = (topic_filter, False)
    session.granted[topic_filter] = packet_id
    version = session.version
    packet = packets.encode_unsubscribe(version, packet_id, topic_filter, properties)
    session.send(packet_id, packet)


def lacks_identifiers(session, packet_id, properties):
    """Whether a filter cannot be asked for, since the broker has no identifiers: then told."""
    lacks = not session.identifiers and fields.SUBSCRIPTION_ID in properties
    if lacks:  # section 3.2.2.3.12: asking would end the connection
        session.events.append(refused(session, packet_id, _NO_IDENTIFIERS))
    return lacks


def refused(session, packet_id, reason=fields.PACKET_TOO_LARGE):
    """The event of a question that may not be put, by what the broker said at the start."""
    topic_filter, subscribed = session.asked.pop(packet_id)
    if subscribed:
        return Subscribed(packet_id, (reason,), topic_filter)
    return Unsubscribed(packet_id, topic_filter)


def _too_large(session):
    """A packet that does not fit the buffer: MQTT 5 forbids it, 3.1.1 could not be told."""
    intake = session.intake
    first = intake.buffer[intake.start]
    if session.version == V5 or first >> 4 != packets.PUBLISH:
        text = "a packet of %d bytes, over the maximum" % intake.size
        raise BadMessage(text, fields.PACKET_TOO_LARGE)
    message = _read_head(session, intake, first)
    if message is None:
        if intake.end - intake.start >= intake.capacity:
            raise BadMessage("a topic longer than the buffer", fields.PACKET_TOO_LARGE)
        return None
    # Let go of it, with all of it that is still to come.
    intake.skip = intake.size - (intake.end - intake.start)
    intake.start = intake.end
    if message.qos and session.inbox.arrive(message):
        session.acknowledge(message)  # or the broker would send it for ever
    return Oversized(intake.size, message.topic)


def _read_head(session, intake, first):
    """A Message without payload, None if more must come; on 3.1.1, so there are no properties."""
    start = intake.body
    view = intake.view
    size = 2
    if start + 2 <= intake.end:
        size = 4 + (view[start] << 8 | view[start + 1])
    if start + size > intake.end:
        return None
    stop = start + size if first & 6 else start + size - 2
    return session.inbox.read(first, view, start, stop)


def read_properties_of(inbox, topic, view, at, stop):
    """The topic, the properties and where these end, of a PUBLISH that has properties."""
    properties, at = read_properties(view, at, stop, packets.PUBLISH)
    if properties and fields.TOPIC_ALIAS in properties:
        topic = _resolve(inbox, topic, properties[fields.TOPIC_ALIAS])
    return topic, properties, at


def _resolve(inbox, topic, alias):
    """The topic that `alias` stands for from now on, section 3.3.2.3.4."""
    if alias > inbox.alias_maximum:
        raise BadMessage("topic alias %d was not offered" % alias, fields.TOPIC_ALIAS_INVALID)
    if inbox.aliases is None:
        inbox.aliases = {}
    if topic:
        inbox.aliases[alias] = topic
    elif alias not in inbox.aliases:
        raise BadMessage("topic alias %d stands for nothing" % alias, fields.PROTOCOL_ERROR)
    return inbox.aliases[alias]


def _said(text, reason, properties):
    """`text` with what the reason code says, and the broker's own words, if it had any."""
    from agent.mqtt import reasons

    words = properties and properties.get(fields.REASON_STRING)
    return "%s: %s%s" % (text, reasons.words(reason), ", it says: %s" % words if words else "")

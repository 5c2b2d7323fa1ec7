"""QoS 2, both ways: what is remembered so that no message comes twice.

One rule: an identifier is remembered from the PUBREC on until the side that gave it has released
it (section 4.3.3 of the MQTT 5.0 standard). Loaded with the first packet of QoS 2.
"""

from agent.bad_message import BadMessage
from agent.mqtt.fields import PROTOCOL_ERROR
from agent.mqtt.packets import (
    FIRST_PUBCOMP,
    FIRST_PUBREC,
    FIRST_PUBREL,
    PACKET_ID_NOT_FOUND,
    PUBCOMP,
    PUBREC,
    PUBREL,
    V5,
    V311,
    decode_ack,
)
from agent.mqtt.wire import encode_ack

# What a keeper must know (keeper.py). Of a message that leaves: the broker has it at QoS 2, so
# that only its release is owed; it is settled. Of one of QoS 2 that came: it is its owner's; the
# broker has released its identifier; it has lost all of these.
RELEASED, DONE, TAKEN, GIVEN, LOST = 2, 3, 4, 5, 6
_FIRST, _STATE, _UNDER_WAY = 0, 4, 2  # of an entry, see outbox.py
_MAX_ID = 0x7FFF  # as in outbox.py: those above are a keeper's


class Recorded:
    """Packet ids of messages that came: their PUBREC is out, and their PUBREL not yet in."""

    def __init__(self):
        self.packet_ids = set()
        self.notes = None  # a list for (kind, packet id) of what a keeper must know, see kept.py

    def _note(self, kind, packet_id):
        if self.notes is not None:
            self.notes.append((kind, packet_id))

    def lose(self):
        """The broker has lost the session, and with it these."""
        if self.packet_ids:
            self.packet_ids = set()
            self._note(LOST, 0)

    def holds(self, packet_id, arrived):
        """Whether the message with this identifier is in `arrived`, or was and is not released.

        Brokers of 3.1.1 may repeat themselves on one connection.
        """
        if packet_id in self.packet_ids:
            return True
        for one in arrived:
            if not isinstance(one, int) and one.packet_id == packet_id and one.qos == 2:
                return True
        return False

    def take(self, packet_id):
        """Its owner has the message."""
        self.packet_ids.add(packet_id)
        self._note(TAKEN, packet_id)

    def repeat(self, packet_id, arrived, output):
        """The message came again: say once more that it has been recorded, if it has."""
        if packet_id in self.packet_ids and FIRST_PUBREC << 16 | packet_id not in arrived:
            output.append(encode_ack(FIRST_PUBREC, packet_id))

    def release(self, packet_id):
        """A PUBREL came; False if no such packet identifier is known."""
        if packet_id not in self.packet_ids:
            return False
        self.packet_ids.remove(packet_id)
        self._note(GIVEN, packet_id)
        return True


def read(session, packet_type):
    """What a PUBREC, PUBREL or PUBCOMP in the session's buffer means to it."""
    intake = session.intake
    version = session.version
    packet_id, reason = decode_ack(version, packet_type, intake.view, intake.body, intake.stop)
    _READERS[packet_type](session, packet_id, reason)


def _under_way(session, packet_id):
    """The entry, None if it is not under way: brokers repeat themselves, which is ignored."""
    entry = session.outbox.entries.get(packet_id)
    return entry if entry and entry[_STATE] == _UNDER_WAY else None


def _free(outbox, packet_id, reason):
    """What was under way is settled; what waits may take its place."""
    outbox.under_way -= 1
    outbox.finish(packet_id, reason)
    outbox.pump()


def _record(session, packet_id, reason):
    """PUBREC, section 3.5: the broker has a message of QoS 2, or refuses it."""
    outbox = session.outbox
    entry = _under_way(session, packet_id)
    if not entry:
        if reason < 0x80:  # MQTT-4.3.3-4: a refusal is not released
            reason = PACKET_ID_NOT_FOUND if session.version == V5 else 0
            session.packets.append(encode_ack(FIRST_PUBREL, packet_id, reason))
        return
    if entry[_FIRST] & 0xF6 == 0x32:
        raise BadMessage("a PUBREC for a message of QoS 1", PROTOCOL_ERROR)
    if reason >= 0x80:
        _free(outbox, packet_id, reason)
        return
    entry[_FIRST] = FIRST_PUBREL
    if packet_id > _MAX_ID:
        outbox.notes.append((RELEASED, packet_id))
    session.packets.append(encode_ack(FIRST_PUBREL, packet_id))


def _release(session, packet_id, reason):
    """PUBREL, section 3.6: the broker will not send that message again."""
    known = session.inbox.recorded().release(packet_id)
    reason = 0 if known or session.version == V311 else PACKET_ID_NOT_FOUND
    session.packets.append(encode_ack(FIRST_PUBCOMP, packet_id, reason))


def _complete(session, packet_id, reason):
    """PUBCOMP, section 3.7: the broker has released the identifier."""
    entry = _under_way(session, packet_id)
    if entry:
        if entry[_FIRST] != FIRST_PUBREL:
            raise BadMessage("a PUBCOMP before the PUBREL", PROTOCOL_ERROR)
        # PACKET_ID_NOT_FOUND is a broker that had finished already: section 4.3.3.
        reason = 0 if reason == PACKET_ID_NOT_FOUND else reason
        _free(session.outbox, packet_id, reason)


_READERS = {PUBREC: _record, PUBREL: _release, PUBCOMP: _complete}

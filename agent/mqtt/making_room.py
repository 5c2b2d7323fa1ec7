"""What becomes of a message that finds no room in the outbox: its own rule says.

One rule: nothing that was sent, and nothing that was not published by DROP_OLDEST, is put out.
Loaded with the first message that has a rule.
"""

# The oldest by the same rule that was never sent makes way; it is refused; it is refused and not
# counted as lost, for its publisher tries again.
DROP_OLDEST, DROP_NEW, BLOCK = "drop-oldest", "drop-new", "block"
BULK = "bulk"  # of a keeper: as DROP_OLDEST, but samples and events do not put out each other

_TOPIC, _PAYLOAD, _STATE = 1, 2, 4  # of an entry, see outbox.py
_NEW = 0
OVERHEAD = 160  # as there


def follow(session, rule, packet_id, message):
    """Where `packet_id` is None `message`, the arguments of Outbox.add, found no room.

    Returns its packet identifier, None if it has none all the same, which is counted.
    """
    if rule == DROP_OLDEST and message[1] & 6:
        packet_id = _insist(session, packet_id, message)
    if packet_id is None:
        if rule == BLOCK:
            session.blocked += 1
        else:
            session.dropped += 1
    return packet_id


def _insist(session, packet_id, message):
    """A message that takes the place of older ones, and gives it up to younger ones."""
    outbox = session.outbox
    if outbox.droppable is None:
        outbox.droppable = set()
    if packet_id is None:
        count = _make_room(outbox, len(message[2]) + len(message[3]) + OVERHEAD)
        if count is None:
            return None
        session.dropped += count
        packet_id = outbox.add(*message)
    outbox.droppable.add(packet_id)
    return packet_id


def _make_room(outbox, size):
    """Drop the oldest that may be dropped, until `size` bytes fit; how many, None if too few.

    Nothing is dropped in vain.
    """
    found = []
    entries = outbox.entries
    room = outbox.outbox_bytes - outbox.size
    for packet_id in entries:
        if room >= size and len(entries) - len(found) < outbox.outbox_messages:
            break
        entry = entries[packet_id]
        if packet_id in outbox.droppable and entry[_STATE] == _NEW:
            found.append(packet_id)
            room += len(entry[_TOPIC]) + len(entry[_PAYLOAD]) + OVERHEAD
    if room < size or len(entries) - len(found) >= outbox.outbox_messages:
        return None
    for packet_id in found:
        del entries[packet_id]
        outbox.droppable.discard(packet_id)
        outbox.waiting.remove(packet_id)
    outbox.size = outbox.outbox_bytes - room
    return len(found)

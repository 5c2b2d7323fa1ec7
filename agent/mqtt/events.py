"""Events of the link that tell of what is not usual; those of every session are in session.py."""

from collections import namedtuple

# A connection, or an attempt at one, is over. `reason` is a sentence; `retry_in_ms` when the next
# attempt will be; `code` a word: name-not-found, refused, unreachable, timeout, lost, certificate,
# tls (TransportError), rejected (by the broker's CONNACK), dismissed (by its DISCONNECT, or its
# silence), bad-message.
Disconnected = namedtuple("Disconnected", ("reason", "retry_in_ms", "code"))
# A message over the size was let through unseen; `topic` is what stood at its head.
Oversized = namedtuple("Oversized", ("size", "topic"))
# The answer to `unsubscribe`.
Unsubscribed = namedtuple("Unsubscribed", ("packet_id", "topic_filter"))
# What Session.ended is once the broker, or its silence, has ended the connection: an MQTT 5 reason
# code and a sentence.
Ended = namedtuple("Ended", ("reason", "text"))

"""SNTP (RFC 4330): a question to a time server, and what its answer says, if it can be believed.

One rule: the question carries 64 random bits where its own time would stand, and only what repeats
them is an answer; so who cannot see the question cannot give one. The protocol has no signature:
who sits on the way can lie, and whoever cannot allow that does not configure it. Pure.
"""

from struct import pack, unpack_from

from agent.bad_message import BadMessage

PACKET_BYTES = 48
_ASK = 0x23  # version 4, mode 3: a client
_SERVER = 4
_FROM_1970_S = 2208988800  # NTP counts from 1900
_ERA_S = 1 << 32  # and starts anew in February 2036
_MOST_ROOT_S = 16  # of delay or dispersion: a server that is further from the truth knows nothing


def make_request(nonce):
    """The packet to send; `nonce` is eight random bytes."""
    return pack(">B39x", _ASK) + nonce


def read_answer(data, nonce, least_unix_s):
    """The server's time when it answered, in ms since 1970. Raises BadMessage.

    No time before `least_unix_s` is believed; it also tells the era apart.
    """
    if len(data) < PACKET_BYTES:
        raise BadMessage("an answer of %d bytes" % len(data))
    if data[24:32] != nonce:
        raise BadMessage("an answer to another question")
    if data[0] & 7 != _SERVER or data[0] >> 3 & 7 not in (3, 4):
        raise BadMessage("not a server's answer")
    if not data[1]:
        raise BadMessage("the server refuses: %r" % bytes(data[12:16]))
    if data[0] >> 6 == 3 or data[1] > 15:
        raise BadMessage("the server does not know the time")
    delay, dispersion = unpack_from(">II", data, 4)
    if (delay >> 16) + (dispersion >> 16) >= _MOST_ROOT_S:
        raise BadMessage("the server is too far from the truth")
    seconds, fraction = unpack_from(">II", data, 40)
    if not seconds and not fraction:
        raise BadMessage("an answer without a time")
    unix_s = seconds - _FROM_1970_S
    while unix_s < least_unix_s and unix_s < _ERA_S:
        unix_s += _ERA_S
    if unix_s >= least_unix_s + _ERA_S // 2:
        raise BadMessage("a time before this program was written")
    return unix_s * 1000 + (fraction * 1000 >> 32)

"""Requests and responses: bytes in, a record out, and back.

A request is one JSON object (design: JSON-RPC 2.0's `id`, `method`, `params`, plus `ttl`, `reply`,
`deadline`). It is checked whole, once, here; everything behind this file sees records only. The
one rule: whoever can be answered is answered, so the address is read before anything is judged.

Pure: knows no clock, socket or thread; time comes as an argument, in ms.
"""

import json
from collections import namedtuple

from agent import schema
from agent.errors import (
    BadRequest,
    ClockUnknown,
    Expired,
    LimpetError,
    ReplyRefused,
    TooLarge,
)
from agent.strict_json import UNWRITABLE

# Where an answer goes: `id` and `correlation` are echoed; each may be None. `topic` None: the
# caller wants no answer. `key`: name of the key that seals it, "" for none.
Address = namedtuple("Address", ("id", "topic", "correlation", "key"))
NOWHERE = Address(None, None, None, "")

# A request that may run: `expires` is an int of the device's monotonic clock, in ms; `dead_at` is
# when its deadline or the broker will have refused every copy, None where neither counts its age.
# `reply_within_ms`: after which it becomes a job; `timeout_ms`: how long it may run, or None.
Request = namedtuple(
    "Request",
    ("address", "method", "params", "expires", "dead_at", "reply_within_ms", "timeout_ms"),
)

# What the device knows of time when a request arrives: monotonic ms, the boot's nonce, and the
# wall clock as (ms since 1970, quality).
Moment = namedtuple("Moment", ("now", "nonce", "wall"))

DEFAULT_TTL_S = 60  # long enough for a slow link, short enough that nobody has forgotten the call
REPLY_WITHIN_MS = 2000  # a person waits so long without wondering
MAX_REPLY_WITHIN_S = 3600
MAX_TIMEOUT_S = 30 * 86400
MAX_TTL_S = 86400  # a journal must remember ids for as long as their requests are accepted
LEAST_ID = 11  # characters: 64 random bits in base64 without padding
MOST_ID = 64  # an id is kept in the journal, so it must not be a way to fill it
MOST_METHOD = 64  # characters
MAX_REPLY_TOPIC = 128  # characters; held with each request under way

# Beyond any device's life; above them lies a float that is no int (1e308 ended an agent).
MAX_UPTIME_MS = 1 << 48
MAX_TIME_S = 1 << 40

_DEADLINE = (
    schema.text("nonce", None, low=1, high=64),
    schema.number("uptime_ms", None, low=0, high=MAX_UPTIME_MS, unit="ms"),
    schema.number("time", None, low=0, high=MAX_TIME_S, unit="s", about="seconds since 1970"),
)

# Of a call to many, its answers come within this time, each device's by chance.
DEFAULT_SPREAD_S = 1
SPREAD = schema.number("spread", DEFAULT_SPREAD_S, low=0, high=600, unit="s")

FIELDS = (
    schema.text("method", low=1, high=MOST_METHOD),
    schema.text("id", None, low=LEAST_ID, high=MOST_ID),
    schema.number("ttl", DEFAULT_TTL_S, low=0, high=MAX_TTL_S, unit="s"),
    schema.text("reply", None, low=1, high=MAX_REPLY_TOPIC),
    schema.structure("deadline", _DEADLINE, None),
    schema.number(
        "reply_within",
        REPLY_WITHIN_MS / 1000,
        low=0,
        high=MAX_REPLY_WITHIN_S,
        unit="s",
        about="what runs longer is answered with the name of its job",
    ),
    schema.number(
        "timeout", None, low=0.001, high=MAX_TIMEOUT_S, unit="s", about="how long it may run"
    ),
)


def read_address(document, response_topic, correlation, prefix, key):
    """Where the answer to `document` goes.

    `response_topic` and `correlation` are the MQTT 5 properties or None; `prefix` is what every
    reply topic begins with, `key` is the name of the caller's key. A member that is wrong counts
    as absent here, `parse_request` names it. Raises ReplyRefused.
    """
    topic = document.get("reply") if response_topic is None else response_topic
    if topic is not None and (topic != _GOOD_TOPIC[0] or not topic.startswith(prefix)):
        _check_reply_topic(topic, prefix)
    identity = document.get("id")
    if not isinstance(identity, str) or len(identity) > MOST_ID or not is_ascii(identity):
        identity = None
    return Address(identity, topic, correlation, key)


_NUMBERS = (int, float)
_GOOD_TOPIC = [None]  # the last reply topic found right: most callers keep to theirs


def _check_reply_topic(topic, prefix):
    if (
        not isinstance(topic, str)
        or len(topic) > MAX_REPLY_TOPIC
        or not topic.startswith(prefix)
        or len(topic) == len(prefix)
        or any([c < " " or c > "~" or c in "+#" for c in topic])
    ):
        # A control or non-ASCII character may end the connection at the broker (MQTT 5, section
        # 1.5.4), at each attempt to answer.
        words = (prefix, MAX_REPLY_TOPIC)
        raise ReplyRefused("reply: a topic under %s of at most %d ASCII characters" % words)
    _GOOD_TOPIC[0] = topic


def is_ascii(text):
    """Whether every character of `text` is one of ASCII: a lone surrogate cannot be encoded."""
    try:
        return len(text.encode()) == len(text)
    except UnicodeError:
        return False


def parse_request(document, address, moment, message_expiry_s=None):
    """The record of a request that may run. Raises BadRequest, Expired or ClockUnknown.

    `message_expiry_s` is what the broker left of the MQTT 5 Message Expiry Interval: the time that
    the request spent queued there is gone from it already.
    """
    method = document.get("method")
    params = document.get("params")
    ttl_s = document.get("ttl", DEFAULT_TTL_S)
    identity = document.get("id")
    reply = document.get("reply")
    is_rare = "deadline" in document or "reply_within" in document or "timeout" in document
    # The members are declared in FIELDS; a look at each is enough where they are right. Of `id`
    # and `reply` the address holds what `read_address` found right.
    if (
        is_rare
        or type(method) is not str
        or not 1 <= len(method) <= MOST_METHOD
        or type(ttl_s) not in _NUMBERS
        or not 0 <= ttl_s <= MAX_TTL_S
        or identity != address.id
        or (identity is not None and len(identity) < LEAST_ID)
        or (reply is not None and reply != address.topic)
    ):
        _check_members(document)
    if params is None:
        params = {}
    elif type(params) is not dict:
        raise BadRequest("params: expected an object; parameters go by name")
    if identity is not None and address.id is None:
        raise BadRequest("id: expected ASCII characters only")
    now = moment.now
    dead_at = None
    expires = now + int(ttl_s * 1000)
    if message_expiry_s is not None:
        dead_at = now + message_expiry_s * 1000
        expires = min(expires, dead_at)
    if is_rare and document.get("deadline") is not None:
        deadline = _deadline(document["deadline"], moment)
        dead_at = deadline if dead_at is None else min(dead_at, deadline)
        expires = min(expires, deadline)
    if expires <= now:
        raise Expired("the request's time had passed when it arrived")
    reply_ms, timeout_ms = REPLY_WITHIN_MS, None
    if is_rare:
        reply_ms = int(document.get("reply_within", REPLY_WITHIN_MS / 1000) * 1000)
        timeout_ms = document.get("timeout")
        timeout_ms = None if timeout_ms is None else int(timeout_ms * 1000)
    return Request(address, method, params, expires, dead_at, reply_ms, timeout_ms)


def _check_members(document):
    """Raise BadRequest with the path of the first wrong member, if there is one."""
    for field in FIELDS:
        if field.name in document or field.required:
            value = {field.name: document[field.name]} if field.name in document else {}
            schema.check((field,), value, BadRequest)


def _deadline(deadline, moment):
    """The deadline in the device's monotonic time, in ms."""
    if deadline.get("time") is not None:
        unix_ms, quality = moment.wall
        if quality != "synced":
            raise ClockUnknown("deadline.time: this device's clock is %s" % quality)
        return moment.now + int(deadline["time"] * 1000) - unix_ms
    if deadline.get("nonce") is None or deadline.get("uptime_ms") is None:
        raise BadRequest("deadline: expected nonce and uptime_ms, or time")
    if deadline["nonce"] != moment.nonce:
        raise Expired("deadline: given in the time of another boot", {"nonce": moment.nonce})
    return int(deadline["uptime_ms"])


def encode_result(address, device, now, result, limit):
    """The bytes of a response with a result. Raises TooLarge over `limit` bytes."""
    return _encode(address, device, now, "result", result, limit)


def encode_error(address, device, now, error, limit):
    """The bytes of a response with an error of the family; without data that cannot be sent."""
    words = {"code": error.code, "message": error.message}
    if error.data is not None:
        words["data"] = error.data
    try:
        return _encode(address, device, now, "error", words, limit)
    except LimpetError:
        short = {"code": error.code, "message": error.message[:100]}
        return _encode(address, device, now, "error", short, limit)


def _encode(address, device, now, name, value, limit):
    try:
        text = json.dumps(value)
    except UNWRITABLE as error:
        raise LimpetError("the result cannot be written as JSON: %s" % error)
    identity = "" if address.id is None else '"id":%s,' % json.dumps(address.id)
    # The name of a device has no character that JSON would escape.
    text = '{%s"device":"%s","uptime_ms":%d,"%s":%s}' % (identity, device, now, name, text)
    data = text.encode()
    if len(data) > limit:
        raise TooLarge("the response has %d bytes; the link takes %d" % (len(data), limit))
    return data

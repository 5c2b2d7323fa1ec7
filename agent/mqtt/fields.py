"""Names of MQTT 5's properties and reason codes, for whoever reads or writes them.

One rule: numbers only. Section numbers are those of the MQTT 5.0 standard. The modules that every
session needs have the few that they use as constants of their own, which cost no memory.
"""

# Reason codes, section 2.4: what this side says of the other's bytes.
MALFORMED = 0x81
PROTOCOL_ERROR = 0x82
RECEIVE_MAXIMUM_EXCEEDED = 0x93
TOPIC_ALIAS_INVALID = 0x94
PACKET_TOO_LARGE = 0x95

# Property identifiers, section 2.2.2.2, of those that this client or its owners read or write.
PAYLOAD_FORMAT = 1
MESSAGE_EXPIRY = 2
CONTENT_TYPE = 3
RESPONSE_TOPIC = 8
CORRELATION_DATA = 9
SUBSCRIPTION_ID = 11
SESSION_EXPIRY = 17
ASSIGNED_CLIENT_ID = 18
SERVER_KEEP_ALIVE = 19
WILL_DELAY = 24
REASON_STRING = 31
RECEIVE_MAXIMUM = 33
TOPIC_ALIAS_MAXIMUM = 34
TOPIC_ALIAS = 35
MAXIMUM_QOS = 36
RETAIN_AVAILABLE = 37
USER_PROPERTY = 38
MAXIMUM_PACKET_SIZE = 39

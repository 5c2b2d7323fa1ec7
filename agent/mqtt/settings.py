"""What a session is made with, and the CONNECT that says it to a broker.

One rule: plain values, set once. What changes while running lies in session.py.
"""

from struct import pack

from agent.mqtt.wire import encode_binary, encode_packet, encode_properties, encode_text


class Settings:
    """Each argument is an attribute of the same name.

    `password` is bytes or text. `keep_alive_s` 0 is none. `clean_start` forgets the broker's
    session at each connection; `session_expiry_s` is how long it keeps one (MQTT 5; 3.1.1 keeps it
    for good). `receive_maximum` is how many messages of QoS 1 and 2 may be with their owner at a
    time (MQTT 5; inbox.py says what becomes of more), `maximum_packet_bytes` the size of the
    receive buffer (128 at least), `outbox_messages` and `outbox_bytes` the bound of what the
    broker has not acknowledged yet. `send_maximum` is how
    many of these are under way at a time on 3.1.1, where a broker cannot tell its Receive Maximum:
    mosquitto drops messages of QoS 2 over its own limit, 20 unless configured, without a word.
    """

    def __init__(
        self,
        client_id="",
        username=None,
        password=None,
        keep_alive_s=60,
        clean_start=False,
        session_expiry_s=3600,
        receive_maximum=16,
        maximum_packet_bytes=4096,
        topic_alias_maximum=0,
        send_maximum=20,
        outbox_messages=64,
        outbox_bytes=65536,
        version=5,
    ):
        self.client_id = client_id
        self.username = username
        self.password = password.encode() if isinstance(password, str) else password
        self.keep_alive_s = keep_alive_s
        self.clean_start = clean_start
        self.session_expiry_s = session_expiry_s
        self.receive_maximum = receive_maximum
        self.maximum_packet_bytes = maximum_packet_bytes
        self.topic_alias_maximum = topic_alias_maximum
        self.send_maximum = send_maximum
        self.outbox_messages = outbox_messages
        self.outbox_bytes = outbox_bytes
        self.version = version

    def connect_packet(self, version, client_id, will):
        """CONNECT, section 3.1; `client_id` may be one that the broker assigned earlier."""
        parts = [b"", encode_text(client_id)]
        # 3.1.1 lets only a clean session be without a name (MQTT-3.1.3-7 there).
        flags = 2 if self.clean_start or (version == 4 and not client_id) else 0
        if will:
            flags |= 4 | will.qos << 3 | (32 if will.retain else 0)
            if version == 5:
                parts.append(encode_properties(will.properties))
            parts += encode_text(will.topic), encode_binary(will.payload)
        if self.username is not None:
            flags |= 128
            parts.append(encode_text(self.username))
        if self.password is not None:
            flags |= 64
            parts.append(encode_binary(self.password))
        parts[0] = pack(">H4sBBH", 4, b"MQTT", version, flags, self.keep_alive_s)
        if version == 5:
            # Session Expiry Interval, Receive Maximum, Topic Alias Maximum, Maximum Packet Size.
            parts[0] += pack(
                ">BBIBHBHBI",
                16,
                17,
                self.session_expiry_s,
                33,
                self.receive_maximum,
                34,
                self.topic_alias_maximum,
                39,
                self.maximum_packet_bytes,
            )
        return encode_packet(0x10, *parts)

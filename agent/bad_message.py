"""Bytes that a protocol forbids: of the family of errors (errors.py), and alone for the link."""

from agent import LimpetError


class BadMessage(LimpetError):
    """Bytes from a peer that its protocol forbids.

    `reason` is the MQTT 5 reason code (section 2.4) that a packet's sender is told; 0 elsewhere.
    """

    code = "bad-message"

    def __init__(self, message, reason=0):
        super().__init__(message)
        self.reason = reason

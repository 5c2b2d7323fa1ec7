"""How a connection fails: loaded when one does."""

from errno import ECONNREFUSED, ETIMEDOUT

from agent import LimpetError

_CODES = {ECONNREFUSED: "refused", ETIMEDOUT: "timeout"}


class TransportError(LimpetError):
    """`code` is name-not-found, refused, unreachable, timeout, lost, certificate, tls.

    Or dismissed, of a connection that the broker, or its silence, has ended.
    """

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def attempts(brokers, version, backoff):
    """What decides on the attempts after this one; without a `backoff` the usual one."""
    from agent.mqtt.attempts import Attempts

    if backoff is None:
        from interpreter import random_bytes

        from agent.mqtt.backoff import Backoff

        backoff = Backoff(random_bytes)
    return Attempts(brokers, version, backoff)


def fail(name, error, otherwise):
    """Raise what the OSError `error` of the transport `name` means."""
    code = _CODES.get(error.args[0], otherwise)
    raise TransportError(code, "%s: %s (%s)" % (name, code, error))

"""The one family of errors.

Every error that can reach a caller carries a `code`, a word for the wire that does not change once
published, and may carry `data`, which must be JSON. The message is for a person: it names what was
wrong and what would be right. Nothing here does any I/O, or imports what is not there already: an
import deep down has little stack left on 32 bits. So BadMessage, of the same family, stands in
bad_message.py.
"""

from agent import LimpetError


class BadConfig(LimpetError):
    """A configuration that cannot be used; the message begins with the path of the member."""

    code = "bad-config"


class BadJson(LimpetError):
    """A payload that is not one JSON object in UTF-8."""

    code = "bad-json"


class BadRequest(LimpetError):
    """A request whose own members are wrong: id, method, ttl, reply, deadline."""

    code = "bad-request"


class BadParams(LimpetError):
    """Parameters that the command's declaration does not allow."""

    code = "bad-params"


class UnknownMethod(LimpetError):
    """No command has this name here."""

    code = "unknown-method"


class IdRequired(LimpetError):
    """A command that must not run twice was asked for without an `id`."""

    code = "id-required"


class IdReused(LimpetError):
    """The id was used before, for a request with another content."""

    code = "id-reused"


class Interrupted(LimpetError):
    """The device restarted while the command ran: it may have taken effect, in part or in full."""

    code = "interrupted"


class ResultNotKept(LimpetError):
    """The command ran to its end, which was answered then; the answer was not kept."""

    code = "result-not-kept"


class ReplyRefused(LimpetError):
    """The reply topic lies outside `<root>/reply/`; nobody is answered."""

    code = "reply-refused"


class Expired(LimpetError):
    """The request's time to live had passed before the command could start."""

    code = "expired"


class ClockUnknown(LimpetError):
    """The request's deadline names a clock that this device cannot judge."""

    code = "clock-unknown"


class Busy(LimpetError):
    """No room for another request now; nothing was started."""

    code = "busy"


class TooLarge(LimpetError):
    """A request or a reply over the size that the device can hold."""

    code = "too-large"


class Retained(LimpetError):
    """A call kept by the broker: it may be of any age, so it is never run."""

    code = "retained"


class Unavailable(LimpetError):
    """The device lacks what was asked for; the message holds every reason."""

    code = "unavailable"


class CommandFailed(LimpetError):
    """The command's own code raised; `data` may hold the traceback."""

    code = "failed"


class Cancelled(LimpetError):
    """It was asked to end before its end, and did; `data` may hold what it came to."""

    code = "cancelled"


class TimedOut(LimpetError):
    """It ran longer than it may, and was ended."""

    code = "timeout"

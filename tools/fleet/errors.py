"""What can go wrong between a caller and a device, a class for each remedy.

Rule: the text of every error names the cause and what to do, and never holds a password.
It does not decide about exit statuses; the command line does (`cli/explain.py`).
"""


class FleetError(Exception):
    """The family: whatever this library raises about brokers and devices."""


class AddressError(FleetError):
    """The broker's URL, the root topic or a device's name is not well formed."""


class KeyFileError(FleetError):
    """The caller's key cannot be read, written or used."""


class Unreachable(FleetError):
    """There is no connection to the broker: no such host, nobody listens, TLS fails, line lost."""


class Refused(Unreachable):
    """The broker is there and says no: user or password, or a topic it does not allow."""


class NoAnswer(FleetError):
    """The broker took the request and no answer came.

    `device`, `method` and `id` are those of the call: asking again with the same `id` does not
    run the command twice, and brings the stored answer if it has run meanwhile.
    """

    def __init__(self, text, device, method, id):
        super().__init__(text)
        self.device = device
        self.method = method
        self.id = id


class CallTimeout(NoAnswer):
    """No answer came within the caller's time. The command may have run, or run yet."""


class NotListening(NoAnswer):
    """The broker says that nobody is subscribed to the device's call topic: nothing will run."""


class BadReply(FleetError):
    """The answer has the right id and device, and neither a result nor a well-formed error."""


class CallError(FleetError):
    """The device answered with an error.

    `code` is a word (`unknown-method`, `bad-params`, `busy`...), `message` a sentence for a
    person, `data` whatever the device adds, or None.
    """

    def __init__(self, code, message, data=None, device=None, method=None):
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message
        self.data = data
        self.device = device
        self.method = method


class FileError(FleetError):
    """A copy that cannot be made as asked, or that turned out wrong."""

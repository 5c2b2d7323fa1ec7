"""From a request's bytes to the bytes of its response.

The one rule: every request gets exactly one response at its address, if it has one, whatever is
wrong with it, and nothing else suffers. Knows no MQTT: what arrives is an Incoming, what leaves
goes through `answer`. Owner: the main thread.
"""

from collections import namedtuple

from agent.commands.executor import Task
from agent.commands.message import (
    NOWHERE,
    Moment,
    encode_error,
    encode_result,
    parse_request,
    read_address,
)
from agent.errors import Busy, IdRequired, LimpetError, Retained
from agent.strict_json import parse_object

# payload         bytes
# retained        True if the broker kept it
# response_topic  and correlation: MQTT 5's, or None
# expiry_s        what MQTT 5 left of the message's life, or None
Incoming = namedtuple(
    "Incoming", ("payload", "retained", "response_topic", "correlation", "expiry_s")
)


class Service:
    """Answers requests with the commands of a registry.

    `identity` is (device id, boot nonce); `prefix` begins every reply topic; `limit` is the
    largest response in bytes; `answer(topic, payload, correlation, keep)` sends one, `keep` False
    if it is better lost than waited for.
    """

    def __init__(self, registry, executor, clock, identity, prefix, limit, answer):
        self._registry = registry
        self._executor = executor
        self._clock = clock
        self._device, self._nonce = identity
        self._prefix = prefix
        self._limit = limit
        self._answer = answer
        self.answered = 0
        self.declined = 0  # requests answered `busy` because the link could take no more responses
        self.failed = 0  # responses that were errors
        self.unanswerable = 0  # errors with no usable address, or none that fits the link

    def accept(self, incoming):
        """Take responsibility for a request: run it, queue it, or answer its error."""
        address = NOWHERE
        try:
            if incoming.response_topic is not None:
                address = self._address({}, incoming)  # so that even no JSON gets its answer
            document = parse_object(incoming.payload)
            address = self._address(document, incoming)
            self._dispatch(self._request(document, address, incoming))
        except LimpetError as error:
            self._answer_error(address, error)

    def decline(self, incoming):
        """Answer `busy` and run nothing: the response may be lost, since it waits for nothing."""
        try:
            if incoming.response_topic is None:
                address = self._address(parse_object(incoming.payload), incoming)
            else:
                address = self._address({}, incoming)
        except LimpetError:
            address = NOWHERE
        self.declined += 1
        self._answer_error(address, Busy("too many calls at once; ask again later"), False)

    def _request(self, document, address, incoming):
        if incoming.retained:
            raise Retained("a retained call is never run: publish it without the retain flag")
        wall = self._clock.wall() if document.get("deadline") else None
        moment = Moment(self._clock.now(), self._nonce, wall)
        return parse_request(document, address, moment, incoming.expiry_s)

    def _address(self, document, incoming):
        return read_address(document, incoming.response_topic, incoming.correlation, self._prefix)

    def _dispatch(self, request):
        command = self._registry.find(request.method)
        if command.repeat != "repeat" and request.address.id is None:
            raise IdRequired("%s may take effect only once: give the request an id" % command.name)
        task = Task(request, command, self._registry.checked_params(command, request.params))
        if command.inline:
            self._respond(self._executor.run(task))
        else:
            self._executor.submit(task)

    def step(self):
        """Answer what has finished; returns True while something waits for this thread."""
        outcome = self._executor.finished()
        while outcome is not None:
            self._respond(outcome)
            if self._executor.has_work():
                return True  # the link gets its turn between any two tasks
            outcome = self._executor.finished()
        return False

    def _respond(self, outcome):
        address = outcome.task.request.address
        if outcome.error is not None:
            self._answer_error(address, outcome.error)
            return
        if address.topic is None:
            return
        try:
            payload = encode_result(
                address, self._device, self._clock.now(), outcome.result, self._limit
            )
        except LimpetError as error:
            self._answer_error(address, error)
            return
        self.answered += 1
        self._answer(address.topic, payload, address.correlation, True)

    def _answer_error(self, address, error, keep=True):
        if address.topic is None:
            self.unanswerable += 1
            return
        now = self._clock.now()
        try:
            payload = encode_error(address, self._device, now, error, self._limit)
        except LimpetError:
            self.unanswerable += 1
            return
        self.failed += 1
        self._answer(address.topic, payload, address.correlation, keep)

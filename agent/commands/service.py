"""From a request's bytes to the bytes of its response.

The one rule: every request gets exactly one response at its address, if it has one, whatever is
wrong with it, and nothing else suffers; but for one whose seal is wrong, since nobody is known to
have sent it. `accept` judges requests and notes what is to run;
`commit` puts all of it, with what has ended, into the journal at once, and only then starts and
answers. So whoever acknowledges a request does it after the next `commit`.
Knows no MQTT: what arrives is an Incoming, what leaves goes through `answer`. Owner: the main
thread.
"""

from collections import namedtuple

from interpreter import random_bytes

from agent.commands import policy
from agent.commands.executor import Task
from agent.commands.gate import Repeated
from agent.commands.job import REST
from agent.commands.message import (
    DEFAULT_SPREAD_S,
    NOWHERE,
    REPLY_WITHIN_MS,
    SPREAD,
    Address,
    Moment,
    Request,
    encode_error,
    encode_result,
    parse_request,
    read_address,
)
from agent.commands.once import RUNNING, error_words, make_ticket
from agent.commands.registry import INLINE, RESTART
from agent.commands.seal import BadSeal
from agent.errors import BadRequest, Busy, IdRequired, LimpetError, Retained
from agent.schema import check
from agent.strict_json import parse_object

# topic           that it came on
# payload         bytes
# retained        True if the broker kept it
# response_topic  and correlation: MQTT 5's, or None
# expiry_s        what MQTT 5 left of the message's life, or None
Incoming = namedtuple(
    "Incoming", ("topic", "payload", "retained", "response_topic", "correlation", "expiry_s")
)


_NAME_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-@:."
MOST_LATE = 32  # answers to calls to many that wait; beyond it they leave at once
NO_PLACE_MS = 1000  # after which a command that cannot become a job is looked at again
MOST_WAITING = 4  # addresses that the one answer of a running command goes to


class Service:
    """Answers requests with the commands of a registry.

    `identity` is (device id, boot nonce); `prefix` begins every reply topic; `limit` is the
    largest response in bytes; `answer(topic, payload, correlation, keep)` sends one, `keep` False
    if it is better lost than waited for; `once` is the journal, a once.Once; `gate` knows who asks
    and what they may, a gate.Gate.
    """

    def __init__(self, registry, executor, clock, identity, prefix, limit, answer, once, gate):
        self._registry = registry
        self._executor = executor
        self._clock = clock
        self._device, self._nonce = identity
        self._prefix = prefix
        self._own_topic = "%s%s/call" % (prefix[: -len("reply/")], self._device)
        self.random_bytes = random_bytes  # a simulation has chance of its own
        self._when = {}  # address of a call to many: when its answer may leave
        self._late = []  # (time, topic, payload, correlation) of such answers, at most MOST_LATE
        self._limit = limit
        self._answer = answer
        self._once = once
        self._gate = gate
        self._batch = []  # tasks accepted since the last commit, in order of arrival
        self._ended = []  # (ticket, words) of answers that the journal has not got yet
        self._run_ended = None
        self.cut_off = []  # (Address, words) of what the last restart ended
        self._runs = {}  # (key name, id) of what `start` took: True, until it ends
        self.caller_key = ""  # whom the inline command that runs now runs for
        self._open_jobs = None
        self.jobs = None  # what outlived `reply_within`, once there is one: a jobs.Jobs
        self._reply_due = REST  # when the next of those under way becomes a job
        self._watchers = []  # (Job, Job that waits for its end)
        self._make_streams = None
        self._streams = None  # of long work, once there is some
        self._addresses = {}  # key of a `once` request under way: where its answer goes
        self.launched = False  # whether the last commit gave a worker something to do
        self.restarts = False  # whether the agent is to end, and to be started again
        self.answered = 0
        self.declined = 0  # requests answered `busy` because the link could take no more responses
        self.failed = 0  # responses that were errors
        self.unanswerable = 0  # errors with no usable address, or none that fits the link

    def connect_runs(self, ended):
        """`ended(identity, words)` is told of the end of what `start` took."""
        self._run_ended = ended

    def connect_jobs(self, open_jobs):
        """`open_jobs()` gives the Jobs, or None if there can be none just now."""
        self._open_jobs = open_jobs

    def connect_streams(self, make):
        """`make(stir)` gives the Streams of long work, when the first is to start."""
        self._make_streams = make

    def receive(self, message):
        """Take a Message that is no call: input of a command under way, if it is anything."""
        if self._streams is not None:
            self._streams.receive(message.topic, message.payload)

    def accept(self, incoming):
        """Judge a request: note it for the next commit, or answer what can be answered at once.

        Returns None, or a generator that must come to its end before the request counts as
        accepted: it checks a signature, in steps.
        """
        try:
            opened = self._gate.open(incoming.payload, incoming.topic, incoming.response_topic)
        except BadSeal:
            return None
        except LimpetError:  # the keys cannot be kept just now
            self.unanswerable += 1
            return None
        if opened.seal is not None and self._gate.needs_check(opened):
            return self._check(opened, incoming)
        self._judge(opened, incoming)
        return None

    def _check(self, opened, incoming):
        try:
            yield from self._gate.check(opened)
        except BadSeal:
            return
        self._judge(opened, incoming)

    def _judge(self, opened, incoming):
        key = opened.caller.name
        address = NOWHERE
        has_waited = False
        try:
            if incoming.response_topic is not None:
                address = self._address({}, incoming, key)  # so that even no JSON gets its answer
            document = parse_object(opened.body)
            topic, correlation = incoming.response_topic, incoming.correlation
            address = read_address(document, topic, correlation, self._prefix, key)
            has_waited = address in self._when
            if incoming.topic != self._own_topic:
                self._spread(document, address)
            self._take(document, address, incoming, opened)
        except Repeated:  # the answer to the first copy is this one's too
            if not has_waited:
                self._when.pop(address, None)
        except LimpetError as error:
            self._answer_error(address, error)
        except Exception as error:  # noqa: BLE001 - see below
            # Our own fault. Not acknowledged, the request would come again after the restart, and
            # end the agent again: one message would be the end of a device.
            text = "%s: %s" % (type(error).__name__, error)
            self._answer_error(address, LimpetError("this is a fault of the agent: " + text))

    def decline(self, incoming):
        """Answer `busy` and run nothing: the response may be lost, since it waits for nothing."""
        address = NOWHERE
        try:
            opened = self._gate.open(incoming.payload, incoming.topic, incoming.response_topic)
            if self._gate.needs_check(opened):
                return  # who sent it is not known yet
            document = parse_object(opened.body) if incoming.response_topic is None else {}
            address = self._address(document, incoming, opened.caller.name)
        except BadSeal:
            return
        except LimpetError:
            pass
        self.declined += 1
        self._answer_error(address, Busy("too many calls at once; ask again later"), False)

    def _spread(self, document, address):
        """A call to many: all answering at once would be a flood, so each waits by chance."""
        spread_s = DEFAULT_SPREAD_S
        if "spread" in document:
            spread_s = check((SPREAD,), {"spread": document["spread"]}, BadRequest)["spread"]
        if address.topic is not None and len(self._when) < MOST_LATE:
            chance = int.from_bytes(self.random_bytes(2), "little")
            delay_ms = int(spread_s * 1000) * chance >> 16
            self._when[address] = self._clock.now() + delay_ms

    def send_late(self, now):
        """Let those answers to calls to many leave whose time has come."""
        still = []
        for answer in self._late:
            if answer[0] <= now:
                self._answer(answer[1], answer[2], answer[3], True)
            else:
                still.append(answer)
        self._late = still

    def _request(self, document, address, incoming):
        if incoming.retained:
            raise Retained("a retained call is never run: publish it without the retain flag")
        wall = self._clock.wall() if document.get("deadline") else None
        moment = Moment(self._clock.now(), self._nonce, wall)
        return parse_request(document, address, moment, incoming.expiry_s)

    def _address(self, document, incoming, key):
        topic, correlation = incoming.response_topic, incoming.correlation
        return read_address(document, topic, correlation, self._prefix, key)

    def _take(self, document, address, incoming, opened):
        try:
            request = self._request(document, address, incoming)
            command = self._registry.find(request.method)
            params = request.params
            if params or command.params:
                params = self._registry.checked_params(command, params)
            is_once = command.repeat != "repeat"
            ticket = self._ticket(command, document, address) if is_once else None
        except LimpetError:
            # A known id gets its answer, whatever speaks against running the request now.
            ticket = _ticket_of(document, address)
            if ticket is None or not self._answer_known(ticket, address):
                raise
            return
        if ticket is not None and self._answer_known(ticket, address):
            return
        if opened.seal is not None:
            self._gate.admit(opened)
        self._gate.authorise(opened.caller, command, address.id)
        is_inline = command.mode == INLINE
        if not is_inline:
            self._executor.has_keys = self._gate.keyring.configured
            self._executor.check_room(command, self._batch, address)
        if ticket is not None:
            self._once.promise(ticket, request, command.repeat == "resume")
            self._addresses[ticket.key] = [address]
        elif is_inline:
            self._answer_result(address, self._executor.call(command, params))
            return
        self._batch.append(Task(request, command, params, ticket))

    def _ticket(self, command, document, address):
        ticket = _ticket_of(document, address)
        if ticket is None:
            text = "%s may take effect only once: give the request an id"
            raise IdRequired(text % command.name)
        return ticket

    def _answer_known(self, ticket, address):
        """Answer a request that came before; False if it did not."""
        # A job first: the journal may not have been able to store that it is one.
        row = None if self.jobs is None else self.jobs.find_ticket(ticket)
        words = {"result": {"job": row.id}} if row is not None else self._once.look_up(ticket)
        if words is None:
            return False
        if words is not RUNNING:
            self.tell(address, words)
            return True
        addresses = self._addresses[ticket.key]
        if address not in addresses:
            if len(addresses) >= MOST_WAITING:
                raise Busy("it is running, and %d callers wait for its answer" % MOST_WAITING)
            addresses.append(address)
        return True

    def commit(self):
        """Journal, then start and answer what came or ended since the last commit."""
        self.launched = False
        if self._executor.jobs:
            job = self._executor.hear()
            while job is not None:
                self._end_job(job)
                job = self._executor.hear()
        if self._batch or self._ended:
            self._start_and_answer()

    def step(self):
        """Let one job have one turn here, if there are any for this thread.

        Returns True while something waits for this thread.
        """
        if self._executor.jobs:  # one turn only: the link gets its own between any two
            now = self._clock.now()
            job = self._executor.run_next(now)
            if job is not None:
                self._end_job(job)
            if now >= self._reply_due:
                self._promote_due(now)
        if self._streams is not None:
            self._streams.step()
        if self._late:
            self.send_late(self._clock.now())
        if self.jobs is not None:
            self.jobs.step(self._clock.now())
        return self._executor.has_turns() or len(self._ended) > 0 or self.restarts

    @property
    def due(self):
        """When `step` is wanted though nothing comes: monotonic ms, or None."""
        due = self._executor.due
        if self._executor.jobs and (due is None or self._reply_due < due):
            due = self._reply_due
        if self._late:
            late = min([answer[0] for answer in self._late])
            due = late if due is None else min(due, late)
        if self.jobs is not None and self.jobs.due is not None:
            due = self.jobs.due if due is None else min(due, self.jobs.due)
        return due

    def restart(self):
        """Have the agent ended, and started again, once what has ended is answered."""
        self.restarts = True

    def _start_and_answer(self):
        batch, self._batch = self._batch, []
        ended, self._ended = self._ended, []
        failure = self._once.write()
        for ticket, words in ended:
            if words is None:
                self.restarts = True
                continue
            for address in self._addresses.pop(ticket.key):
                self.tell(address, words)
        for task in batch:
            if task.ticket is not None and failure is not None:
                self._settle_run(task.request.address, error_words(failure))
                for address in self._addresses.pop(task.ticket.key):
                    self._answer_error(address, failure)
            elif task.command.mode == INLINE:
                self.caller_key = task.request.address.key
                self._end(self._executor.run(task))
            else:
                self._launch(task)

    def _launch(self, task):
        job = self._executor.submit(task)
        self._equip(job)
        job.reply_at = job.now() + task.request.reply_within_ms
        if job.reply_at < self._reply_due:
            self._reply_due = job.reply_at
        if task.request.reply_within_ms == 0:
            self._promote(job)
        self.launched = job.on_worker
        self._executor.launch(job)

    # Runs that nobody asked for over the link: schedules.

    def start(self, method, params, identity, expires, key_name, patience_ms=None):
        """Run a command as if the holder of a key had asked for it, once for its `identity`.

        Raises LimpetError, Busy if it may be tried again; else its end goes to `ended` of
        `connect_runs`, perhaps before this returns. A task is a job from the start, unless
        `patience_ms` says after how long it becomes one.
        """
        command = self._registry.find(method)
        caller = self._gate.caller(key_name)
        address = Address(identity, None, None, key_name)
        if patience_ms is None:
            patience_ms = 0 if isinstance(command.mode, tuple) else REPLY_WITHIN_MS
        checked = self._registry.checked_params(command, params)
        request = Request(address, method, params, expires, expires, patience_ms, None)
        ticket = None
        if command.repeat != "repeat":
            ticket = make_ticket(key_name, identity, method, params)
            words = self._once.look_up(ticket)
            if words is not None and words is not RUNNING:
                self._run_ended(identity, words)
                return
            if words is RUNNING:
                self._runs[(key_name, identity)] = True
                return
        self._gate.authorise(caller, command, identity)
        task = Task(request, command, checked, ticket)
        if command.mode != INLINE:
            self._executor.check_room(command, self._batch, address)
        if ticket is not None:
            self._once.promise(ticket, request, command.repeat == "resume")
            self._addresses[ticket.key] = [address]
        self._runs[(key_name, identity)] = True
        self._batch.append(task)

    def cancel_run(self, identity):
        """Ask what `start` took under `identity` to end."""
        for job in list(self._executor.jobs):
            address = job.task.request.address
            if address.id == identity and (address.key, identity) in self._runs:
                self.cancel(job)

    def _settle_run(self, address, words):
        if self._runs and self._runs.pop((address.key, address.id), False):
            self._run_ended(address.id, words)

    def _equip(self, job):
        """Give a task what only tasks use."""
        if isinstance(job.task.command.mode, tuple):
            job.id = self._name_of(job.task.request.address)
            if self._streams is None and self._make_streams is not None:
                self._streams = self._make_streams(self._executor.stir)
            job.streams = self._streams

    def _promote_due(self, now):
        """Make jobs of those under way whose callers have waited long enough."""
        due = REST
        for job in self._executor.jobs:
            if job.is_shown:
                continue
            if job.reply_at <= now:
                if self._promote(job):
                    continue
                job.reply_at = now + NO_PLACE_MS
            due = min(due, job.reply_at)
        self._reply_due = due

    def _promote(self, job):
        """Answer with the name of a job, and tell the rest there; False if there is no place."""
        if self._open_jobs is not None and self.jobs is None:
            self.jobs = self._open_jobs()
        if job.id is None:
            job.id = self._name_of(job.task.request.address)
        row = None if self.jobs is None else self.jobs.admit(job)
        if row is None:
            return False
        words = {"result": {"job": row.id}}
        ticket = job.task.ticket
        if ticket is None:
            self._answer_result(job.task.request.address, words["result"])
        else:
            self._once.end(ticket, words)
            self._ended.append((ticket, words))
        return True

    def load_jobs(self):
        """Know the jobs of the boot before, and go on with those that may."""
        self.jobs = self._open_jobs()
        if self.jobs is not None:
            self.jobs.load(self._revive)

    def _revive(self, request, ticket, checkpoint, name):
        command = self._registry.find(request.method)
        self.check_may(request.address.key, command)
        params = self._registry.checked_params(command, request.params)
        job = self._executor.submit(Task(request, command, params, ticket))
        self._equip(job)
        job.resume_from = checkpoint
        words = {"result": {"job": name}}
        if self._once.adopt(ticket, words):  # with the next write, as the answer to nobody
            self._addresses[ticket.key] = []
            self._ended.append((ticket, words))
        self._executor.launch(job)
        return job

    # What `job.*` asks.

    def knows_job(self, identity):
        """Whether a job of that id is known."""
        return self.jobs is not None and self.jobs.find(identity) is not None

    def check_may(self, key_name, command):
        """Raise Denied unless the holder of a key may run `command` now."""
        policy.check_command(self._gate.keyring.policy, self._gate.caller(key_name), command)

    def under_way(self):
        """All Jobs under way, in the order they came."""
        return self._executor.jobs

    def is_under_way(self, job):
        """Whether a Job has not ended."""
        return job in self._executor.jobs

    def watch(self, job, waiting):
        """Let `waiting`, a Job, go on when `job` ends."""
        self._watchers.append((job, waiting))

    def _name_of(self, address):
        """What a job is called: by the id of its request where that may stand in a topic."""
        name = address.id
        if name is None or any([c not in _NAME_CHARACTERS for c in name]):
            return None
        return None if any([job.id == name for job in self._executor.jobs]) else name

    def cancel(self, job):
        """Ask a job under way to end; one that has not begun has ended when this returns."""
        if self._executor.cancel(job):
            self._end_job(job)

    def _end_job(self, job):
        if job.stream is not None:
            self._streams.end(job)
        if job.row is None:
            self._end(job.outcome)
        else:
            words = self._words(job.outcome)
            self.jobs.ended(job, words)
            self._settle_run(job.task.request.address, words)
        if self._watchers:
            for other, waiting in self._watchers:
                if other is job:
                    self._executor.stir(waiting)
            self._watchers = [pair for pair in self._watchers if pair[0] is not job]

    def _end(self, outcome):
        ticket = outcome.task.ticket
        if self._runs and outcome.result is not RESTART:
            self._settle_run(outcome.task.request.address, self._words(outcome))
        if ticket is None:
            self._respond(outcome)
            return
        if outcome.result is RESTART:
            words = None  # the next boot has them
            self._once.leave(ticket, outcome.task.request.address)
        else:
            words = self._words(outcome)
            self._once.end(ticket, words)
        self._ended.append((ticket, words))

    def _words(self, outcome):
        """What is answered, as the journal keeps it."""
        error = outcome.error
        if error is None:
            try:
                self._encode(outcome.task.request.address, outcome.result)
            except LimpetError as refusal:
                error = refusal
        result = outcome.result
        if isinstance(result, dict) and "before" in result:
            self._gate.audit.note_change(outcome.task, result["before"], self._clock.now())
        return {"result": result} if error is None else error_words(error)

    def tell(self, address, words):
        """Answer with the words of the journal: a dict of `result` or `error`."""
        if "error" in words:
            told = words["error"]
            error = LimpetError(told["message"], told.get("data"))
            error.code = told["code"]
            self._answer_error(address, error)
        else:
            self._answer_result(address, words["result"])

    def _respond(self, outcome):
        address = outcome.task.request.address
        if outcome.error is not None:
            self._answer_error(address, outcome.error)
        else:
            self._answer_result(address, outcome.result)

    def _answer_result(self, address, result):
        if address.topic is None:
            return
        try:
            payload = self._encode(address, result)
        except LimpetError as error:
            self._answer_error(address, error)
            return
        self.answered += 1
        self._send(address, payload, True)

    def _encode(self, address, result):
        return encode_result(address, self._device, self._clock.now(), result, self._limit)

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
        self._send(address, payload, keep)

    def _send(self, address, payload, keep):
        if address.key:
            payload = self._gate.seal(address.key, address.topic, payload)
        if self._when:
            when = self._when.pop(address, None)
            if when is not None and keep and len(self._late) < MOST_LATE:
                self._late.append((when, address.topic, payload, address.correlation))
                return
        self._answer(address.topic, payload, address.correlation, keep)


def _ticket_of(document, address):
    """What the journal knows such a request by; None for one that it cannot know."""
    method, params = document.get("method"), document.get("params")
    if address.id is None or not isinstance(method, str):
        return None
    return make_ticket(address.key, address.id, method, params or {})

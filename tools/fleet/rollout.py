"""A release brought to many devices, wave by wave.

Rule: where a device is with a release is read from what it publishes (`update.status`,
`event/update`, `about.slot`) and from nothing else, and the order of the devices follows from the
release and their names. So a rollout that was left, lost or killed is taken up by asking for it
again, from any machine. A device is asked once, and never again for a release that failed on it.

`Plan` knows no fleet and no clock; `Rollout` brings it to the devices.
"""

import collections
import hashlib
import math
import re
import time

from .errors import CallError, FleetError, NoAnswer, Unreachable
from .topics import check_device_name

WAITING, AWAY, UNDER_WAY, DONE, FAILED = "waiting", "away", "under way", "done", "failed"
SKIPPED, UNKNOWN = "skipped", "unknown"
SETTLED = (DONE, FAILED, SKIPPED)
WAVES = (5, 25, 50, 100)  # percent of the devices that have it, or have had it, after each
CONCURRENCY = 20
WITHIN_S = 3600.0  # for a device to fetch, try and confirm: a slow link, three trials
POLL_S = 5.0  # between two questions to a device under way; events come sooner
ASK_S = 20.0  # for an answer: the device may be restarting
SILENT_POLLS = 12  # after which a device that shows nothing of the release is asked again
_AT_ONCE = 100  # devices asked at the same time where they are
_PHASES = ("fetching", "staged", "trial")
_SEQUENCE = re.compile(rb"^sequence (\d{1,15})$", re.MULTILINE)

View = collections.namedtuple("View", ("state", "text"))
"""Where a device is with the release: one of the words above, and what else it says."""


def sequence_of(data) -> int:
    """The sequence number of a signed release. Raises ValueError for what is none."""
    found = _SEQUENCE.search(data)
    if not data.startswith(b"limpet-release 1\n") or found is None:
        raise ValueError("not a signed release")
    return int(found.group(1))


def judge(status, sequence, is_downgrade=False) -> View:
    """What a device's `update.status` says about the release `sequence`. Raises TypeError,
    KeyError or ValueError for what is no such status."""
    runs, state = int(status["sequence"]), str(status["state"])
    if runs == sequence:
        return View(UNDER_WAY, "trial") if state == "trial" else View(DONE, state)
    other = status["other"]
    if other["sequence"] == sequence and other["kind"] in _PHASES:
        return View(UNDER_WAY, str(other["kind"]))
    if status.get("failed") == sequence:
        return View(FAILED, str(status.get("reason") or state))
    if runs > sequence and not is_downgrade:
        return View(SKIPPED, f"runs {runs} already")
    return View(WAITING, state)


class Plan:
    """Which device is next. `names` are all that are meant; `waves` rising percentages.

    Devices get their turn in an order that depends on the release and on their names alone: after
    a restart the same ones are the first wave again. Stops for good once more than
    `most_failures` have failed.
    """

    def __init__(self, names, sequence, waves=WAVES, concurrency=CONCURRENCY, most_failures=0):
        if list(waves) != sorted(set(waves)) or not waves or not 0 < waves[0] <= waves[-1] <= 100:
            raise ValueError("waves are rising percentages, 100 at most")
        if concurrency < 1 or most_failures < 0:
            raise ValueError("at least one device at a time, and no less than 0 failures")
        self.order = sorted(set(names), key=lambda name: _place(sequence, name))
        self.views = {name: View(UNKNOWN, "") for name in self.order}
        count = len(self.order)
        self.ends = [min(count, math.ceil(count * percent / 100)) for percent in waves]
        self._concurrency = concurrency
        self._most_failures = most_failures
        self.is_paused = False

    def see(self, name, view):
        """Take what is known of a device; whether that is new."""
        is_new = self.views[name] != view
        self.views[name] = view
        return is_new

    def count(self, state) -> int:
        """How many devices are there."""
        return sum(view.state == state for view in self.views.values())

    @property
    def is_stopped(self) -> bool:
        """Whether too many have failed."""
        return self.count(FAILED) > self._most_failures

    @property
    def wave(self) -> int:
        """The wave under way, from 0; their number when all are over.

        A wave is over when all of its devices have settled or are away, and not all are away:
        silence shows nothing.
        """
        for index, end in enumerate(self.ends):
            states = [self.views[name].state for name in self.order[:end]]
            over = all(state in (*SETTLED, AWAY) for state in states)
            if not over or not any(state in SETTLED for state in states):
                return index
        return len(self.ends)

    @property
    def is_over(self) -> bool:
        """Whether nothing is under way and nothing more can be begun for now."""
        states = [view.state for view in self.views.values()]
        if UNDER_WAY in states or UNKNOWN in states:
            return False
        return self.is_stopped or not self._open()

    def next(self) -> list[str]:
        """The devices to be asked now."""
        if self.is_paused or self.is_stopped or self.count(UNKNOWN):
            return []
        return self._open()[: max(0, self._concurrency - self.count(UNDER_WAY))]

    def _open(self):
        end = self.ends[min(self.wave, len(self.ends) - 1)]
        return [name for name in self.order[:end] if self.views[name].state == WAITING]


def _place(sequence, name):
    return hashlib.sha256(f"{sequence} {name}".encode()).digest()


def members(fleet, targets) -> list[str]:
    """The devices meant by names, `all` and `group/NAME`; of a group those that answer."""
    found = []
    for target in targets:
        if target == "all":
            found += fleet.devices()
        elif "/" in target:
            found += [name for name, _ in fleet.call_all(target, "system.ping")]
        else:
            found.append(check_device_name(target))
    return sorted(set(found))


class Rollout:
    """`step()` again and again until `plan.is_over`; `plan.is_paused` may be set between.

    `data` is the signed release; `changed(name, view)` is told what becomes of a device.
    """

    def __init__(
        self, fleet, data, plan, *, within=WITHIN_S, poll=POLL_S, downgrade=False, changed=None
    ):  # fmt: skip
        self._fleet = fleet
        self._release = data
        self.sequence = sequence_of(data)
        self.plan = plan
        self._within = within
        self._poll = poll
        self._is_downgrade = downgrade
        self._changed = changed or (lambda name, view: None)
        self._asked = {}  # name: (call, whether it is update.apply)
        self._began = {}  # name: when it was seen under way first
        self._next = {}  # name: when to ask it again
        self._feeds = {}
        self._silent = {}  # name: (times it said no, times nothing) since it was asked

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        for feed in self._feeds.values():
            feed.__exit__()

    def step(self, now=None):
        """One look at everything; it does not wait. Raises Unreachable or Refused."""
        now = time.monotonic() if now is None else now
        devices = self._fleet.devices()
        for name in list(self._feeds):
            self._hear(name)
        for name in list(self._asked):
            self._take_answer(name, now)
        for name in self.plan.order:
            self._look(name, devices.get(name), now)
        for name in self.plan.next():
            self._begin(name, now)

    def _see(self, name, view):
        if view.state not in (UNDER_WAY, WAITING):
            self._began.pop(name, None)
        if view.state != UNDER_WAY:
            feed = self._feeds.pop(name, None)
            if feed is not None:
                feed.__exit__()
        if self.plan.see(name, view):
            self._changed(name, view)

    def _hear(self, name):
        while name in self._feeds:
            words = self._feeds[name].get(0)
            if words is None:
                return
            self._read(name, words)

    def _read(self, name, words):
        try:
            view = judge(words, self.sequence, self._is_downgrade)
        except (TypeError, KeyError, ValueError, AttributeError):
            view = View(FAILED, "its update.status is in no form known here")
        is_begun = name in self._began
        if view.state == WAITING and is_begun:
            view = self._wanted(name, words, view)
        self._see(name, view)

    def _wanted(self, name, words, view):
        """A device that was asked and shows nothing of it yet: it is on its way, or says no."""
        last = words.get("last")
        says_no = isinstance(last, list) and last[:2] == [self.sequence, "ignore"]
        noes, nothings = self._silent.get(name, (0, 0))
        noes, nothings = (noes + 1, 0) if says_no else (0, nothings + 1)
        self._silent[name] = (noes, nothings)
        # What it says may be of an earlier offer: the second time it is of this one.
        if noes >= 2:
            return View(FAILED, f"does not take it: {last[2]}")
        if nothings >= SILENT_POLLS:  # what it was offered is lost over a restart
            return view
        return View(UNDER_WAY, "asked")

    def _take_answer(self, name, now):
        call, is_apply = self._asked[name]
        if not call.done() and now < call.deadline:
            return
        del self._asked[name]
        try:
            words = call.result()
        except CallError as error:
            # No updates there, or not for this caller: asking again would not change it.
            self._see(name, View(FAILED if is_apply else SKIPPED, str(error)))
        except (NoAnswer, Unreachable):
            if name not in self._began:
                self._see(name, View(AWAY, "does not answer"))
        except FleetError as error:
            self._see(name, View(FAILED, str(error)))
        else:
            if not is_apply:
                self._read(name, words)

    def _look(self, name, device, now):
        """Ask a device how it is, if that is due."""
        view = self.plan.views[name]
        if name in self._began:
            self._watch_time(name, now)
        elif device is None or device.state != "online":
            if view.state in (UNKNOWN, WAITING, UNDER_WAY):
                self._see(name, View(AWAY, "no such device" if device is None else device.state))
            return
        elif view.state in SETTLED and not self._has_left(view, device):
            return
        if view.state == UNDER_WAY:
            self._follow(name, now)
        elif view.state == WAITING:
            return
        is_free = name not in self._asked and now >= self._next.get(name, now)
        if is_free and (view.state == UNDER_WAY or len(self._asked) < _AT_ONCE):
            self._ask(name, now)

    def _has_left(self, view, device):
        """Whether a device that had the release runs another one: its owner went back."""
        slot = device.about.get("slot")
        running = slot.get("sequence") if isinstance(slot, dict) else None
        return view.state == DONE and isinstance(running, int) and running < self.sequence

    def _ask(self, name, now):
        self._next[name] = now + self._poll
        if self._fleet.connected:
            call = self._fleet.submit(name, "update.status", timeout=ASK_S)
            self._asked[name] = (call, False)

    def _follow(self, name, now):
        self._began.setdefault(name, now)
        if name not in self._feeds:
            self._feeds[name] = self._fleet.listen(name, "event/update")

    def _watch_time(self, name, now):
        if now - self._began[name] > self._within:
            text = f"nothing came of it within {self._within:g} s ({self.plan.views[name].text})"
            self._see(name, View(FAILED, text))

    def _begin(self, name, now):
        self._follow(name, now)
        self._next[name] = now + self._poll
        self._silent[name] = (0, 0)
        params = {"release": self._release.decode(), "downgrade": self._is_downgrade}
        self._fleet.beacon(name, self.sequence)
        call = self._fleet.submit(name, "update.apply", params, timeout=ASK_S)
        self._asked[name] = (call, True)
        self._see(name, View(UNDER_WAY, "asked"))


def run(rollout, pause_s=0.1, turn=None):
    """Step until it is over; `turn()` is called each time. Returns whether all is well."""
    while True:
        rollout.step()
        if turn is not None:
            turn()
        if rollout.plan.is_over:
            return not rollout.plan.count(FAILED)
        time.sleep(pause_s)

"""What is to be done on a board so that it holds what is wanted: pure.

The one rule: at every step, and in the middle of every step, the board starts the agent that it
had, or the new one, or is made whole by the next run. So what may be started is not written to:
files go into the slot that is not in use, others under another name, and only then, by renames and
the record of the slots, does anything change. What is there already is not written again.
"""

from collections import namedtuple
from hashlib import sha256

import limpet_start as starting

ROOT = "/limpet"
NEW = ".new"  # what a file is called until it is whole
RECORDS = tuple("%s/state.%d" % (ROOT, index) for index in (0, 1))
MANIFESTS = tuple("%s/%s/%s" % (ROOT, slot, starting.MANIFEST) for slot in "ab")
OWN = ("/boot.py", "/main.py")  # of which a board may have others
READ = RECORDS + MANIFESTS + OWN + ("/agent.json",)
BEFORE = ".before"  # what was its owner's, and had to give way
SPARE_BLOCKS = 4  # for the records, and what the agent stores at its first start
FOLDER_BLOCKS = 2  # littlefs: a folder is a pair of blocks

# files     {path: (size, SHA-256 in hex)}; folders: paths
# contents  {path: bytes} of READ, those that are there
# block     bytes in a block of the file system; free: blocks
Present = namedtuple("Present", "files folders contents block free")

# slot     {path in the slot: bytes}, the manifest among them; None: the firmware has the agent
# outside  {path: bytes}, in the order in which they come into force; the last starts the agent
Wanted = namedtuple("Wanted", "slot outside sequence")

# verb    folder, write, copy, rename, remove or remove-folder
# data    what to write; source: what to copy or rename; digest: what must be there afterwards
Step = namedtuple("Step", "verb path data source digest", defaults=(None, None, None))

# slot    where the agent goes, None where it is already
# needed  blocks that the steps take more than they give back
Plan = namedtuple("Plan", "steps slot needed")


class PlanProblem(Exception):
    """The board cannot be brought there so; the message says why."""


def make(present, wanted, in_place=False, replaces=False):
    """The Plan that turns what is present into what is wanted. Raises PlanProblem.

    `in_place` gives up the agent that is there for its space; `replaces` a boot.py and a main.py
    that are somebody else's.
    """
    state = read_state(present)
    if wanted.slot is not None and wanted.sequence < state.floor:
        words = (wanted.sequence, state.floor)
        raise PlanProblem("release %d: this board takes none before %d" % words)
    started = slot_started(present, state)
    slot = digest = None
    if wanted.slot is not None:
        digest = digest_of(wanted.slot[starting.MANIFEST])
        if not _is_settled(present, state, digest):
            slot = _slot_for(started, in_place)
    steps = _keep_others(present, replaces)
    steps += [] if slot is None else _fill(present, wanted.slot, slot)
    made = {step.path for step in steps if step.verb == "folder"} | present.folders
    early, late = _outside(present, wanted.outside, made)
    steps += early
    if slot is not None:
        steps.append(_record(state, started, slot, wanted.sequence, digest))
    steps += late
    plan = Plan(steps, slot, _blocks(present, steps))
    if plan.needed > present.free - SPARE_BLOCKS and steps:
        raise PlanProblem(_no_space(present, plan, in_place))
    return plan


def _keep_others(present, replaces):
    """Steps that put aside the board's own start files, if they do anything."""
    steps = []
    for path in OWN:
        data = present.contents.get(path, b"")
        if not is_anothers(data):
            continue
        if not replaces:
            words = (
                "%s does something of its own; --replace keeps it as %s and puts Limpet's there"
            )
            raise PlanProblem(words % (path, path + BEFORE))
        digest = digest_of(data)
        if present.files.get(path + BEFORE, (0, None))[1] != digest:
            steps.append(Step("copy", path + BEFORE, None, path, digest))
    return steps


def is_anothers(data):
    """Whether a start file is neither Limpet's nor one that does nothing, as boards come with."""
    lines = [line.strip() for line in data.splitlines()]
    return b"/limpet" not in data and any(line and line[:1] != b"#" for line in lines)


def _no_space(present, plan, in_place):
    kib = present.block / 1024
    words = "no space: %d KiB more are needed, %d KiB are free"
    words %= ((plan.needed + SPARE_BLOCKS) * kib, present.free * kib)
    if not in_place and any([one.startswith(ROOT) for one in present.files]):
        words += "; --in-place writes over the agent that is there, without a way back"
    return words


def digest_of(data):
    """SHA-256 in hex."""
    return sha256(data).hexdigest()


def read_state(present):
    """The newer record that is whole, as limpet_start reads it."""
    states = [starting.decode_state(present.contents.get(path, b"")) for path in RECORDS]
    return max([starting.FIRST, *filter(None, states)], key=lambda state: state.turn)


def is_whole(present, slot, digest):
    """Whether a slot holds what its manifest names and nothing else, and that is the manifest."""
    folder = "%s/%s/" % (ROOT, slot)
    data = present.contents.get(folder + starting.MANIFEST, b"")
    if digest_of(data) != digest:
        return False
    named = {
        line.split(" ", 1)[1]: line.split(" ", 1)[0] for line in data.decode().split("\n")[1:-1]
    }
    found = {
        path[len(folder) :]: hash
        for path, (_, hash) in present.files.items()
        if path.startswith(folder) and not path.startswith(folder + ".limpet/")
    }
    inner = {path: hash for path, hash in named.items() if path.startswith(".limpet/")}
    kept = {path: present.files.get(folder + path, (0, None))[1] for path in inner}
    return kept == inner and found == {path: named[path] for path in named if path not in inner}


def slot_started(present, state):
    """The slot that the board would start now, None if none is whole."""
    good, spare = state.good, starting.other(state.good)
    if is_whole(present, good, state.digest):
        return good
    return spare if is_whole(present, spare, state.other_digest) else None


def _is_settled(present, state, digest):
    """Whether what is wanted is what will be started, for good."""
    is_open = state.kind in ("trial", "staged")
    return state.digest == digest and not is_open and is_whole(present, state.good, digest)


def _slot_for(started, in_place):
    if started is None:
        return "a"
    return started if in_place else starting.other(started)


def _fill(present, files, slot):
    """Steps that make a slot hold exactly `files`: its manifest goes first, and comes last."""
    folder = "%s/%s" % (ROOT, slot)
    manifest = folder + "/" + starting.MANIFEST
    wanted = {"%s/%s" % (folder, path): data for path, data in files.items()}
    stale = [path for path in present.files if path.startswith(folder + "/")]
    stale = [path for path in stale if path != manifest and not _is_there(present, path, wanted)]
    steps = []
    todo = [path for path in sorted(wanted) if not _is_there(present, path, wanted)]
    if manifest in present.files and (stale or todo):
        steps.append(Step("remove", manifest))
        todo = [path for path in todo if path != manifest] + [manifest]
    steps += [Step("remove", path) for path in sorted(stale)]
    folders = {parent for path in wanted for parent in parents(path)}
    gone = [one for one in present.folders if one.startswith(folder + "/") and one not in folders]
    steps += [Step("remove-folder", path) for path in sorted(gone, reverse=True)]
    steps += [Step("folder", path) for path in sorted(folders - present.folders)]
    todo.sort(key=lambda path: path == manifest)
    return steps + [_bring(present, path, wanted[path], folder) for path in todo]


def _is_there(present, path, wanted):
    return path in wanted and present.files.get(path, (0, None))[1] == digest_of(wanted[path])


def parents(path):
    """The folders that a file lies in, the outer ones first."""
    parts = path.split("/")[1:-1]
    return ["/" + "/".join(parts[: count + 1]) for count in range(len(parts))]


def _bring(present, path, data, folder):
    """Copy what the other slot has, or write it."""
    digest = digest_of(data)
    for source, (_, held) in present.files.items():
        if held == digest and source.startswith(ROOT) and not source.startswith(folder + "/"):
            return Step("copy", path, None, source, digest)
    return Step("write", path, data, None, digest)


def _outside(present, files, folders):
    """Steps for what is in no slot: (all that comes before the record, what comes after)."""
    wanted = {parent for path in files for parent in parents(path)}
    early = [Step("folder", path) for path in sorted(wanted - folders)]
    changed = []
    for path, data in files.items():
        digest = digest_of(data)
        held = present.files.get(path + NEW, (0, None))[1]
        if present.files.get(path, (0, None))[1] == digest:
            if held:
                early.append(Step("remove", path + NEW))
            continue
        if held != digest:
            early.append(Step("write", path + NEW, data, None, digest))
        changed.append(Step("rename", path, None, path + NEW, digest))
    last = list(files)[-1:]
    late = [step for step in changed if [step.path] == last]
    return early + [step for step in changed if step not in late], late


def _record(state, started, slot, sequence, digest):
    """The step that puts the slot in use: the only one at which the agent changes."""
    before = (state.sequence, state.digest)
    if started != state.good:
        before = (state.other, state.other_digest)
    is_kept = started not in (None, slot) and before[0] >= state.floor
    new = starting.change(
        state,
        turn=state.turn + 1,
        good=slot,
        sequence=sequence,
        digest=digest,
        kind="previous" if is_kept else "none",
        other=before[0] if is_kept else 0,
        other_digest=before[1] if is_kept else "-",
        tries=0,
        failed=0,
        reason="-",
    )
    data = starting.encode_state(new)
    return Step("write", RECORDS[new.turn % 2], data, None, digest_of(data))


def _blocks(present, steps):
    """Blocks that the steps take at most, beyond what they give back before."""
    size = {path: size for path, (size, _) in present.files.items()}
    total = most = 0
    for step in steps:
        if step.verb == "folder":
            total += FOLDER_BLOCKS
        elif step.verb == "write":
            total += -(-len(step.data) // present.block)
        elif step.verb == "copy":
            total += -(-size[step.source] // present.block)
        elif step.verb == "remove":
            total -= -(-size[step.path] // present.block)
        most = max(most, total)
    return most

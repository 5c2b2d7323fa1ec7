"""Content put into a file: whole or not at all, in parts that may come twice or after a restart.

What has come stands in a file of its own beside the target, whose name is made of the target's
name and the content's SHA-256. So an interrupted transfer goes on from what is there, without a
word kept anywhere else, and two contents never mix. The one rule: the target is replaced, by a
rename, once the whole content is on the medium and its SHA-256 is right; until then it stays as it
was, whatever fails.

There is at most one such file for each target: a new content removes what was left of another.
"""

import hashlib
import os
from binascii import hexlify

from interpreter import list_folder, sync_file, sync_folder

from agent.files.faults import EXISTS, NO_SPACE, FileFault, fault
from agent.files.tree import FILE, check_file, kind_of

STEP_BYTES = 4096  # read at once; the one buffer that a transfer has
STEPS = 16  # of them before somebody else has a turn
# Of the space that is left: what the journal and the store of the same medium go on with.
RESERVE_BYTES = 128 * 1024

_START, _END = ".limpet-", ".part"


def partial_names(name, content):
    """The start of every partial's name for a target, and this content's whole name."""
    start = "%s%s-" % (_START, _short(name.encode()))
    return start, start + _short(content.encode()) + _END


def _short(data):
    return hexlify(hashlib.sha256(data).digest()[:6]).decode()


def put(place, content, size, offset, data, executable, restart):
    """Take a part of the content; how many bytes of it are there now.

    A part that is there already is taken again with no effect; one behind a gap is not taken.
    Raises FileFault.
    """
    place.check_writable()
    start, name = partial_names(place.name, content)
    found = place.exists(name)
    if found is not None:
        check_file(place.path, found)  # somebody else's link or FIFO of that name
        if restart:
            _remove(place, name)
            found = None
    if found is None:
        _begin(place, start, name, size, executable)
    have = found[6] if found else 0
    if offset > have or offset + len(data) <= have:
        return have
    if offset + len(data) > size:
        raise FileFault("bad-params", "%s: more content than its size" % place.path)
    _check_space(place, len(data), have)
    _append(place, name, memoryview(data)[have - offset :], have)
    return offset + len(data)


def _begin(place, start, name, size, executable):
    target = place.exists()
    if target is not None:
        check_file(place.path, target)
        executable = executable or bool(target[0] & 0o100)  # as it was, unless told otherwise
    for other, _kind in list(list_folder(place.folder_path)):
        if other and other.startswith(start) and other.endswith(_END):
            _remove(place, other)
    _check_space(place, size, 0)
    place.make(name, executable)


def _append(place, name, data, have):
    try:
        with place.open("ab", name) as file:
            at = 0
            while at < len(data):
                count = file.write(data[at:])
                if not count:
                    raise OSError(NO_SPACE, name)
                at += count
    except OSError as error:
        refusal = fault(place.path, error)
        refusal.data["have"] = have
        raise refusal


def _check_space(place, needed, have):
    free = free_bytes(place)
    if free is not None and free < needed + RESERVE_BYTES:
        text = "%s: %d bytes are needed, %d are free, of which %d stay for the agent"
        data = {"free_bytes": free, "have": have}
        raise FileFault(
            "no-space", text % (place.path, needed, free, min(free, RESERVE_BYTES)), data
        )


def free_bytes(place):
    """Bytes that this user may still write there; None where nobody tells."""
    if not hasattr(os, "statvfs"):
        return None
    found = os.statvfs(place.folder_path)
    return found[1] * found[4]  # frsize, bavail


def _remove(place, name):
    try:
        os.remove(place.beside(name))
    except OSError as error:
        raise fault(place.path, error)


def finish(place, content, size):
    """A generator: check the content that has come, and put it in the target's place.

    Yields how much is checked, from 0 to 1. Raises FileFault: `incomplete` with `have` in its
    data, or `wrong-content`, after which nothing of it is there. When it was done already, the
    target has that content, and this returns as if it had done it.
    """
    place.check_writable()
    _, name = partial_names(place.name, content)
    found = place.exists(name)
    if found is None:
        is_done = yield from _has(place, content, size)
        if is_done:
            return
        text = "%s: nothing of this content is there" % place.path
        raise FileFault("incomplete", text, {"have": 0})
    if found[6] != size:
        text = "%s: %d of %d bytes are there" % (place.path, found[6], size)
        raise FileFault("incomplete", text, {"have": min(found[6], size)})
    digest = yield from hashed(place, name)
    if digest != content:
        _remove(place, name)
        text = "%s: what came has another SHA-256, %s; it is thrown away"
        raise FileFault("wrong-content", text % (place.path, digest), {"have": 0})
    _replace(place, name)


def _has(place, content, size):
    found = place.exists()
    if found is None or kind_of(found) != FILE or found[6] != size:
        return False
    digest = yield from hashed(place)
    return digest == content


def hashed(place, name=None, length=None):
    """A generator: the SHA-256 of a file, or of its first `length` bytes, as hex.

    Yields how much is done, from 0 to 1.
    """
    total = hashlib.sha256()
    buffer = bytearray(STEP_BYTES)
    view = memoryview(buffer)
    with place.open("rb", name) as file:
        size = place.look(name)[6] if length is None else length
        done = steps = 0
        while length is None or done < length:
            wanted = STEP_BYTES if length is None else min(STEP_BYTES, length - done)
            try:
                count = file.readinto(view[:wanted])
            except OSError as error:
                raise fault(place.path, error)
            if not count:
                break
            total.update(view[:count])
            done += count
            steps += 1
            if steps % STEPS == 0:
                yield min(1.0, done / size) if size else 1.0
    if length is not None and done < length:
        raise FileFault("incomplete", "%s: has %d bytes" % (place.path, done), {"have": done})
    return hexlify(total.digest()).decode()


def _replace(place, name):
    try:
        with place.open("ab", name) as file:
            sync_file(file)
        move(place.beside(name), place.system_path)
        sync_folder(place.folder_path)
    except OSError as error:
        raise fault(place.path, error)


def move(source, target):
    """Rename over what is there. Raises OSError."""
    try:
        os.rename(source, target)
    except OSError as error:
        # FAT on a board replaces nothing: for a moment only the new one is there, under the name
        # of a partial that is whole, which another `finish` puts in place.
        if error.errno != EXISTS:
            raise
        os.remove(target)
        os.rename(source, target)

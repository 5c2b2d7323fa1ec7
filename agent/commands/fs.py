"""`fs.*`: files below named roots.

The one rule: nothing is held whole, and nothing is half done: a file is read and written in parts
that fit a packet, each harmless to ask for again, and takes its new content all at once.
`agent/files` has what that rests on.
"""

import hashlib
import os
import threading
import time
from binascii import hexlify

from interpreter import list_folder, sync_folder

from agent import schema
from agent.commands.device_parameters import decoded, encoded
from agent.commands.paths import MOST_PATH
from agent.commands.registry import PLAIN, TASK, Command
from agent.errors import BadParams
from agent.files import transfer
from agent.files.faults import EXISTS, FileFault, fault
from agent.files.tree import FOLDER, KINDS, check_file, kind_of

_HEX = "0123456789abcdef"
_REPLY_FRAME = 512  # bytes of a reply beside the content: id, names, numbers, a seal
_MOST_SIZE = 1 << 50
_EPOCH_S = 946684800 if time.gmtime(0)[0] == 2000 else 0  # some boards count from 2000


class Files:
    """What the family needs: `tree`, and the sizes of the largest packet and reply."""

    def __init__(self, tree, packet_bytes, reply_bytes):
        self.tree = tree
        self.packet_bytes = packet_bytes
        self.room = reply_bytes - _REPLY_FRAME
        self.most_read = max(64, self.room) // 4 * 3
        self.lock = threading.Lock()  # held while something is changed, by whichever worker


def commands(files):
    """The family's commands, over a Files."""
    path = schema.text(
        "path", low=1, high=MOST_PATH, about="a root's name, then names: files/a.txt"
    )
    content = schema.text("sha256", low=64, high=64, about="of the whole content, in hex")
    size = schema.integer("size", low=0, high=_MOST_SIZE, unit="bytes", about="of all of it")
    offset = schema.integer("offset", 0, low=0, high=_MOST_SIZE, unit="bytes")
    data = schema.text("data", "", high=files.packet_bytes, about="bytes in base64")
    executable = schema.boolean("executable", False, about="true: may be run as a program")
    part = schema.integer("size", files.most_read, low=1, high=files.most_read, unit="bytes")
    length = schema.integer("length", None, low=0, high=_MOST_SIZE, about="of the start alone")
    after = schema.text("after", "", high=255, about="go on behind this name")
    restart = schema.boolean("restart", False, about="true: throw away what has come of it")
    to = schema.text("to", low=1, high=MOST_PATH)
    replace = schema.boolean("replace", False, about="true: also where there is a file already")
    text = schema.text("text", None, high=files.packet_bytes, about="the content as text")

    def command(name, call, params, repeat, about, mode=PLAIN):
        def run(given, *job):
            return call(files, given, *job)

        return Command("fs." + name, run, params, "files", repeat, mode, about)

    return (
        command("roots", _roots, (), "repeat",
                "Every root with its free space; the largest packet and part. Where all begins."),
        command("list", _list, (path, after), "repeat",
                "A folder by name: {entries: [{name, type, size, modified}], more}"),
        command("stat", _stat, (path,), "repeat", "{type, size, modified, executable}"),
        command("read", _read, (path, offset, part), "repeat",
                "A part of a file: {data, size: of the whole file, modified}"),
        command("hash", _hash, (path, length), "repeat",
                "{sha256, size}, of all or of a start.", TASK),
        command("write", _write, (path, data, text, executable), "once",
                "Replace a small file's content, or make the file. {size, sha256}", TASK),
        command("put", _put, (path, content, size, offset, data, executable, restart), "repeat",
                "A part of a new content, kept aside; without data: what is there. {have}"),
        command("finish", _finish, (path, content, size), "repeat",
                "Check what fs.put brought and replace the file by it. {size, sha256}", TASK),
        command("move", _move, (path, to, replace), "once", "Give a file or folder another name."),
        command("remove", _remove, (path,), "once", "Remove a file, a link or an empty folder."),
        command("make_folder", _make_folder, (path,), "repeat", "Make a folder. {made}"),
    )  # fmt: skip


def _roots(files, params):
    rows = []
    for root in files.tree.roots:
        row = {"name": root.name, "write": root.write}
        try:
            with files.tree.find(root.name) as place:
                row["free_bytes"] = transfer.free_bytes(place)
        except Exception as error:  # noqa: BLE001 - one root that is not there hides no other
            row["fault"] = str(error)
        rows.append(row)
    words = {"roots": rows, "packet_bytes": files.packet_bytes, "part_bytes": files.most_read}
    if files.tree.calls.WEAKNESS:
        words["weakness"] = files.tree.calls.WEAKNESS
    return words


def _described(found):
    kind = KINDS.get(kind_of(found), "other")
    words = {"type": kind, "modified": found[8] + _EPOCH_S}
    if kind == "file":
        words["size"] = found[6]
        words["executable"] = bool(found[0] & 0o100)
    return words


def _stat(files, params):
    with files.tree.find(params["path"]) as place:
        return _described(place.look())


def _list(files, params):
    with files.tree.find_folder(params["path"]) as place:
        names, more, hidden = _next_names(place, params["after"], files.room // 64)
        entries = []
        room = files.room
        for name in names:
            try:
                entry = _described(place.look(name))
            except FileFault:  # it went meanwhile, or is the agent's own
                continue
            entry["name"] = name
            room -= 72 + 6 * len(name)  # an upper bound of its JSON
            if room < 0 and entries:
                more = True
                break
            entries.append(entry)
    words = {"entries": entries, "more": more}
    if hidden:
        words["not_utf8"] = hidden  # names that JSON cannot carry
    return words


def _next_names(place, after, most):
    """The `most` first names behind `after`, whether there are more, and how many are no text.

    One pass, and never more than twice as many names in memory, however many there are.
    """
    found = []
    more = False
    hidden = 0
    try:
        for name, _kind in list_folder(place.folder_path):
            if name is None:
                hidden += 1
            elif name > after:
                found.append(name)
                if len(found) >= 2 * most:
                    found = sorted(found)[:most]
                    more = True
    except OSError as error:
        raise fault(place.path, error)
    found.sort()
    return found[:most], more or len(found) > most, hidden


def _read(files, params):
    with files.tree.find(params["path"]) as place, place.open("rb") as file:
        found = place.look()
        try:
            file.seek(params["offset"])
            data = file.read(params["size"])
        except OSError as error:
            raise fault(place.path, error)
    return {"data": encoded(data), "size": found[6], "modified": found[8] + _EPOCH_S}


def _hash(files, params, job):
    with files.tree.find(params["path"]) as place:
        size = place.look()[6] if params["length"] is None else params["length"]
        digest = yield from _telling(job, transfer.hashed(place, None, params["length"]))
    return {"sha256": digest, "size": size}


def _telling(job, steps):
    """Run `steps` to their end, and tell how far they are."""
    while True:
        try:
            job.progress(next(steps))
        except StopIteration as end:
            return end.value
        yield


def _put(files, params):
    data = decoded(params["data"], "data")
    with files.tree.find(params["path"]) as place, files.lock:
        have = transfer.put(
            place,
            _content(params),
            params["size"],
            params["offset"],
            data,
            params["executable"],
            params["restart"],
        )
    return {"have": have}


def _content(params):
    content = params["sha256"]
    if any([character not in _HEX for character in content]):
        raise BadParams("sha256: expected 64 of 0-9 a-f")
    return content


def _finish(files, params, job):
    content = _content(params)
    with files.tree.find(params["path"]) as place:
        yield from _telling(job, transfer.finish(place, content, params["size"]))
    return {"size": params["size"], "sha256": content}


def _write(files, params, job):
    if params["text"] is None:
        data = decoded(params["data"], "data")
    elif params["data"]:
        raise BadParams("text: give data or text, not both")
    else:
        data = params["text"].encode()
    content = hexlify(hashlib.sha256(data).digest()).decode()
    with files.tree.find(params["path"]) as place:
        with files.lock:
            transfer.put(place, content, len(data), 0, data, params["executable"], True)
        yield from _telling(job, transfer.finish(place, content, len(data)))
    return {"size": len(data), "sha256": content}


def _move(files, params):
    tree = files.tree
    with tree.find(params["path"]) as place, tree.find(params["to"], "to") as target:
        place.check_writable()
        target.check_writable()
        tree.check_movable(place)
        if kind_of(place.look()) != FOLDER:
            check_file(place.path, place.look())
        there = target.exists()
        if there is not None and (not params["replace"] or kind_of(there) == FOLDER):
            raise FileFault("exists", "%s: it exists already" % target.path)
        with files.lock:
            try:
                transfer.move(place.system_path, target.system_path)
                sync_folder(target.folder_path)
                sync_folder(place.folder_path)
            except OSError as error:
                raise fault(place.path, error)
    return {}


def _remove(files, params):
    with files.tree.find(params["path"]) as place:
        place.check_writable()
        remove = os.rmdir if kind_of(place.look()) == FOLDER else os.remove
        try:
            remove(place.system_path)
            sync_folder(place.folder_path)
        except OSError as error:
            raise fault(place.path, error)
    return {}


def _make_folder(files, params):
    with files.tree.find(params["path"]) as place:
        place.check_writable()
        try:
            os.mkdir(place.system_path)
            sync_folder(place.folder_path)
        except OSError as error:
            if error.errno != EXISTS or kind_of(place.look()) != FOLDER:
                raise fault(place.path, error)
            return {"made": False}
    return {"made": True}

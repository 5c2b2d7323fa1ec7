"""agent/files and `fs.*`: content whole or not at all, and no way out of a root."""

import hashlib
import json
import os
from binascii import a2b_base64, b2a_base64, hexlify

from file_tree import WAYS, Bench, run_in_shell
from support import raises, skip, temporary_folder

from agent.commands import fs
from agent.errors import LimpetError, Unavailable
from agent.files import transfer
from agent.files import tree as places
from agent.files.tree import Root, Secrets, Tree

IMPLEMENTATIONS = WAYS


def sha(data):
    return hexlify(hashlib.sha256(data).digest()).decode()


def b64(data):
    return b2a_base64(data).decode().strip()


def code_of(call, *arguments, **options):
    return raises(LimpetError, call, *arguments, **options).code


def partials(bench):
    return [name for name in os.listdir(bench.path) if name.startswith(".limpet-")]


def put_parts(bench, path, data, start=0, step=1000, **options):
    have = start
    while have < len(data):
        part = data[have : have + step]
        have = bench.call(
            "put",
            path=path,
            sha256=sha(data),
            size=len(data),
            offset=have,
            data=b64(part),
            **options,
        )["have"]
    return have


CONTENT = bytes([(7 * i) % 251 for i in range(10000)])


def test_a_file_comes_in_parts_and_is_there_once_it_is_whole(calls):
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        bench.put("data/files/a", b"old")
        assert put_parts(bench, "files/a", CONTENT) == len(CONTENT)
        assert bench.content("data/files/a") == b"old"
        done = bench.call("finish", path="files/a", sha256=sha(CONTENT), size=len(CONTENT))
        assert done == {"size": len(CONTENT), "sha256": sha(CONTENT)}
        assert bench.content("data/files/a") == CONTENT
        assert partials(bench) == []


def test_every_part_and_the_end_may_come_twice(calls):
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        words = {"path": "files/a", "sha256": sha(CONTENT), "size": len(CONTENT)}
        part = dict(words, offset=0, data=b64(CONTENT[:4000]))
        assert bench.call("put", **part) == {"have": 4000}
        assert bench.call("put", **part) == {"have": 4000}
        overlapping = dict(words, offset=2000, data=b64(CONTENT[2000:]))
        assert bench.call("put", **overlapping) == {"have": len(CONTENT)}
        assert bench.call("put", **part) == {"have": len(CONTENT)}
        first = bench.call("finish", **words)
        assert bench.call("finish", **words) == first
        assert bench.content("data/files/a") == CONTENT


def test_an_interrupted_transfer_goes_on_from_what_is_there(calls):
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        words = {"path": "files/a", "sha256": sha(CONTENT), "size": len(CONTENT)}
        bench.call("put", offset=0, data=b64(CONTENT[:3333]), **words)
        again = Tree(bench.tree.roots, bench.tree.secrets, calls)  # as after a restart
        with again.find("files/a") as place:
            have = transfer.put(place, sha(CONTENT), len(CONTENT), 0, b"", False, False)
        assert have == 3333
        assert put_parts(bench, "files/a", CONTENT, have) == len(CONTENT)
        bench.call("finish", **words)
        assert bench.content("data/files/a") == CONTENT


def test_a_part_behind_a_gap_is_not_taken(calls):
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        words = {"path": "files/a", "sha256": sha(CONTENT), "size": len(CONTENT)}
        assert bench.call("put", offset=100, data=b64(b"x"), **words) == {"have": 0}
        error = raises(LimpetError, bench.call, "finish", **words)
        assert (error.code, error.data) == ("incomplete", {"have": 0})


def test_a_wrong_content_never_replaces_the_file(calls):
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        bench.put("data/files/a", b"old")
        words = {"path": "files/a", "sha256": sha(b"right"), "size": 5}
        bench.call("put", offset=0, data=b64(b"wrong"), **words)
        assert code_of(bench.call, "finish", **words) == "wrong-content"
        assert bench.content("data/files/a") == b"old"
        assert bench.call("put", **words) == {"have": 0}
        assert code_of(bench.call, "finish", **words) == "incomplete"


def test_more_than_its_size_is_refused(calls):
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        words = {"path": "files/a", "sha256": sha(b"abc"), "size": 3}
        assert code_of(bench.call, "put", data=b64(b"abcd"), **words) == "bad-params"


def test_a_new_content_removes_what_was_left_of_another(calls):
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        put_parts(bench, "files/a", CONTENT)
        put_parts(bench, "files/b", CONTENT)
        assert len(partials(bench)) == 2
        put_parts(bench, "files/a", b"other")
        assert len(partials(bench)) == 2
        error = raises(
            LimpetError, bench.call, "finish",
            path="files/a", sha256=sha(CONTENT), size=len(CONTENT),
        )  # fmt: skip
        assert error.code == "incomplete"


def test_an_empty_file_can_be_put(calls):
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        words = {"path": "files/a", "sha256": sha(b""), "size": 0}
        assert bench.call("put", **words) == {"have": 0}
        bench.call("finish", **words)
        assert bench.content("data/files/a") == b""


def test_a_small_file_is_written_by_one_request(calls):
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        bench.call("write", path="files/a", text="grün")
        assert bench.content("data/files/a") == "grün".encode()
        bench.call("write", path="files/a", data=b64(b"\0\1"))
        assert bench.content("data/files/a") == b"\0\1"
        assert (
            code_of(bench.call, "write", path="files/a", text="x", data=b64(b"y")) == "bad-params"
        )
        assert code_of(bench.call, "write", path="files/a", data="abc") == "bad-params"


def test_reading_in_parts_gives_the_whole(calls):
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        bench.put("log/a", CONTENT)
        got = b""
        while True:
            part = bench.call("read", path="log/a", offset=len(got), size=999)
            assert part["size"] == len(CONTENT)
            if not part["data"]:
                break
            got += a2b_base64(part["data"])
        assert got == CONTENT


def test_the_largest_part_fits_the_largest_reply(calls):
    with temporary_folder() as folder:
        bench = Bench(calls, folder, reply_bytes=1024)
        bench.put("log/a", CONTENT)
        part = bench.call("read", path="log/a")
        assert len(json.dumps(part)) < 1024 - 200
        assert len(a2b_base64(part["data"])) == 384


def test_a_hash_is_of_all_or_of_the_start(calls):
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        bench.put("log/a", CONTENT * 20)
        whole = bench.call("hash", path="log/a")
        assert whole == {"sha256": sha(CONTENT * 20), "size": 20 * len(CONTENT)}
        start = bench.call("hash", path="log/a", length=5000)
        assert start == {"sha256": sha(CONTENT[:5000]), "size": 5000}
        error = raises(LimpetError, bench.call, "hash", path="log/a", length=1 << 30)
        assert (error.code, error.data) == ("incomplete", {"have": 20 * len(CONTENT)})


def test_a_folder_of_any_size_is_listed_in_bounded_answers(calls):
    with temporary_folder() as folder:
        bench = Bench(calls, folder, reply_bytes=2048)
        names = ["file-%03d" % i for i in range(150)]
        for name in names:
            bench.put("log/" + name, b"x")
        os.mkdir(bench.folder + "/log/sub")
        found = []
        pages = 0
        more = True
        while more:
            page = bench.call("list", path="log", after=found[-1]["name"] if found else "")
            assert len(json.dumps(page)) < 2048
            found += page["entries"]
            more = page["more"]
            pages += 1
        assert [entry["name"] for entry in found] == names + ["sub"]
        assert found[0]["type"] == "file" and found[0]["size"] == 1
        assert found[-1]["type"] == "folder"
        assert pages > 3


def test_what_is_written_shows_in_stat(calls):
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        bench.call("write", path="files/a", text="abc")
        found = bench.call("stat", path="files/a")
        assert (found["type"], found["size"], found["executable"]) == ("file", 3, False)
        assert found["modified"] > 1700000000
        assert bench.call("stat", path="files")["type"] == "folder"


def test_an_executable_stays_one(calls):
    if calls.WEAKNESS:
        skip("this way has no modes")
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        bench.call("write", path="files/a", text="#!", executable=True)
        assert bench.call("stat", path="files/a")["executable"]
        bench.call("write", path="files/a", text="#!2")
        assert bench.call("stat", path="files/a")["executable"]


def test_move_remove_and_folders(calls):
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        assert bench.call("make_folder", path="files/sub") == {"made": True}
        assert bench.call("make_folder", path="files/sub/") == {"made": False}
        bench.call("write", path="files/a", text="a")
        bench.call("move", path="files/a", to="files/sub/b")
        assert bench.content("data/files/sub/b") == b"a"
        bench.call("write", path="files/a", text="new")
        assert code_of(bench.call, "move", path="files/a", to="files/sub/b") == "exists"
        bench.call("move", path="files/a", to="files/sub/b", replace=True)
        assert bench.content("data/files/sub/b") == b"new"
        assert code_of(bench.call, "remove", path="files/sub") == "not-empty"
        bench.call("remove", path="files/sub/b")
        bench.call("remove", path="files/sub")
        assert code_of(bench.call, "remove", path="files/sub") == "not-found"
        assert code_of(bench.call, "make_folder", path="files/x/y") == "not-found"


READING = (("stat", {}), ("read", {}), ("hash", {}), ("list", {}))
WRITING = (
    ("write", {"text": "x"}),
    ("put", {"sha256": sha(b"x"), "size": 1, "data": b64(b"x")}),
    ("remove", {}),
    ("make_folder", {}),
    ("move", {"to": "files/other"}),
)


def test_a_root_that_is_only_to_be_read_stays_as_it_is(calls):
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        bench.put("log/a", b"old")
        for name, words in WRITING:
            assert code_of(bench.call, name, path="log/a", **words) == "denied", name
        error = raises(LimpetError, bench.call, "move", path="files/a", to="log/b")
        assert error.code == "denied"
        assert os.listdir(folder + "/log") == ["a"]
        assert bench.content("log/a") == b"old"


def test_a_root_itself_is_neither_moved_nor_removed(calls):
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        for name, words in WRITING:
            assert code_of(bench.call, name, path="files", **words) == "denied", name


def test_the_agents_own_data_is_out_of_reach_by_every_way(calls):
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        for path in ("all/data", "all/data/keys.0", "all/data/files/a", "all/agent.json"):
            for name, words in READING + WRITING:
                if path == "all/agent.json" and name in ("list", "make_folder"):
                    continue
                assert code_of(bench.call, name, path=path, **words) == "denied", (name, path)
        names = [entry["name"] for entry in bench.call("list", path="all")["entries"]]
        assert names == ["log"]
        assert bench.content("agent.json") == b"secret"


def test_a_folder_that_holds_the_agents_data_does_not_move(calls):
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        os.mkdir(folder + "/top")
        os.rename(folder + "/data", folder + "/top/data")
        tree = bench.tree
        tree.secrets = Secrets(folder + "/top/data", [])
        assert code_of(bench.call, "move", path="all/top", to="all/away") == "denied"
        assert "top" in os.listdir(folder)


def test_a_hard_link_to_a_secret_is_the_secret(calls):
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        run_in_shell("ln %s/agent.json %s/innocent" % (folder, bench.path))
        assert code_of(bench.call, "read", path="files/innocent") == "denied"


def test_without_inodes_a_root_that_could_hold_secrets_is_refused(calls):
    secrets = Secrets("/d/LIMPET/data", ["/d/agent.json", "conf/x.json"])
    for path in ("/", "/d", "/D/limpet", "/d/limpet/data"):
        raises(Unavailable, secrets.check_root, Root("r", path, True))
    for path in ("/d/limpet/data/files", "/d/lim", "/e"):
        secrets.check_root(Root("r", path, True))


def links(bench):
    """Links that lead out, in, nowhere and in a circle."""
    run_in_shell("ln -s /etc %s/out" % bench.path)
    run_in_shell("ln -s /etc/passwd %s/passwd" % bench.path)
    run_in_shell("ln -s nothing %s/dangling" % bench.path)
    run_in_shell("ln -s circle %s/circle" % bench.path)
    run_in_shell("ln -s real %s/inner" % bench.path)
    bench.put("data/files/real", b"real")


def test_no_link_is_followed_by_any_command(calls):
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        links(bench)
        for path in ("out/passwd", "out/x", "inner/x", "circle/x"):
            for name, words in READING + WRITING:
                code = code_of(bench.call, name, path="files/" + path, **words)
                assert code in ("not-found", "denied"), (name, path, code)
        for path in ("passwd", "dangling", "circle", "inner", "out"):
            for name in ("read", "hash", "list"):
                code = code_of(bench.call, name, path="files/" + path)
                assert code in ("denied", "not-found"), (name, path, code)
            for name in ("write", "put", "move", "make_folder"):
                words = dict(WRITING)[name]
                code = code_of(bench.call, name, path="files/" + path, **words)
                assert code in ("denied", "exists"), (name, path, code)
            assert bench.call("stat", path="files/" + path)["type"] == "link"
        code = code_of(bench.call, "move", path="files/real", to="files/passwd")
        assert code == "exists"
        assert bench.content("data/files/real") == b"real"


def test_a_link_can_be_removed_and_what_it_points_to_stays(calls):
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        links(bench)
        bench.call("remove", path="files/inner")
        assert "inner" not in os.listdir(bench.path)
        assert bench.content("data/files/real") == b"real"


def test_a_link_in_the_place_of_a_partial_is_refused(calls):
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        bench.put("log/target", b"precious")
        name = transfer.partial_names("a", sha(b"x"))[1]
        run_in_shell("ln -s %s/log/target %s/%s" % (folder, bench.path, name))
        words = {"path": "files/a", "sha256": sha(b"x"), "size": 1}
        assert code_of(bench.call, "put", data=b64(b"x"), **words) == "denied"
        assert code_of(bench.call, "finish", **words) in ("denied", "incomplete")
        assert bench.content("log/target") == b"precious"


def test_what_is_no_file_is_refused_and_not_waited_for(calls):
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        run_in_shell("mkfifo %s/fifo" % bench.path)
        os.mkdir(bench.path + "/folder")
        for path in ("fifo", "folder"):
            for name in ("read", "hash", "write", "put"):
                words = dict(WRITING).get(name, {})
                code = code_of(bench.call, name, path="files/" + path, **words)
                assert code == "not-a-file", (name, path, code)
        assert code_of(bench.call, "list", path="files/fifo") == "not-found"
        assert bench.call("stat", path="files/fifo")["type"] == "other"


def test_a_device_file_is_looked_at_and_left_alone(calls):
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        run_in_shell("mknod %s/null c 1 3 2>/dev/null" % bench.path)
        assert bench.call("stat", path="files/null")["type"] == "other"
        for name in ("read", "hash", "write", "put", "move"):
            words = dict(WRITING).get(name, {})
            assert code_of(bench.call, name, path="files/null", **words) == "not-a-file", name


def test_another_file_system_below_a_root_is_not_entered(calls):
    try:
        device = os.stat("/proc")[2]
    except OSError:
        skip("no /proc here")
    if device == os.stat("/.")[2]:
        skip("/proc is no file system of its own")
    with temporary_folder() as folder:
        tree = Tree([Root("all", "/", False)], Secrets(folder, []), calls)
        error = raises(LimpetError, tree.find, "all/proc/version")
        assert error.code == "denied", error


def test_no_root_is_in_the_kernels_own_trees(calls):
    tried = 0
    for path in ("/proc", "/proc/self", "/proc/1/..", "/sys", "/dev"):
        try:
            if os.stat(path)[2] == os.stat("/.")[2]:
                continue
        except OSError:
            continue
        tried += 1
        with temporary_folder() as folder:
            tree = Tree([Root("all", path, False)], Secrets(folder, []), calls)
            for below in ("all", "all/environ", "all/self/environ", "all/null"):
                error = raises(LimpetError, tree.find, below)
                assert error.code == "denied" and "may not be in /" in error.message, (path, error)
            told = fs._roots(fs.Files(tree, 4096, 8192), {})
            assert "may not be in /" in told["roots"][0]["fault"]
    if not tried:
        skip("there are none here")


def test_a_kernels_tree_that_is_a_plain_folder_here_closes_no_root(calls):
    """A small container has an empty /sys on the file system of everything else."""
    device = os.stat("/.")[2]
    plain = [path for path in ("/sys", "/usr", "/etc", "/bin") if device_of(path) == device]
    with temporary_folder() as folder:
        if not plain or device_of(folder) != device:
            skip("nothing here lies on the file system of /")
        kept, places.KERNEL_TREES = places.KERNEL_TREES, plain
        try:
            tree = Tree([Root("all", folder, False)], Secrets(folder + "/data", []), calls)
            assert tree.find("all") is not None
        finally:
            places.KERNEL_TREES = kept


def device_of(path):
    try:
        return os.stat(path)[2]
    except OSError:
        return None


def test_a_folder_swapped_for_a_link_in_the_middle_leads_nowhere(calls):
    if calls.WEAKNESS:
        skip(calls.WEAKNESS)
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        os.mkdir(bench.path + "/sub")
        bench.put("data/files/sub/passwd", b"mine")
        with bench.tree.find("files/sub/passwd") as place:
            os.rename(bench.path + "/sub", bench.path + "/away")
            run_in_shell("ln -s /etc %s/sub" % bench.path)
            with place.open("rb") as file:
                assert file.read() == b"mine"
            os.remove(bench.path + "/away/passwd")
            run_in_shell("ln -s /etc/passwd %s/away/passwd" % bench.path)
            assert code_of(place.open, "rb") == "denied"


SWAPS = """
i=0; while [ $i -lt 3000 ] && [ -e %s ]; do
mv sub away; ln -s /etc sub; rm sub; mv away sub; i=$((i+1)); done
"""


def test_a_race_for_a_link_is_never_lost(calls):
    if calls.WEAKNESS:
        skip(calls.WEAKNESS)
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        os.mkdir(bench.path + "/sub")
        bench.put("data/files/sub/passwd", b"mine")
        run_in_shell(
            "(cd %s; %s) >/dev/null 2>&1 &" % (bench.path, SWAPS % (folder + "/agent.json"))
        )
        seen = set()
        codes = set()
        for _ in range(400):
            try:
                seen.add(a2b_base64(bench.call("read", path="files/sub/passwd")["data"]))
            except LimpetError as error:
                codes.add(error.code)
        os.remove(folder + "/agent.json")  # which ends the swapping
        assert seen <= {b"mine"} and codes <= {"denied", "not-found"}, (seen, codes)


def test_no_descriptor_stays_open_whatever_is_refused(calls):
    try:
        os.listdir("/proc/self/fd")
    except OSError:
        skip("no /proc here")
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        bench.put("data/files/a", b"x")
        before = len(os.listdir("/proc/self/fd"))
        for path in (
            "files/a",
            "files/a/b",
            "files/x/y",
            "gone/a",
            "all/data/x",
            "log/a",
            "files",
        ):
            for name, words in READING + WRITING:
                try:
                    bench.call(name, path=path, **words)
                except LimpetError:
                    pass
        assert len(os.listdir("/proc/self/fd")) == before


def test_an_unknown_root_names_those_there_are(calls):
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        error = raises(LimpetError, bench.call, "list", path="etc/passwd")
        assert error.code == "not-found" and "files, log, all, gone" in error.message
        assert code_of(bench.call, "list", path="gone") == "not-found"


def test_roots_tell_their_space_and_the_sizes_that_fit(calls):
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        told = bench.call("roots")
        rows = {row["name"]: row for row in told["roots"]}
        assert rows["files"]["write"] and not rows["log"]["write"]
        assert "fault" in rows["gone"]
        assert told["packet_bytes"] == 4096 and told["part_bytes"] > 5000
        assert ("weakness" in told) == bool(calls.WEAKNESS)


def test_too_little_space_is_told_before_anything_is_written(calls):
    with temporary_folder() as folder:
        bench = Bench(calls, folder)
        bench.put("data/files/a", b"old")
        if not hasattr(os, "statvfs"):
            skip("nobody tells the free space here")
        words = {"path": "files/a", "sha256": sha(b"x"), "size": 1 << 50}
        error = raises(LimpetError, bench.call, "put", **words)
        assert error.code == "no-space" and error.data["free_bytes"] < 1 << 50
        assert partials(bench) == []
        assert bench.content("data/files/a") == b"old"


class FullDisk:
    """A way to reach files on a disk that takes `room` bytes more."""

    def __init__(self, calls, room):
        self._calls = calls
        self.room = room
        for name in ("open_root", "open_below", "close_folder", "path_of", "in_folder", "look",
                     "make_file", "WEAKNESS"):  # fmt: skip
            setattr(self, name, getattr(calls, name))

    def open_file(self, folder, name, mode, accept):
        file = self._calls.open_file(folder, name, mode, accept)
        return FullFile(self, file) if mode == "ab" else file


class FullFile:
    """Takes what there is room for; then ENOSPC."""

    def __init__(self, disk, file):
        self._disk = disk
        self._file = file
        self.flush = file.flush
        self.fileno = getattr(file, "fileno", None)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()

    def write(self, data):
        count = min(len(data), self._disk.room)
        if not count:
            raise OSError(28, "full")
        self._disk.room -= count
        return self._file.write(bytes(data[:count]))


def test_a_disk_that_fills_up_loses_nothing_and_the_rest_comes_later(calls):
    with temporary_folder() as folder:
        disk = FullDisk(calls, 2500)
        bench = Bench(disk, folder)
        bench.put("data/files/a", b"old")
        error = raises(LimpetError, put_parts, bench, "files/a", CONTENT)
        assert (error.code, error.data["errno"]) == ("no-space", 28), error
        assert bench.content("data/files/a") == b"old"
        words = {"path": "files/a", "sha256": sha(CONTENT), "size": len(CONTENT)}
        assert bench.call("put", **words) == {"have": 2500}
        disk.room = 1 << 20
        put_parts(bench, "files/a", CONTENT, 2500)
        bench.call("finish", **words)
        assert bench.content("data/files/a") == CONTENT

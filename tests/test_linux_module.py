"""The C module `_linux` of our own Linux builds: what it does, and what it refuses.

Every test here must also pass under AddressSanitizer and UBSan. Interpreters without the module
skip with that reason.
"""

import errno
import os
import select
import struct
import sys
import time

from support import raises, skip, temporary_folder

try:
    import _linux as found
except ImportError:
    found = None

# Numbers that MicroPython has no name for; the same on every machine that we build for.
ECHILD = 10
EFAULT = 14
ENOTTY = 25
SIGUSR1 = 10
SIGKILL = 9
SIGTERM = 15
FIONREAD = 0x541B  # of the old kind: the number says nothing of the size
# _IOR('T', 0x30, unsigned int): what a terminal's number is, on the master of a pair
TIOCGPTN = 0x80045430


def module():
    """`_linux`, or the skip of the test that asks."""
    if found is None:
        skip("this interpreter has no _linux: only our own Linux builds carry it")
    return found


def spawn_shell(linux, line, **options):
    return linux.spawn(["/bin/sh", "-c", line], **options)


def read_all(linux, fd):
    parts = []
    while True:
        part = linux.read(fd, 4096)
        if not part:
            linux.close(fd)
            return b"".join(parts)
        parts.append(part)


def make_file(folder, size):
    path = folder + "/window"
    with open(path, "wb") as file:
        file.write(bytes([at % 251 for at in range(size)]))
    return path


def is_error(number, call, *arguments, **options):
    error = raises(OSError, call, *arguments, **options)
    assert error.errno == number, error


# Descriptors


def test_a_pipe_carries_bytes_to_its_end():
    linux = module()
    reader, writer = linux.pipe()
    assert linux.write(writer, b"abc") == 3
    linux.close(writer)
    assert linux.read(reader, 10) == b"abc"
    assert linux.read(reader, 10) == b""
    linux.close(reader)
    is_error(errno.EBADF, linux.read, reader, 1)
    is_error(errno.EBADF, linux.close, reader)


def test_an_empty_descriptor_that_does_not_block_answers_none():
    linux = module()
    counter = linux.eventfd()
    assert linux.read(counter, 8) is None
    linux.close(counter)


def test_an_eventfd_adds_up_and_wakes_poll():
    linux = module()
    counter = linux.eventfd(2)
    poll = select.poll()
    poll.register(counter, select.POLLIN)
    assert linux.write(counter, struct.pack("Q", 40)) == 8
    assert len(poll.poll(0)) == 1
    assert struct.unpack("Q", linux.read(counter, 8)) == (42,)
    poll.unregister(counter)
    linux.close(counter)
    raises(ValueError, linux.eventfd, -1)


def test_a_path_is_opened_as_asked():
    linux = module()
    with temporary_folder() as folder:
        flags = linux.O_CREAT | linux.O_EXCL | linux.O_WRONLY
        fd = linux.open(folder + "/new", flags, 0o600)
        linux.write(fd, b"x")
        linux.close(fd)
        is_error(errno.EEXIST, linux.open, folder + "/new", flags)
        is_error(errno.ENOENT, linux.open, folder + "/missing", linux.O_RDONLY)
        is_error(errno.ENOENT, linux.open, "", linux.O_RDONLY)
        raises(ValueError, linux.open, folder + "/a\0b", linux.O_RDONLY)
        raises(TypeError, linux.open, 5, linux.O_RDONLY)


def test_wrong_descriptors_are_refused():
    linux = module()
    for wrong in (-1, 1 << 31, 1 << 40, -(1 << 70)):
        raises(ValueError, linux.read, wrong, 1)
    for wrong in ("0", None, 1.5, b"", [], object()):
        raises((TypeError, OSError), linux.read, wrong, 1)
    raises(ValueError, linux.read, 0, -1)
    raises(TypeError, linux.write, 1, 5)


def test_a_closed_file_is_no_descriptor():
    linux = module()
    with temporary_folder() as folder:
        file = open(make_file(folder, 10), "rb")
        assert linux.read(file, 2) == b"\x00\x01"
        file.close()
        raises((ValueError, OSError), linux.read, file, 2)
        raises((ValueError, OSError), linux.fsync, file)


# ioctl


def test_ioctl_fills_a_buffer_in_place():
    linux = module()
    reader, writer = linux.pipe()
    linux.write(writer, b"12345")
    answer = bytearray(4)
    assert linux.ioctl(reader, FIONREAD, answer) == 0
    assert struct.unpack("I", answer) == (5,)
    constant = bytes(4)
    linux.ioctl(reader, FIONREAD, constant)
    assert constant == bytes(4)
    linux.close(reader)
    linux.close(writer)


def test_ioctl_overruns_no_buffer():
    linux = module()
    master = linux.open("/dev/ptmx", linux.O_RDWR)
    number = bytearray(4)
    linux.ioctl(master, TIOCGPTN, number)
    for size in (0, 1, 3):
        assert "4 bytes" in str(raises(ValueError, linux.ioctl, master, TIOCGPTN, bytearray(size)))
    # The old kind does not say: the buffer gets what fits in it, and nothing beyond it.
    line = bytearray(b"\xee" * 2)
    linux.ioctl(master, 0x5413, line)  # TIOCGWINSZ writes 8 bytes
    assert len(line) == 2 and line == bytes(2)
    big = bytearray(5000)
    linux.ioctl(master, 0x5413, big)
    linux.close(master)


def test_ioctl_takes_an_int_and_refuses_the_rest():
    linux = module()
    reader, writer = linux.pipe()
    assert linux.ioctl(reader, 0x5451) == 0  # FIOCLEX
    is_error(ENOTTY, linux.ioctl, reader, 0x5413, bytearray(8))
    is_error(EFAULT, linux.ioctl, reader, FIONREAD, 1)
    raises(ValueError, linux.ioctl, reader, 1 << 32, 0)
    raises(ValueError, linux.ioctl, reader, -1, 0)
    raises(TypeError, linux.ioctl, reader, "request")
    raises(TypeError, linux.ioctl, reader, FIONREAD, 1.5)
    raises(TypeError, linux.ioctl, reader, FIONREAD, None)
    raises(OverflowError, linux.ioctl, reader, FIONREAD, 1 << 80)
    linux.close(reader)
    linux.close(writer)
    is_error(errno.EBADF, linux.ioctl, reader, FIONREAD, bytearray(4))


# Files


def test_a_lock_keeps_others_out():
    linux = module()
    with temporary_folder() as folder:
        path = folder + "/lock"
        first = linux.open(path, linux.O_RDWR | linux.O_CREAT)
        second = linux.open(path, linux.O_RDWR)
        linux.flock(first, linux.LOCK_EX)
        is_error(errno.EAGAIN, linux.flock, second, linux.LOCK_EX | linux.LOCK_NB)
        linux.flock(first, linux.LOCK_UN)
        linux.flock(second, linux.LOCK_EX | linux.LOCK_NB)
        linux.close(first)
        linux.close(second)
        is_error(errno.EBADF, linux.flock, second, linux.LOCK_EX)
        raises(ValueError, linux.flock, 0, -1)


def test_files_and_folders_are_synced():
    linux = module()
    with temporary_folder() as folder:
        path = make_file(folder, 10)
        linux.fsync(path)
        linux.fsync(folder)
        with open(path, "rb") as file:
            linux.fsync(file)
            linux.fsync(file.fileno())
        is_error(errno.ENOENT, linux.fsync, folder + "/missing")
    reader, writer = linux.pipe()
    is_error(errno.EINVAL, linux.fsync, reader)
    linux.close(reader)
    linux.close(writer)
    linux.sync()


def test_statvfs_tells_whole_numbers():
    linux = module()
    figures = linux.statvfs("/")
    assert len(figures) == 10 and all([type(n) is int and n >= 0 for n in figures])
    assert figures[0] >= 512 and figures[3] <= figures[2] and figures[9] >= 14
    is_error(errno.ENOENT, linux.statvfs, "/no/such/place")
    raises(TypeError, linux.statvfs, 0)


# mmap


def test_accesses_have_their_width_and_order():
    linux = module()
    with temporary_folder() as folder:
        fd = linux.open(make_file(folder, 100), linux.O_RDWR)
        with linux.mmap(fd, 100) as window:
            assert len(window) == 100
            window.store(8, 64, 0x1122334455667788)
            assert window.load(8, 64) == 0x1122334455667788
            little = sys.byteorder == "little"
            assert window.load(8, 32) == (0x55667788 if little else 0x11223344)
            assert window.load(8, 16) == (0x7788 if little else 0x1122)
            assert window.load(8, 8) == (0x88 if little else 0x11)
            window.store(99, 8, 255)
            window.store(16, 64, (1 << 64) - 1)
            assert window.load(16, 64) == (1 << 64) - 1 and window.load(24, 8) == 24
            window.flush()
        linux.close(fd)
        with open(folder + "/window", "rb") as file:
            data = file.read()
        assert data[99] == 255 and data[24] == 24 and len(data) == 100


def test_an_access_outside_is_refused():
    linux = module()
    with temporary_folder() as folder:
        fd = linux.open(make_file(folder, 100), linux.O_RDWR)
        window = linux.mmap(fd, 100)
        for offset, bits in ((100, 8), (98, 32), (96, 64), (1 << 31, 8), (1 << 63, 8)):
            raises(IndexError, window.load, offset, bits)
            raises(IndexError, window.store, offset, bits, 0)
        raises(ValueError, window.load, -1, 8)
        raises(ValueError, window.load, 1 << 70, 8)
        for offset, bits in ((1, 16), (2, 32), (4, 64)):
            raises(ValueError, window.load, offset, bits)
        for bits in (0, 1, 24, 48, 128, -8):
            raises(ValueError, window.load, 0, bits)
        for bits in (8, 16, 32, 64):
            raises(ValueError, window.store, 0, bits, 1 << bits)
            raises(ValueError, window.store, 0, bits, -1)
        raises(TypeError, window.load, "0", 8)
        raises(TypeError, window.store, 0, 8, None)
        raises(IndexError, window.readinto, 1, bytearray(100))
        raises(IndexError, window.write, 101, b"")
        raises(TypeError, window.readinto, 0, bytes(4))
        window.write(100, b"")
        window.close()
        linux.close(fd)


def test_bytes_are_copied_in_and_out():
    linux = module()
    with temporary_folder() as folder:
        fd = linux.open(make_file(folder, 10000), linux.O_RDWR)
        window = linux.mmap(fd, 1000, linux.PROT_READ | linux.PROT_WRITE, linux.MAP_SHARED, 5001)
        piece = bytearray(3)
        window.readinto(0, piece)
        assert list(piece) == [5001 % 251, 5002 % 251, 5003 % 251]
        window.write(997, b"end")
        window.readinto(997, piece)
        assert piece == b"end"
        window.close()
        linux.close(fd)


def test_a_closed_mapping_answers_with_an_error():
    linux = module()
    with temporary_folder() as folder:
        fd = linux.open(make_file(folder, 100), linux.O_RDWR)
        window = linux.mmap(fd, 100)
        linux.close(fd)
        assert window.load(3, 8) == 3  # the mapping outlives the descriptor
        window.close()
        window.close()
        raises(ValueError, window.load, 0, 8)
        raises(ValueError, window.store, 0, 8, 0)
        raises(ValueError, window.readinto, 0, bytearray(1))
        raises(ValueError, window.flush)
        raises(ValueError, len, window)


def test_a_file_cut_short_is_an_error_and_not_the_end():
    linux = module()
    with temporary_folder() as folder:
        path = make_file(folder, 10000)
        fd = linux.open(path, linux.O_RDWR)
        window = linux.mmap(fd, 10000)
        open(path, "wb").close()
        for _ in range(3):
            is_error(EFAULT, window.load, 8192, 8)
            is_error(EFAULT, window.store, 8192, 64, 1)
            is_error(EFAULT, window.readinto, 8000, bytearray(500))
        window.close()
        linux.close(fd)


def test_what_cannot_be_mapped_is_refused():
    linux = module()
    with temporary_folder() as folder:
        path = make_file(folder, 100)
        fd = linux.open(path, linux.O_RDONLY)
        raises(ValueError, linux.mmap, fd, 101)
        raises(ValueError, linux.mmap, fd, 0)
        raises(ValueError, linux.mmap, fd, -5)
        raises(ValueError, linux.mmap, fd, 1 << 63)
        raises(ValueError, linux.mmap, fd, 10, 0)
        raises(ValueError, linux.mmap, fd, 10, 8)
        raises(ValueError, linux.mmap, fd, 10, 1, 32)
        raises(ValueError, linux.mmap, fd, 10, 1, 1, 91)
        raises(ValueError, linux.mmap, fd, 10, 1, 1, (1 << 64) - 1)
        raises(TypeError, linux.mmap, fd)
        is_error(errno.EACCES, linux.mmap, fd, 100)
        window = linux.mmap(fd, 100, linux.PROT_READ)
        is_error(errno.EACCES, window.store, 0, 8, 1)
        is_error(errno.EACCES, window.write, 0, b"x")
        window.close()
        linux.close(fd)
        is_error(errno.EBADF, linux.mmap, fd, 10)


# Processes


def test_a_child_gets_its_pipes_and_its_end_is_told():
    linux = module()
    child_in, mine_out = linux.pipe()
    mine_in, child_out = linux.pipe()
    line = "read word; echo $word; echo error >&2; exit 7"
    pid = spawn_shell(linux, line, stdin=child_in, stdout=child_out, stderr=1)
    # stderr=1 came after stdout went to 1, so both are in the one pipe
    linux.close(child_in)
    linux.close(child_out)
    linux.write(mine_out, b"hello\n")
    linux.close(mine_out)
    assert read_all(linux, mine_in) == b"hello\nerror\n"
    assert linux.wait(pid) == (pid, 7)
    is_error(ECHILD, linux.wait, pid)


def test_a_child_has_the_environment_and_folder_given():
    linux = module()
    reader, writer = linux.pipe()
    with temporary_folder() as folder:
        pid = spawn_shell(
            linux, "echo $A $B; pwd", stdout=writer, environment=["A=1", "B=x y"], folder=folder
        )
        linux.close(writer)
        lines = read_all(linux, reader).decode().split("\n")
        assert linux.wait(pid) == (pid, 0)
        assert lines[0] == "1 x y" and lines[1].endswith(folder.rsplit("/", 1)[1])


def test_a_child_inherits_no_other_descriptor():
    linux = module()
    with temporary_folder() as folder:
        kept = open(make_file(folder, 10), "rb")
        reader, writer = linux.pipe()
        pid = spawn_shell(linux, "test -e /proc/self/fd/%d" % kept.fileno(), stdout=writer)
        assert linux.wait(pid)[1] == 1
        kept.close()
    linux.close(reader)
    linux.close(writer)


def test_a_signal_ends_a_child_with_all_that_it_started():
    linux = module()
    reader, writer = linux.pipe()
    pid = spawn_shell(linux, "echo ready; sleep 100 & sleep 100", stdout=writer)
    linux.close(writer)
    assert linux.read(reader, 10) == b"ready\n"
    assert linux.wait(pid, False) is None
    linux.kill(-pid, SIGKILL)
    assert linux.wait(pid) == (pid, -SIGKILL)
    assert read_all(linux, reader) == b""  # nobody holds the other end any more


def test_a_child_starts_with_no_signal_blocked_or_ignored():
    linux = module()
    reader, writer = linux.pipe()
    pid = spawn_shell(linux, "grep -E 'Sig(Blk|Ign)' /proc/self/status", stdout=writer)
    linux.close(writer)
    lines = read_all(linux, reader).decode().split("\n")
    linux.wait(pid)
    # The low 31 are a program's; glibc leaves two above them, its own, ignored in every child.
    assert [int(line.split()[1], 16) & 0x7FFFFFFF for line in lines if line] == [0, 0]


def test_a_program_that_is_not_there_is_an_error():
    linux = module()
    is_error(errno.ENOENT, linux.spawn, ["/no/such/program"])
    is_error(errno.EACCES, linux.spawn, ["/etc"])
    is_error(errno.ENOENT, linux.spawn, ["true"], folder="/no/such/folder")
    is_error(ECHILD, linux.wait, -1, False)


def test_wrong_arguments_start_nothing():
    linux = module()
    raises(ValueError, linux.spawn, [])
    raises(TypeError, linux.spawn, "true")
    raises(TypeError, linux.spawn, [1])
    raises(ValueError, linux.spawn, ["true\0"])
    raises(ValueError, linux.spawn, ["true"], stdin=1)
    raises(ValueError, linux.spawn, ["true"], stdout=0)
    raises(ValueError, linux.spawn, ["true"], stdout=-1)
    raises(TypeError, linux.spawn, ["true"], stdout="file")
    raises(TypeError, linux.spawn, ["true"], environment={"A": "1"}.values)
    raises(TypeError, linux.spawn, ["true"], no_such=1)
    raises(TypeError, linux.spawn)
    is_error(ECHILD, linux.wait, -1, False)


def test_wait_and_kill_refuse_what_is_no_process():
    linux = module()
    raises(ValueError, linux.wait, 0)
    raises(ValueError, linux.wait, -5)
    raises(ValueError, linux.wait, 1 << 40)
    raises(TypeError, linux.wait, "1")
    raises(ValueError, linux.kill, 1 << 40, 0)
    raises(ValueError, linux.kill, linux.getpid(), 65)
    linux.kill(linux.getpid(), 0)


# Signals and clocks


def test_a_signal_is_read_from_its_descriptor():
    linux = module()
    fd = linux.signalfd([SIGUSR1])
    assert linux.read(fd, 128) is None
    linux.kill(linux.getpid(), SIGUSR1)
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    assert len(poll.poll(5000)) == 1
    record = linux.read(fd, 128)
    assert len(record) == 128 and struct.unpack("I", record[:4]) == (SIGUSR1,)
    poll.unregister(fd)
    linux.close(fd)


def test_signals_that_are_no_news_are_refused():
    linux = module()
    for number in (0, 7, 8, 11, 4, 32, 34, 64, -1):
        raises(ValueError, linux.signalfd, [number])
    raises(TypeError, linux.signalfd, SIGTERM)
    raises(TypeError, linux.signalfd, ["TERM"])


def test_clocks_tell_nanoseconds():
    linux = module()
    before = linux.clock_gettime(linux.CLOCK_MONOTONIC)
    time.sleep(0.001)
    assert linux.clock_gettime(linux.CLOCK_MONOTONIC) - before >= 1000000
    assert abs(linux.clock_gettime(linux.CLOCK_REALTIME) // 1000000000 - time.time()) < 5
    assert linux.clock_gettime(linux.CLOCK_BOOTTIME) >= before
    is_error(errno.EINVAL, linux.clock_gettime, 1000)
    raises(ValueError, linux.clock_gettime, -1)
    raises(TypeError, linux.clock_gettime, None)


# Threads: whatever blocks lets the others run


def run_beside(call):
    """Run `call` in a thread; returns a function that tells whether it has ended."""
    import _thread

    ended = []

    def work():
        call()
        ended.append(True)

    _thread.start_new_thread(work, ())
    return lambda: bool(ended)


def wait_until(is_true):
    for _ in range(2000):
        if is_true():
            return True
        time.sleep(0.005)
    return False


def test_blocking_calls_let_other_threads_run():
    linux = module()
    with temporary_folder() as folder:
        path = folder + "/lock"
        first = linux.open(path, linux.O_RDWR | linux.O_CREAT)
        second = linux.open(path, linux.O_RDWR)
        linux.flock(first, linux.LOCK_EX)
        has_lock = run_beside(lambda: linux.flock(second, linux.LOCK_EX))
        reader, writer = linux.pipe()
        has_read = run_beside(lambda: linux.read(reader, 1))
        child_in, child_hold = linux.pipe()
        pid = linux.spawn(["cat"], stdin=child_in)
        linux.close(child_in)
        has_waited = run_beside(lambda: linux.wait(pid))
        # All three are at it; the collector's signals must not end their calls either.
        import gc

        for _ in range(10):
            gc.collect()
            time.sleep(0.002)
        assert not (has_lock() or has_read() or has_waited())
        linux.flock(first, linux.LOCK_UN)
        linux.write(writer, b"x")
        linux.close(child_hold)
        assert wait_until(has_lock) and wait_until(has_read) and wait_until(has_waited)
        for fd in (first, second, reader, writer):
            linux.close(fd)


def test_nothing_is_left_open():
    linux = module()
    before = len(os.listdir("/proc/self/fd"))
    with temporary_folder() as folder:
        path = make_file(folder, 100)
        for _ in range(50):
            linux.fsync(path)
            raises(OSError, linux.fsync, "/proc/self/mem/none")
            raises(OSError, linux.spawn, ["/no/such/program"])
            raises(ValueError, linux.signalfd, [0])
    assert len(os.listdir("/proc/self/fd")) == before

"""A tape drive in memory, which answers as drivers/scsi/st.c does.

For trying things out and for tests, on any machine's layout. It holds one partition; positions
after `bsf` and `seek` are unknown (-1), as with the real driver. The contract is `ioctl_fake`'s.
"""

from agent.devices import faults, layout, requests
from agent.devices.ioctl_fake import EBUSY, EINVAL, ENOTTY

EIO, ENOMEM, EACCES = 5, 12, 13
MARK = None  # stands for a file mark among the blocks

BOT, EOF, EOD, ONLINE, NO_TAPE, PROTECTED = (
    0x40000000,
    0x80000000,
    0x08000000,
    0x01000000,
    0x00040000,
    0x04000000,
)


class FakeTape:
    """`target` is the machine whose requests it understands."""

    def __init__(self, target, kind=0x72, protected=False):
        self._abi = target[1]
        self._kind = kind
        self._protected = protected
        self._items = []  # blocks and MARKs
        self._head = 0
        self._known = True  # False: the driver lost count
        self._loaded = True
        self._is_open = False
        self._codes = {
            requests.code_of(requests.find(name), target): name
            for name in ("MTIOCTOP", "MTIOCGET", "MTIOCPOS")
        }
        self._moves = {
            1: lambda count: self._space(count, True),
            2: self._back_over_marks,
            3: lambda count: self._space(count, False),
            5: self._write_marks,
            6: self._rewind,
            7: self._unload,
            8: lambda count: None,
            12: self._to_end,
            22: self._seek,
            30: self._load,
            31: self._unload,
        }

    def opened(self, writable):
        """One user at a time; a protected tape is not opened for writing."""
        if self._is_open:
            raise faults.os_error(EBUSY)
        if writable and self._protected:
            raise faults.os_error(30)
        self._is_open = True

    def closed(self):
        """Keep the place, as /dev/nst* does."""
        self._is_open = False

    def ioctl(self, number, buffer):
        """Answer one of the three requests of mtio.h."""
        name = self._codes.get(number)
        if name is None:
            raise faults.os_error(ENOTTY)
        if name == "MTIOCTOP":
            words = layout.unpack(requests.MTOP, buffer, self._abi)
            move = self._moves.get(words["mt_op"])
            if move is None:
                raise faults.os_error(EINVAL)
            move(words["mt_count"])
        elif name == "MTIOCGET":
            buffer[:] = layout.pack(requests.MTGET, self._status(), self._abi)
        else:
            buffer[:] = layout.pack(requests.MTPOS, {"mt_blkno": self._head}, self._abi)
        return 0

    def read(self, size):
        """The next block; b'' for a mark; EIO at the end of what is recorded."""
        if self._head >= len(self._items):
            raise faults.os_error(EIO)
        item = self._items[self._head]
        if item is not MARK and len(item) > size:
            raise faults.os_error(ENOMEM)
        self._head += 1
        return b"" if item is MARK else item

    def write(self, data):
        """Write a block here; what stood further on is gone."""
        if self._protected:
            raise faults.os_error(EACCES)
        self._items[self._head :] = [bytes(data)]
        self._head += 1
        return len(data)

    def _status(self):
        before = self._items[: self._head]
        file, block = before.count(MARK), 0
        while before and before[-1] is not MARK:
            before.pop()
            block += 1
        return {
            "mt_type": self._kind,
            "mt_gstat": _signed(self._flags(file, block), self._abi),
            "mt_fileno": file if self._known else -1,
            "mt_blkno": block if self._known else -1,
        }

    def _flags(self, file, block):
        if not self._loaded:
            return NO_TAPE
        flags = ONLINE | (PROTECTED if self._protected else 0)
        if self._known and block == 0:
            flags |= BOT if file == 0 else EOF
        return flags | (EOD if self._head == len(self._items) else 0)

    def _space(self, count, over_marks):
        while count:
            if self._head >= len(self._items):
                raise faults.os_error(EIO)
            is_mark = self._items[self._head] is MARK
            self._head += 1
            if is_mark and not over_marks:
                raise faults.os_error(EIO)
            count -= 1 if is_mark or not over_marks else 0

    def _back_over_marks(self, count):
        while count:
            if self._head == 0:
                raise faults.os_error(EIO)
            self._head -= 1
            count -= 1 if self._items[self._head] is MARK else 0
        self._known = False

    def _write_marks(self, count):
        if self._protected:
            raise faults.os_error(EACCES)
        self._items[self._head :] = [MARK] * count
        self._head += count

    def _rewind(self, count):
        if not self._loaded:
            raise faults.os_error(EIO)
        self._head = 0
        self._known = True

    def _to_end(self, count):
        self._head = len(self._items)

    def _seek(self, count):
        if count > len(self._items):
            raise faults.os_error(EIO)
        self._head = count
        self._known = False

    def _load(self, count):
        self._loaded = True
        self._rewind(count)

    def _unload(self, count):
        self._rewind(count)
        self._loaded = False


def _signed(value, abi):
    bits = 8 * abi.word
    return value - (1 << bits) if value >> (bits - 1) else value

"""The start of an agent in an ESP32's firmware, which is in two partitions of the flash.

It stands beside `limpet_start` and, like that, is never part of an update. The one rule: the
record says which image is to run, and the boot loader is told; where it goes back by itself, from
an image that crashed before it was kept, the record counted that attempt before.

A slot is a folder as everywhere. Its file IMAGE lies in the partition `ota_0` (a) or `ota_1` (b);
what is in the folder under that name is its length, written and synced after it.
"""

import limpet_start as starting

IMAGE = "firmware.bin"
BLOCK = 4096  # bytes, of the flash; esp32.Partition erases each as it writes it
_OTA_0 = 16  # subtype of the first partition for updates, esp_partition.h


class Ota:
    """The partitions of {slot}, and which one runs; None for one that is no slot."""

    def __init__(self, kind):
        self._kind = kind
        self.partitions = {}
        for one in kind.find(kind.TYPE_APP):
            if one.info()[1] - _OTA_0 in (0, 1):
                self.partitions["ab"[one.info()[1] - _OTA_0]] = one
        label = kind(kind.RUNNING).info()[4]
        self.running = None
        for slot in self.partitions:
            if self.partitions[slot].info()[4] == label:
                self.running = slot

    def of(self, path):
        """The partition that a path stands for, None for none."""
        words = path.rsplit("/", 2)
        return self.partitions.get(words[-2]) if words[-1] == IMAGE and len(words) > 1 else None

    def keep(self):
        """The boot loader is not to go back from what runs."""
        try:
            self._kind.mark_app_valid_cancel_rollback()
        except OSError:
            pass  # it is one that never goes back by itself


class Image:
    """A file in a partition; `length` is the open file that holds how long it is."""

    def __init__(self, partition, length, mode):
        self._partition = partition
        self.length = length
        self._at = 0
        self._block = bytearray() if mode == "wb" else None
        self._size = 0 if mode == "wb" else _number(length.read(12))

    def readinto(self, buffer):
        """As of a file."""
        count = min(len(buffer), self._size - self._at)
        if count > 0:
            block, inner = divmod(self._at, BLOCK)
            self._partition.readblocks(block, memoryview(buffer)[:count], inner)
            self._at += count
        return max(0, count)

    def read(self, count):
        """As of a file."""
        data = bytearray(count)
        return bytes(data[: self.readinto(data)])

    def seek(self, at, whence=0):
        """As of a file, to read."""
        self._at = at if whence == 0 else self._size + at
        return self._at

    def write(self, data):
        """As of a file, from its beginning to its end."""
        self._block.extend(data)
        while len(self._block) >= BLOCK:
            self._put(self._block[:BLOCK])
            self._block = self._block[BLOCK:]
        return len(data)

    def _put(self, block):
        if self._size + len(block) > self._partition.info()[3]:
            raise OSError(28)
        number, self._size = self._size // BLOCK, self._size + len(block)
        self._partition.writeblocks(number, block + b"\xff" * (BLOCK - len(block)))

    def settle(self):
        """What was written is in the flash, and its length is about to be."""
        if self._block is not None:
            if self._block:
                self._put(self._block)
            self._block = None
            self.length.write(b"%d" % self._size)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.length.__exit__(*error)


def _number(digits):
    if not digits.isdigit():
        raise OSError(5)  # cut off before it was whole
    return int(digits)


def open_in(ota, usual, path, mode):
    """`usual(path, mode)`, or the image that lies there."""
    partition = ota.of(path)
    return usual(path, mode) if partition is None else Image(partition, usual(path, mode), mode)


def settle(files, root, ota):
    """As limpet_start.prepare: (slot, State, whether the boot loader was told of another one)."""
    while True:
        slot, state = starting.prepare(files, root)
        is_trial = state.kind == "trial" and slot != state.good
        if slot is None or slot == ota.running:
            if not is_trial:
                ota.keep()
            return slot, state, False
        try:
            ota.partitions[slot].set_boot()
            return slot, state, True
        except (OSError, KeyError):  # the boot loader takes it for no image
            if not is_trial:
                return None, state, False


class Files(starting.Files):
    """The real files, and images to be read."""

    def __init__(self, ota):
        self._ota = ota

    def open(self, path, mode):
        """As open()."""
        return open_in(self._ota, super().open, path, mode)


def start(root, arguments):
    """As limpet_start.start, of the agent in this firmware; a restart leads to another one."""
    from esp32 import Partition

    ota = Ota(Partition)
    files = Files(ota)
    slot, state, is_other = settle(files, root, ota)
    if is_other:
        return starting.RESTART
    return starting.run(files, root, slot, state, arguments, ota)

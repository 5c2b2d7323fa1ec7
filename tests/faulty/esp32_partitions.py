"""Partitions of an ESP32 and its boot loader, as esp32.Partition shows them."""

BLOCKS, BLOCK = 16, 4096
SUBTYPES = {"factory": 0, "ota_0": 16, "ota_1": 17}


class Partition:
    """`runs` is the label of what runs, `boots` of what is to be started, `before` of what was.

    `is_pending`: None, what is to be started is new; True, it runs and is not kept yet.
    """

    TYPE_APP, RUNNING = 0, 1
    runs = boots = before = "ota_0"
    is_pending = False
    refuses = False  # the boot loader takes no image for one
    flash = None  # {label: bytes}
    medium = None  # what counts and cuts its operations

    def __init__(self, which):
        self._label = self.runs if which == self.RUNNING else which
        if self._label not in self.flash:
            self.flash[self._label] = b"\xff" * BLOCK * BLOCKS

    @classmethod
    def find(cls, kind):
        """All of that kind."""
        return iter([cls(label) for label in sorted(SUBTYPES)])

    def info(self):
        """(type, subtype, address, size, label, encrypted)"""
        return (0, SUBTYPES[self._label], 0x10000, BLOCK * BLOCKS, self._label, False)

    def readblocks(self, block, buffer, offset=0):
        """As of a block device."""
        at = block * BLOCK + offset
        buffer[:] = self.flash[self._label][at : at + len(buffer)]

    def writeblocks(self, block, data):
        """Erase and write."""
        if len(data) != BLOCK or self._label == self.runs or not 0 <= block < BLOCKS:
            raise OSError(22)
        # Erased first: cut off, a block holds half of what was to be there.
        self.step(lambda: self._put(block, data[: BLOCK // 2] + b"\xff" * (BLOCK // 2)))
        self._put(block, data)

    def _put(self, block, data):
        flash, at = self.flash[self._label], block * BLOCK
        self.flash[self._label] = flash[:at] + bytes(data) + flash[at + BLOCK :]

    @classmethod
    def step(cls, half=None):
        """One operation of the flash: where a medium is cut, this is cut with it."""
        if cls.medium is not None:
            cls.medium.step(half)

    def set_boot(self):
        """From the next reset on; the boot loader goes back from it unless it is kept."""
        if self.refuses:
            raise OSError(-5379)
        kind = type(self)
        self.step()  # of two records, each with a check: the one before or this one
        if self._label != kind.boots:
            kind.before, kind.boots = kind.boots, self._label
        kind.is_pending = None

    @classmethod
    def mark_app_valid_cancel_rollback(cls):
        """What runs is good."""
        if cls.is_pending is not False:
            cls.step()
        cls.is_pending = False

    @classmethod
    def reset(cls):
        """What the boot loader does."""
        if cls.is_pending:
            cls.boots, cls.is_pending = cls.before, False
        elif cls.is_pending is None:
            cls.is_pending = True
        cls.runs = cls.boots


def make(cut_with=None):
    """A Partition with a flash of its own."""

    class Fresh(Partition):
        flash = {}
        medium = cut_with

    return Fresh

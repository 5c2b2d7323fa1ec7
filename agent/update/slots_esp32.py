"""Slots of a firmware for the ESP32, in two partitions; its boot loader goes back from a crash.

The one rule: the record is written first, the boot loader is told after it; what a cut leaves
between the two is put right at each start by `limpet_esp32.settle`.
"""

import limpet_esp32

from agent.update import slots_files
from agent.update.slots_files import TRIES


class Files(slots_files.Files):
    """The real files, and the image of a slot in its partition."""

    def __init__(self, ota):
        self._ota = ota

    def open(self, path, mode):
        """As open()."""
        return limpet_esp32.open_in(self._ota, super().open, path, mode)

    def sync(self, file):
        """As of Files."""
        if isinstance(file, limpet_esp32.Image):
            file.settle()
            file = file.length
        super().sync(file)


class Slots(slots_files.Slots):
    """`ota` is a limpet_esp32.Ota."""

    def __init__(self, ota, *words):
        super().__init__(*words)
        self._ota = ota

    def try_other(self, tries=TRIES):
        """As of Slots. A start of the old image puts it in place each time, and counts too."""
        super().try_other(2 * tries)

    def confirm(self, floor):
        """As of Slots; and the boot loader does not go back any more."""
        super().confirm(floor)
        self._ota.keep()

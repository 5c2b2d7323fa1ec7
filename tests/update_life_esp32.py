"""The life of an ESP32 through an update: the same, of a firmware in two partitions.

Real: the start, the slots, the fetching. Simulated: the medium, the partitions with their boot
loader (faulty/esp32_partitions.py), all cut together.
"""

import limpet_esp32
from faulty import esp32_partitions
from faulty.medium import Medium
from update_life import OLD, ROOT, Life, Wrong

from agent.update import slots_esp32


class Esp32Medium(Medium):
    """A medium, and beside it the partitions of an ESP32, which hold an image of each slot."""

    def __init__(self, cut_at=None, luck="none"):
        super().__init__(cut_at, luck)
        self.partition = esp32_partitions.make(self)
        self.partition.runs = "factory"  # as provisioned over the wire
        self.ota = limpet_esp32.Ota(self.partition)

    def open(self, path, mode):
        """As Files.open of slots_esp32."""
        return limpet_esp32.open_in(self.ota, super().open, path, mode)

    def sync(self, file):
        """As Files.sync of slots_esp32."""
        if isinstance(file, limpet_esp32.Image):
            file.settle()
            file = file.length
        super().sync(file)


class Esp32Life(Life):
    """The same of a firmware in partitions: four files, one of which is the image."""

    make_medium = Esp32Medium
    first = dict(OLD, **{limpet_esp32.IMAGE: b"first image " * 600})

    def __init__(self, cuts=(), luck="none", **parts):
        make = parts.pop("make_slots", slots_esp32.Slots)
        super().__init__(cuts, luck, make_slots=lambda *words: make(self._ota, *words), **parts)
        self.medium.partition.runs = "ota_0"

    def _starts(self):
        partition = self.medium.partition
        for _ in range(12):
            partition.reset()
            self._ota = limpet_esp32.Ota(partition)
            slot, state, is_other = limpet_esp32.settle(self.medium, ROOT, self._ota)
            if not is_other:
                break
        else:
            raise Wrong("it resets for ever")
        if slot != self._ota.running:
            raise Wrong("what runs is not what the record says")
        return slot, state

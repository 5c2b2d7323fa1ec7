"""A chip on SPI in memory. The contract is `ioctl_fake`'s; `peer(data)` is the chip."""

from agent.devices import faults
from agent.devices.ioctl_fake import EINVAL, Driver


class FakeChip(Driver):
    """Takes what SPI_IOC_MESSAGE(1) sends, at up to `fastest_hz`."""

    kind = 0x6B

    def __init__(self, target, peer, fastest_hz=10_000_000):
        super().__init__(target)
        self.mode = 0
        self.settings = None
        self._peer = peer
        self._fastest_hz = fastest_hz
        self.answers = {
            "SPI_IOC_RD_MODE32": lambda value: self.mode,
            "SPI_IOC_WR_MODE32": self._set_mode,
            "SPI_IOC_MESSAGE": self._transfer,
        }

    def _set_mode(self, mode):
        self.mode = mode

    def _transfer(self, words):
        if words["speed_hz"] > self._fastest_hz:
            raise faults.os_error(EINVAL)
        self.settings = words
        back = self._peer(bytes(self.at(words["tx_buf"])))
        self.at(words["rx_buf"])[:] = back

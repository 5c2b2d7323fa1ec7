"""A clock in memory, which stands still. The contract is `ioctl_fake`'s."""

from agent.devices.ioctl_fake import Driver


class FakeClock(Driver):
    """`words` is what its registers show; all zero is a clock that lost its power."""

    kind = ord("p")

    def __init__(self, target):
        super().__init__(target)
        self.files = {"class/rtc/rtc0/name": "limpet clock", "class/rtc/rtc0/hctosys": "1"}
        self.words = {}
        self.answers = {"RTC_RD_TIME": lambda words: self.words, "RTC_SET_TIME": self._set}

    def _set(self, words):
        self.words = words

"""Slots of an executable that holds the agent, as limpetd does.

The one rule: what has not shown that it starts on this machine is not put in place. The slots are
folders with one file, and everything else is as with them; `limpet_start.settle_image` replaces
what is started, at once or not at all.
"""

import limpet_start as starting

from agent.update import slots_files
from agent.update.slots_files import TRIES, SlotError

# What an executable is asked before it is tried; 0 is the right answer. Its usual heap is the
# owner's to choose and not known here: on 64 bits the smallest would not do.
TEST = ("--heap", "512k", "--self-test")


class Slots(slots_files.Slots):
    """See the head of this file."""

    def try_other(self, tries=TRIES):
        """As of Slots; the executable is asked first whether it starts here."""
        path = starting.image_path(self.root, starting.other(self.state.good))
        if self.running in (None, self.state.good):
            self.files.make_executable(path)
            try:
                status = self.files.ask(path, TEST)
            except OSError as error:  # not for this machine
                status = error
            if status != 0:
                self.fail(self.state.other, "does-not-start")
                raise SlotError("%s %s ends with %s" % (path, TEST[-1], status))
        super().try_other(tries)

"""An executable that is replaced: at once, only by one that starts here, and never its owner's."""

import limpet_start as starting
from support import raises
from update_life import PLACE, ROOT, ImageLife, digest_of, run

from agent.update import slots_image
from agent.update.fetch import Fetch
from agent.update.slots_files import SlotError

SECOND = {starting.IMAGE: b"second image"}


def staged(status):
    """A life with a second executable staged, which ends with `status` when it is asked."""
    life = ImageLife()
    life.medium.ask = lambda path, word: status
    slot, state, is_replaced = starting.settle_image(life.medium, ROOT, PLACE)
    assert (slot, is_replaced) == ("a", False)
    slots = slots_image.Slots(life.medium, ROOT, state, slot)
    description, signed = life.offer(2, SECOND)
    slots.begin(digest_of(signed), 2)
    slots.stage(run(Fetch(slots, life.memory, description, signed).run()))
    return life, slots


def place(life):
    """What is started."""
    with life.medium.open(PLACE, "rb") as file:
        return file.read(100000)


def test_an_executable_that_does_not_start_here_is_never_put_in_place():
    for status in (1, -11, None):
        life, slots = staged(status)
        raises(SlotError, slots.try_other)
        assert starting.settle_image(life.medium, ROOT, PLACE)[0] == "a"
        state = starting.read_state(life.medium, ROOT)
        assert (state.failed, state.reason) == (2, "does-not-start")
        assert place(life) == life.first[starting.IMAGE]


def test_an_executable_on_trial_takes_the_place_and_gives_it_back():
    life, slots = staged(0)
    slots.try_other(2)
    assert starting.settle_image(life.medium, ROOT, PLACE)[2]
    assert place(life) == SECOND[starting.IMAGE]
    for left in (1, 0):
        slot, state, is_replaced = starting.settle_image(life.medium, ROOT, PLACE)
        assert (slot, state.tries, is_replaced) == ("b", left, False)
    assert starting.settle_image(life.medium, ROOT, PLACE)[2]
    assert place(life) == life.first[starting.IMAGE]
    slot, state, is_replaced = starting.settle_image(life.medium, ROOT, PLACE)
    assert (slot, state.failed, is_replaced) == ("a", 2, False)


def test_an_executable_that_its_owner_put_there_stays():
    life = ImageLife()
    with life.medium.open(PLACE, "wb") as file:
        file.write(b"the owner's")
    slot, _, is_replaced = starting.settle_image(life.medium, ROOT, PLACE)
    assert slot is None and not is_replaced and place(life) == b"the owner's"

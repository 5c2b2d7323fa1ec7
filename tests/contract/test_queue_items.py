"""Every item through a queue comes once and in order: the stress run at a small size."""

import sys

from shim import LIGHT

FOLDER = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
sys.path.insert(0, FOLDER + "/../stress")
import queue_items  # noqa: E402 - found through the path set above

sys.path.pop(0)

# On a build without the GIL: an ordinary load.
SIZE = ["--items", "1000", "--pause-ms", "1"] if LIGHT else ["--items", "20000"]


def test_eight_threads_lose_nothing():
    for seed in ("1", "2"):
        assert queue_items.main(SIZE + ["--seed", seed]) == 0


def test_two_threads_lose_nothing():
    assert queue_items.main(SIZE + ["--threads", "2", "--seed", "3"]) == 0


def test_the_account_notices_what_it_is_for():
    account = queue_items.Account(1, 4)
    last = [-1]
    account.receive(account.item(0, 1), last)
    for number, word in ((1, "twice"), (0, "came after")):
        try:
            account.receive(account.item(0, number), last)
        except AssertionError as error:
            assert word in str(error)
        else:
            raise AssertionError("it did not notice: " + word)
    for accepted, everything in (([4], True), ([1], False)):
        try:
            account.check(accepted, everything)
        except AssertionError:
            continue
        raise AssertionError("it did not notice %r" % accepted)

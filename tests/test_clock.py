"""agent/clock.py: a count that never wraps, and a wall clock that says how far to trust it."""

from support import temporary_folder

from agent.clock import LEAST_UNIX_S, Clock

PERIOD = 1 << 30  # of ticks on 32-bit MicroPython


class Ticks:
    """A tick counter that wraps, and the difference that allows for it."""

    def __init__(self, start):
        self.value = start

    def __call__(self):
        return self.value

    def pass_ms(self, passed):
        self.value = (self.value + passed) % PERIOD


def difference(end, start):
    return (end - start + PERIOD // 2) % PERIOD - PERIOD // 2


def test_the_count_goes_on_over_many_wraps():
    ticks = Ticks(PERIOD - 5000)
    clock = Clock(ticks=(ticks, difference))
    expected = 0
    for step in (0, 1, 4999, 1, 100000) + ((1 << 28) - 1,) * 20:
        ticks.pass_ms(step)
        expected += step
        assert clock.now() == expected
        assert clock.now() == expected


def test_a_wall_clock_before_this_source_is_unset():
    assert Clock(system=lambda: 0).wall() == (0, "unset")


def test_a_wall_clock_never_shows_less_than_the_time_stored():
    ticks = Ticks(0)
    stored = (LEAST_UNIX_S + 1000) * 1000
    clock = Clock(stored, ticks=(ticks, difference), system=lambda: 0)
    ticks.pass_ms(1500)
    assert clock.wall() == (stored + 1500, "restored")


def test_a_plausible_time_that_nobody_vouches_for_is_restored():
    later = (LEAST_UNIX_S + 5) * 1000
    assert Clock(system=lambda: later).wall() == (later, "restored")
    assert Clock(system=lambda: later, synced_file="/nonexistent").wall() == (later, "restored")


def test_a_time_that_the_system_vouches_for_is_synced():
    later = (LEAST_UNIX_S + 5) * 1000
    with temporary_folder() as folder:
        with open(folder + "/synchronized", "wb"):
            pass
        clock = Clock(system=lambda: later, synced_file=folder + "/synchronized")
        assert clock.wall() == (later, "synced")


def test_a_time_stored_in_error_gives_way_to_one_that_the_system_vouches_for():
    shown = (LEAST_UNIX_S + 5) * 1000
    with temporary_folder() as folder:
        with open(folder + "/synchronized", "wb"):
            pass
        far = (LEAST_UNIX_S + 10**9) * 1000
        clock = Clock(far, folder + "/synchronized", system=lambda: shown)
        assert clock.wall() == (shown, "synced")


def test_the_real_clock_goes_forward():
    clock = Clock()
    first = clock.now()
    assert 0 <= first <= clock.now()
    assert clock.wall()[0] > 0

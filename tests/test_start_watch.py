"""limpet_start.py on a board: what ends a trial that hangs, and nothing else."""

import sys

import fake_machine
import limpet_start as starting

IMPLEMENTATIONS = [("software timers", -1), ("hardware timers only", 0)]


class Board:
    """`pass_by(seconds)` lets time go by; `is_reset` says whether the watchdog bit."""

    def __init__(self, least_timer):
        self.timers = []
        self.dogs = []
        board = self

        class Timer:
            def __init__(self, number):
                if number < least_timer:
                    raise ValueError("no such timer")
                board.timers.append(self)

            def init(self, period, callback):
                self.period_ms, self.callback = period, callback

        def make_dog(timeout):
            board.dogs.append(fake_machine.WDT(0, timeout))
            return board.dogs[-1]

        self.Timer, self.WDT = Timer, make_dog

    def pass_by(self, seconds):
        for at in range(0, seconds * 1000, 1000):
            for timer in self.timers:
                if at % timer.period_ms == 0:
                    timer.callback(timer)
            for dog in self.dogs:
                dog.left_ms -= 1000

    @property
    def is_reset(self):
        return any([dog.left_ms <= 0 for dog in self.dogs])


def watched(least_timer, act):
    """`act(board)` while limpet_start has that board under it."""
    kept = sys.modules.get("machine")
    board = sys.modules["machine"] = Board(least_timer)
    starting._dog = None
    try:
        act(board)
    finally:
        starting._dog = None
        if kept is None:
            del sys.modules["machine"]
        else:
            sys.modules["machine"] = kept


def test_a_trial_has_all_of_its_seconds_and_no_more(least_timer):
    def act(board):
        starting._board(60)
        board.pass_by(50)
        assert not board.is_reset
        starting._board(60)
        board.pass_by(55)
        assert not board.is_reset
        board.pass_by(20)
        assert board.is_reset

    watched(least_timer, act)


def test_a_trial_that_is_over_is_left_alone_for_ever(least_timer):
    def act(board):
        starting._board(60)
        board.pass_by(30)
        starting._board(0)
        board.pass_by(4000)
        assert not board.is_reset and len(board.dogs) == 1

    watched(least_timer, act)


def test_a_board_without_a_trial_gets_no_watchdog(least_timer):
    def act(board):
        starting._board(0)
        assert not board.dogs and not board.timers

    watched(least_timer, act)

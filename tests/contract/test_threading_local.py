"""threading.local: CPython's contract, over its own and the shim."""

from shim import IMPLEMENTATIONS, SHIM, Crew
from support import raises

__all__ = ("IMPLEMENTATIONS",)


def test_every_thread_has_its_own(kind):
    data = kind.threading.local()
    data.value = "main"

    def work(number):
        assert not hasattr(data, "value")
        raises(AttributeError, getattr, data, "value")
        data.value = number
        assert data.value == number
        del data.value
        raises(AttributeError, delattr, data, "value")

    with Crew(kind.threading) as crew:
        for number in range(5):
            crew.start(work, number)
    assert data.value == "main"


def test_a_later_thread_never_finds_what_an_ended_one_left(kind):
    data = kind.threading.local()
    for number in range(10):
        with Crew(kind.threading) as crew:
            crew.start(leave_something, data, number)


def leave_something(data, number):
    assert getattr(data, "value", None) is None
    data.value = number


def test_two_objects_do_not_share(kind):
    one = kind.threading.local()
    other = kind.threading.local()
    one.value = 1
    assert not hasattr(other, "value")


def test_a_subclass_is_set_up_once_in_each_thread(kind):
    calls = []

    class Data(kind.threading.local):
        def __init__(self, start, step=1):
            calls.append((start, step))
            self.value = start
            self.step = step

        def advance(self):
            self.value += self.step
            return self.value

    data = Data(5, step=2)
    assert data.advance() == 7

    def work():
        assert data.advance() == 7
        assert data.advance() == 9

    with Crew(kind.threading) as crew:
        crew.start(work)
        crew.join()
        crew.start(work)
    assert data.value == 7 and calls == [(5, 2)] * 3


def test_arguments_need_somebody_to_take_them(kind):
    raises(TypeError, kind.threading.local, 1)
    raises(TypeError, kind.threading.local, a=1)


def test_a_name_of_the_class_is_refused_and_not_hidden(kind):
    if kind is not SHIM:
        return  # CPython's own can do it

    class Data(kind.threading.local):
        count = 0

    data = Data()
    error = raises(AttributeError, setattr, data, "count", 1)
    assert "assign it in __init__" in str(error)


def test_ended_threads_leave_no_more_than_one_round_of_values(_):
    data = SHIM.threading.local()
    for _round in range(30):
        with Crew(SHIM.threading) as crew:
            crew.start(setattr, data, "value", 1)
    assert len(data._local__store._by_serial) <= 3


def test_a_thread_that_comes_while_another_tidies_up_keeps_its_values(_):
    import _registry  # the shim's own: in between its two looks nothing of the others may go

    data = SHIM.threading.local()
    set_up, go = SHIM.threading.Event(), SHIM.threading.Event()
    serials = _registry.serials

    def late():
        data.value = "late"
        set_up.set()
        assert go.wait(60)
        assert data.value == "late"

    with Crew(SHIM.threading) as crew:

        def serials_and_then_a_thread():
            _registry.serials = serials
            found = serials()
            crew.start(late)
            assert set_up.wait(60)
            return found

        def tidy():
            _registry.serials = serials_and_then_a_thread
            data.value = "tidy"
            go.set()

        crew.start(tidy)
    assert _registry.serials is serials

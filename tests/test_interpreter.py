"""compat/interpreter.py: the differences of the interpreters, held to one behaviour."""

import interpreter
from support import raises, temporary_folder


def test_thread_safety_is_one_of_three_words():
    assert interpreter.THREADS in ("gil", "unsafe", "none")


def test_ticks_go_forward():
    start = interpreter.ticks_ms()
    assert interpreter.ticks_diff(interpreter.ticks_ms(), start) >= 0


def test_a_file_and_its_folder_can_be_synced():
    with temporary_folder() as folder:
        with open(folder + "/x", "wb") as file:
            file.write(b"kept")
            interpreter.sync_file(file)
        interpreter.sync_folder(folder)
        with open(folder + "/x", "rb") as file:
            assert file.read() == b"kept"


def test_syncing_an_absent_folder_is_an_error():
    raises(OSError, interpreter.sync_folder, "/nonexistent/folder")


def test_a_formatted_exception_names_kind_and_message():
    try:
        raise ValueError("the message")
    except ValueError as error:
        text = interpreter.format_exception(error)
    assert "ValueError" in text and "the message" in text and "test_interpreter" in text


def test_random_bytes_have_the_length_asked_for_and_differ():
    assert len(interpreter.random_bytes(16)) == 16
    assert interpreter.random_bytes(16) != interpreter.random_bytes(16)


def test_the_interpreter_describes_itself():
    about = interpreter.describe()
    assert about["name"] in ("cpython", "micropython")
    assert about["version"].count(".") == 2
    assert about["build"]
    assert len(about["machine"].split()) >= 2 and "[" not in about["machine"]


def test_the_collector_is_paced_by_the_size_of_the_heap():
    import gc

    before = gc.threshold() if hasattr(gc, "threshold") else None
    interpreter.pace_collector()
    if before is None:
        return
    heap = gc.mem_alloc() + gc.mem_free()
    assert heap // 16 < gc.threshold() <= heap // 8
    gc.threshold(before)

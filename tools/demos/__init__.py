"""The parts of `tools/demo`: an agent on stage, a tour of it, and what happens afterwards."""


class DemoFailed(Exception):
    """The demo cannot go on; the text names the cause, with the end of a log where one helps."""

"""`system.*`: the device speaks of itself."""

from agent import schema
from agent.commands.registry import INLINE, PLAIN, RESTART, Command

MAX_ECHO = 1024  # characters


def commands(inform):
    """The family's commands; `inform()` gives what `system.info` answers."""
    return (
        Command(
            "system.ping",
            _ping,
            (),
            "read",
            "repeat",
            INLINE,
            "Nothing but an answer, from the main thread: the link and the agent live. {}",
        ),
        Command(
            "system.echo",
            _echo,
            (schema.text("text", "", high=MAX_ECHO),),
            "read",
            "repeat",
            PLAIN,
            "The text again, by way of the workers, where there are any: they live too.",
        ),
        Command(
            "system.info",
            lambda params: inform(),
            (),
            "read",
            "repeat",
            INLINE,
            "Runtime, versions, memory, uptime, boots, clock and its quality, counters.",
        ),
        Command(
            "system.restart",
            lambda params: RESTART,
            (),
            "admin",
            "once",
            INLINE,
            "Start the agent anew; what runs is interrupted. Answered after the start: {boot}",
        ),
    )


def _ping(params):
    return {}


def _echo(params):
    return {"text": params["text"]}

"""`log.*`: the device's log, followed from afar."""

from agent import schema
from agent.commands.registry import INLINE, Command
from agent.log import LEVELS, MOST_RECENT

_FOLLOW = (
    schema.text("level", "info", choices=LEVELS),
    schema.integer("rate", 20, low=1, high=100, unit="1/s", about="lines beyond it are counted"),
    schema.integer("for_s", 60, low=0, high=3600, unit="s", about="0: no longer"),
)


_RECENT = (schema.integer("limit", MOST_RECENT, low=1, high=MOST_RECENT),)


def commands(feed, log, clock, topic):
    """The family's commands, over a Log, and a log_feed.LogFeed that publishes on `topic`."""

    def follow(params):
        now = clock.now()
        feed.follow(params["level"], params["rate"], now + params["for_s"] * 1000)
        return {"topic": topic, "until_uptime_ms": now + params["for_s"] * 1000}

    def recent(params):
        return {"lines": log.recent[-params["limit"] :]}

    return (
        Command(
            "log.recent",
            recent,
            _RECENT,
            "read",
            "repeat",
            INLINE,
            "The last lines since the start, as the level of `log` lets them pass, oldest first: "
            "[uptime in ms, level, text].",
        ),
        Command(
            "log.follow",
            follow,
            _FOLLOW,
            "read",
            "repeat",
            INLINE,
            "Publish log lines for a time; ask again to go on. {topic, until_uptime_ms}",
        ),
    )

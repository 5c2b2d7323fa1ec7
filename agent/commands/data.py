"""`data.*`: the channels of samples, looked at, read, handed over at once.

The one rule: samples leave on `data/<channel>`; this family only shows what waits or left last.
"""

from agent import schema
from agent.commands.registry import INLINE, Command

_CHANNEL = schema.text("channel", low=1, high=64)
_READ = (
    _CHANNEL,
    schema.integer("limit", 20, low=1, high=100, about="the newest that many"),
)
_FLUSH = (schema.text("channel", None, low=1, high=64, about="null: all"),)


def commands(sampler, boot):
    """The family's commands, over a sampler.Sampler; `boot` is the number of this start."""

    def read(params):
        return {"boot": boot, "samples": sampler.recent(params["channel"], params["limit"])}

    rows = (
        ("list", lambda p: {"channels": sampler.list()}, (), "read", "repeat",
         "Each channel: samples taken, waiting, dropped; readings that failed, the last error."),
        ("read", read, _READ, "read", "repeat",
         "The newest samples, oldest first: [unix ms, or ms since the start, quality, value]."),
        ("flush", lambda p: {"batches": sampler.flush(p["channel"])}, _FLUSH, "act", "once",
         "Hand over now what waits. How many batches."),
    )  # fmt: skip
    return [
        Command("data." + verb, call, params, permission, repeat, INLINE, about)
        for verb, call, params, permission, repeat, about in rows
    ]

"""`rpc.*`: a device tells what it can be asked."""

from agent import schema
from agent.commands.registry import INLINE, Command, describe, summarise

# A device may know a hundred commands, and its replies are bounded: 20 take some 3 KiB.
_LISTING = (
    schema.text(
        "family", None, low=1, high=64, about="only commands whose name begins so, to the dot"
    ),
    schema.text(
        "after", "", high=64, about="only names above this one: how the next page is asked for"
    ),
    schema.integer("most", 20, low=1, high=100),
)


def commands(registry):
    """The family's commands, over the registry that they tell of."""

    def list_commands(params):
        names, more = registry.page(params["after"], params["most"], params["family"])
        return {"commands": [summarise(registry.find(name)) for name in names], "more": more}

    def describe_command(params):
        return describe(registry.find(params["method"]))

    method = schema.text("method", low=1, high=64, about="name of a command, as in rpc.list")
    return (
        Command(
            "rpc.list",
            list_commands,
            _LISTING,
            "read",
            "repeat",
            INLINE,
            "Commands in order of name: {commands: [{name, permission, repeat, about}], more}.",
        ),
        Command(
            "rpc.describe",
            describe_command,
            (method,),
            "read",
            "repeat",
            INLINE,
            "One command: its parameters with types, units and ranges, permission, repeat rule.",
        ),
    )

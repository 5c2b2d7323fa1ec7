"""`rpc.*`: a device tells what it can be asked."""

from agent import schema
from agent.commands.registry import INLINE, Command, describe, summarise


def commands(registry):
    """The family's commands, over the registry that they tell of."""

    def list_commands(params):
        return [summarise(registry.find(name)) for name in registry.names()]

    def describe_command(params):
        return describe(registry.find(params["method"]))

    method = schema.text("method", low=1, high=64, about="name of a command, as in rpc.list")
    return (
        Command(
            "rpc.list",
            list_commands,
            (),
            "read",
            "repeat",
            INLINE,
            "All commands of this device: a list of name, permission, repeat rule and meaning.",
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

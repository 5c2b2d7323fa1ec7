"""`policy.*`: what the device allows beside its keys."""

from agent.commands import policy as policies
from agent.commands.registry import INLINE, Command
from agent.errors import BadParams

_ABOUT_SET = "The whole policy at once; what is not given is as it came from the factory. "


def commands(keyring, changed):
    """The family's commands; `changed()` is called after each change that was stored."""

    def get(params):
        return keyring.policy

    def put(params):
        keyring.set_policy(policies.check_policy(params, BadParams))
        changed()
        return keyring.policy

    def command(name, call, params, repeat, about):
        return Command(name, call, params, "admin", repeat, INLINE, about)

    return (
        command("policy.get", get, (), "repeat", "The policy in force."),
        command(
            "policy.set", put, policies.FIELDS, "once", _ABOUT_SET + "The policy in force then."
        ),
    )

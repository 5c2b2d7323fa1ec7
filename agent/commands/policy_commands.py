"""`policy.*`: what the device allows beside its keys."""

from agent.commands import policy as policies
from agent.commands.registry import INLINE, Command
from agent.errors import BadParams
from agent.schema import Field

_ABOUT_SET = "What is given is in force from now on; all else stays. "
# null, as what is not given: it stays. A namedtuple has no `_replace` on MicroPython.
_CHANGES = tuple([Field(*(tuple(field)[:3] + (None,) + tuple(field)[4:]))
                  for field in policies.FIELDS])  # fmt: skip


def commands(keyring, changed):
    """The family's commands; `changed()` is called after each change that was stored."""

    def get(params):
        return keyring.policy

    def put(params):
        wanted = dict(keyring.policy)
        wanted.update({name: params[name] for name in params if params[name] is not None})
        keyring.set_policy(policies.check_policy(wanted, BadParams))
        changed()
        return keyring.policy

    def command(name, call, params, repeat, about):
        return Command(name, call, params, "admin", repeat, INLINE, about)

    return (
        command("policy.get", get, (), "repeat", "The policy in force."),
        command("policy.set", put, _CHANGES, "once", _ABOUT_SET + "The policy in force then."),
    )

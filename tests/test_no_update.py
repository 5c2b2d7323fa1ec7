"""agent/commands/no_update.py: a device that cannot be updated is reached all the same."""

from support import raises

from agent.commands import no_update
from agent.commands.registry import Registry
from agent.errors import BadConfig, Unavailable


def fail_with(error):
    def make():
        raise error

    return make


def test_whatever_keeps_updates_from_starting_is_a_reason_and_no_end():
    for error, words in (
        (Unavailable("the configuration has no `update`"), "has no `update`"),
        (BadConfig("update.url: no"), "update.url: no"),
        (ValueError("a port"), "ValueError: a port"),
        (ImportError("no limpet_start"), "ImportError: no limpet_start"),
    ):
        registry = Registry()
        found = no_update.start(registry, fail_with(error))
        assert words in found.reason and not found.restarts and found.due is None
        status = registry.find("update.status")
        assert words in raises(Unavailable, status.call, {}).message


def test_an_updater_that_cannot_subscribe_is_none():
    class Broken:
        def subscribe(self):
            raise OSError("no link")

    found = no_update.start(Registry(), Broken)
    assert "no link" in found.reason

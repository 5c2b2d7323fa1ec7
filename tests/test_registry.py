"""agent/commands/registry.py and rpc.py: declared once, told over the wire."""

from support import raises

from agent import schema
from agent.commands import rpc
from agent.commands.registry import INLINE, Command, Registry
from agent.errors import BadParams, UnknownMethod


def make(name="a.b", params=(), permission="read", repeat="repeat", about="It."):
    return Command(name, lambda params: params, params, permission, repeat, INLINE, about)


def filled():
    registry = Registry()
    registry.add(rpc.commands(registry))
    registry.add([make("z.z", (schema.integer("n", 3, low=0, unit="ms", about="how many"),))])
    return registry


def test_an_unknown_command_is_named():
    assert "no.such" in raises(UnknownMethod, filled().find, "no.such").message


def test_a_wrong_declaration_is_refused():
    registry = filled()
    raises(ValueError, registry.add, [make("z.z")])
    raises(ValueError, registry.add, [make(permission="root")])
    raises(ValueError, registry.add, [make(repeat="often")])


def test_params_are_checked_and_filled_in():
    registry = filled()
    command = registry.find("z.z")
    assert registry.checked_params(command, {}) == {"n": 3}
    assert registry.checked_params(command, {"n": 5}) == {"n": 5}
    error = raises(BadParams, registry.checked_params, command, {"n": -1})
    assert error.message == "n: expected an integer at least 0 (ms), got -1"
    error = raises(BadParams, registry.checked_params, command, {"m": 1})
    assert error.message == "m: unknown; known here: n"
    error = raises(BadParams, registry.checked_params, registry.find("rpc.list"), {"m": 1})
    assert error.message == "m: unknown; known here: after, family, most"


def test_the_list_names_every_command_with_its_rules():
    told = ask_list(filled())
    assert names_of(told) == ["rpc.describe", "rpc.list", "z.z"] and not told["more"]
    words = {"name": "z.z", "permission": "read", "repeat": "repeat", "about": "It."}
    assert told["commands"][2] == words


def test_the_list_comes_in_pages_and_by_family():
    registry = filled()
    told = ask_list(registry, most=2)
    assert names_of(told) == ["rpc.describe", "rpc.list"] and told["more"]
    told = ask_list(registry, most=2, after="rpc.list")
    assert names_of(told) == ["z.z"] and not told["more"]
    assert names_of(ask_list(registry, family="rpc", most=1)) == ["rpc.describe"]
    assert names_of(ask_list(registry, family="rpc", after="rpc.describe")) == ["rpc.list"]
    assert ask_list(registry, family="none") == {"commands": [], "more": False}


def test_a_page_loads_only_the_families_that_may_be_on_it():
    registry, loaded = filled(), []

    def load(name):
        loaded.append(name)
        return [make(name + ".b"), make(name + ".a")]

    registry.add_families(("b", "s", "y"), load)
    told = ask_list(registry, most=3)
    assert names_of(told) == ["b.a", "b.b", "rpc.describe"] and loaded == ["b"]
    told = ask_list(registry, most=3, after="rpc.describe")
    assert names_of(told) == ["rpc.list", "s.a", "s.b"] and told["more"] and "y" in loaded
    assert names_of(ask_list(registry, most=9, after="s.b")) == ["y.a", "y.b", "z.z"]


def ask_list(registry, **params):
    command = registry.find("rpc.list")
    return command.call(registry.checked_params(command, params))


def names_of(told):
    return [entry["name"] for entry in told["commands"]]


def test_a_description_tells_the_parameters():
    registry = filled()
    words = registry.find("rpc.describe").call({"method": "z.z"})
    assert words["params"] == [
        {
            "name": "n", "type": "integer", "required": False, "default": 3, "low": 0,
            "unit": "ms", "about": "how many",
        }
    ]  # fmt: skip
    raises(UnknownMethod, registry.find("rpc.describe").call, {"method": "no.such"})


def test_the_digest_changes_with_a_declaration_and_with_nothing_else():
    assert filled().digest() == filled().digest()
    other = filled()
    other.add([make("y.y")])
    assert other.digest() != filled().digest() and len(other.digest()) == 16

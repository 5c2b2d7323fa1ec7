"""No MAC is compared but by `equal`: read out of the sources, so that no one slips in."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = [*sorted((ROOT / "agent").rglob("*.py")), ROOT / "tools" / "fleet" / "seal.py"]
# Values of these that are no MAC over what a peer sent: a checksum of a file, a document known.
KNOWN = {"digest"}
CONSTANT_TIME = {"equal", "compare_digest"}


def findings(source):
    """Lines where what `mac` or `_code` made, or a seal's code, meets ==, != or in."""
    tree = ast.parse(source)
    found = []
    for function in [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]:
        secret = {
            target.id
            for node in ast.walk(function)
            if isinstance(node, ast.Assign) and _makes_mac(node.value)
            for target in node.targets
            if isinstance(target, ast.Name)
        } - KNOWN
        for node in ast.walk(function):
            if isinstance(node, ast.Compare) and _is_equality(node):
                sides = [node.left, *node.comparators]
                if any(_is_secret(side, secret) for side in sides):
                    found.append(node.lineno)
    return found


def _is_equality(node):
    return any(isinstance(op, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for op in node.ops)


def _makes_mac(node):
    return any(
        isinstance(n, ast.Call) and _last_name(n.func) in ("mac", "_code") for n in ast.walk(node)
    )


def _last_name(node):
    return getattr(node, "attr", getattr(node, "id", None))


def _is_secret(node, names):
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call) and _last_name(inner.func) in CONSTANT_TIME | {"len"}:
            return False
        if isinstance(inner, ast.Name) and inner.id in names:
            return True
        if isinstance(inner, ast.Call) and _last_name(inner.func) in ("mac", "_code"):
            return True
        if isinstance(inner, ast.Attribute) and inner.attr == "code" and "seal" in ast.dump(inner):
            return True
    return False


def test_no_mac_is_compared_with_equals():
    found = {}
    for path in FILES:
        lines = findings(path.read_text(encoding="utf-8"))
        if lines:
            found[str(path.relative_to(ROOT))] = lines
    assert found == {}


def test_the_rule_finds_what_it_is_for():
    for planted in (
        "def f(p, s):\n    return mac(p, s)[:16] == s",
        "def f(p, seal):\n    code = mac(p, ())\n    return seal.code != code",
        "def f(p, seal):\n    return seal.code in (1, 2)",
        "def f(p, s):\n    made = _code(p)\n    return made.hex() == s",
    ):
        assert findings(planted) == [planted.count("\n") + 1], planted
    assert findings("def f(p, s):\n    return equal(mac(p, ()), s.code)") == []


def test_seals_are_judged_by_the_comparison_that_takes_its_time():
    text = (ROOT / "agent" / "commands" / "seal.py").read_text(encoding="utf-8")
    assert "equal(code, seal.code)" in text
    text = (ROOT / "tools" / "fleet" / "seal.py").read_text(encoding="utf-8")
    assert "hmac.compare_digest(" in text

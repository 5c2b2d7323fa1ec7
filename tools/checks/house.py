"""The rules of the house that a machine can check, read out of the sources with `ast`.

The one rule here: a finding names file, line and rule, so that whoever reads it can go there.
"""

import ast
import os

from checks.result import ROOT

DEVICE_FOLDERS = ("agent/", "compat/", "firmware/")
MAX_FUNCTION_LINES = 50

# Imports go down only: a file may import what stands above its own row, and its own row. The first
# pattern that fits a module decides.
LAYERS = (
    (
        "the standard library's stand-ins",
        ("interpreter", "loading", "threading", "queue", "wakeup", "fcntl"),
    ),
    (
        "errors and clock",
        ("agent", "agent.errors", "agent.bad_message", "agent.clock"),
    ),
    (
        "pure",
        (
            "agent.apps",
            "agent.apps.manifest",
            "agent.apps.trust",
            "agent.samples",
            "agent.schema",
            "agent.sntp",
            "agent.strict_json",
            "agent.ed25519",
            "agent.hmac_sha256",
            "agent.sha512",
            "agent.commands",
            "agent.commands.audit",
            "agent.commands.freshness",
            "agent.commands.journal",
            "agent.commands.message",
            "agent.commands.paths",
            "agent.commands.policy",
            "agent.commands.registry",
            "agent.commands.seal",
            "agent.mqtt",
            "agent.mqtt.*",
            "agent.schedule",
            "agent.schedule.*",
            "agent.twin",
            "agent.twin.settings",
            "agent.twin.desired",
            "agent.update",
            "agent.update.depot_mqtt",
            "agent.update.patch",
            "agent.update.plan",
            "agent.update.release",
            "agent.update.tree",
        ),
    ),
    (
        "devices, store, link",
        (
            "agent.markers",
            "agent.store",
            "agent.network",
            "agent.ntp",
            "agent.records",
            "agent.schedule.book",
            "agent.log",
            "agent.log_feed",
            "agent.twin.twin",
            "agent.operate",
            "agent.operate.*",
            "agent.boot",
            "agent.devices",
            "agent.devices.*",
            "agent.files",
            "agent.files.*",
            "agent.processes",
            "agent.terminal",
            "agent.python_child",
            "agent.system_calls",
            "agent.system_calls.*",
            "agent.keys",
            "agent.mqtt.keeper",
            "agent.mqtt.keeper_log",
            "agent.mqtt.resolver",
            "agent.mqtt.tcp",
            "agent.mqtt.tls",
            "agent.mqtt.websocket",
            "agent.mqtt.beside",
            "agent.mqtt.faults",
            "agent.mqtt.holding",
            "agent.mqtt.transports",
            "agent.mqtt.link",
            "agent.update.depot_http",
            "agent.update.fetch",
            "agent.update.slots_esp32",
            "agent.update.slots_files",
            "agent.update.slots_image",
            "agent.update.sources",
            "agent.update.updater",
        ),
    ),
    ("command families", ("agent.commands.*",)),
    (
        "executor and service",
        (
            "agent.commands.executor",
            "agent.commands.job",
            "agent.commands.line",
            "agent.commands.job_commands",
            "agent.commands.jobs",
            "agent.commands.once",
            "agent.commands.service",
            "agent.commands.stream",
            "agent.bridge",
            "agent.duty",
            "agent.sampler",
            "agent.tuning",
            "agent.schedule.runner",
            "agent.apps.board",
            "agent.apps.host",
            "agent.apps.installer",
        ),
    ),
    (
        "app",
        (
            "agent.config",
            "agent.connection",
            "agent.voice",
            "agent.presence",
            "agent.sweep",
            "agent.report",
            "agent.operation",
            "agent.optional",
            "agent.app",
        ),
    ),
    ("entry points", ("agent.__main__",)),
)

# What a pure module may import beside the house's own.
PURE_LIBRARY = {"binascii", "collections", "hashlib", "heapq", "json", "struct", "micropython"}


def files(*endings):
    """Paths, from the root, of the project's files with one of the endings, in order.

    Read from the folder itself: a fresh machine may have unpacked it without git.
    """
    found = []
    for folder, inner, names in os.walk(ROOT):
        inner[:] = sorted(name for name in inner if not name.startswith((".", "__")))
        path = os.path.relpath(folder, ROOT)
        found += [os.path.normpath(os.path.join(path, name)) for name in sorted(names)]
    return [path for path in found if path.endswith(endings)]


def python_commands():
    """Paths of the executable files that are Python without saying so in their names."""
    found = []
    for path in files(""):
        if path.startswith("tools/") and "." not in os.path.basename(path):
            with open(os.path.join(ROOT, path), "rb") as file:
                if b"python3" in file.readline():
                    found.append(path)
    return found


def device_files():
    """Paths of all Python files that go to a device."""
    return [path for path in files(".py") if path.startswith(DEVICE_FOLDERS)]


def module_name(path):
    """The name that a device file is imported by."""
    name = path[: -len(".py")].replace("/", ".")
    if name.startswith("compat."):
        return name[len("compat.") :]
    return name[: -len(".__init__")] if name.endswith(".__init__") else name


def layer(name):
    """The row of LAYERS that module `name` stands in: an exact name wins over a pattern."""
    for row, (_, patterns) in enumerate(LAYERS):
        if name in patterns:
            return row
    for row, (_, patterns) in enumerate(LAYERS):
        if any(p.endswith(".*") and name.startswith(p[:-1]) for p in patterns):
            return row
    return None


def findings():
    """Every breach of a rule in the device code, as lines of text."""
    found = []
    names = {module_name(path) for path in device_files()}
    for path in device_files():
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            tree = ast.parse(file.read(), path)
        found += check_code(path, tree)
        found += check_imports(path, tree, names)
    return found


def check_code(path, tree):
    """What MicroPython refuses or forgets, and what grew too long."""
    found = []
    if not ast.get_docstring(tree):
        found.append("%s:1: no docstring says what the file is for" % path)
    for node in ast.walk(tree):
        for applies, text in _RULES:
            if applies(node):
                found.append("%s:%d: %s" % (path, node.lineno, text))
    return found


def _is_long(node):
    return _is_function(node) and node.end_lineno - node.lineno + 1 > MAX_FUNCTION_LINES


def _is_function(node):
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def _has_star_display(node):
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        is_load = not hasattr(node, "ctx") or isinstance(node.ctx, ast.Load)
        return is_load and any(isinstance(item, ast.Starred) for item in node.elts)
    return isinstance(node, ast.Dict) and None in node.keys


_RULES = (
    (lambda n: isinstance(n, ast.Assert), "assert: -O1 removes it"),
    (lambda n: isinstance(n, ast.ExceptHandler) and n.type is None, "a bare except"),
    (lambda n: isinstance(n, ast.Match), "match: MicroPython has none"),
    (lambda n: isinstance(n, ast.Raise) and n.cause is not None, "raise from: the cause is lost"),
    (lambda n: isinstance(n, ast.ClassDef) and n.keywords, "class keywords: MicroPython has none"),
    (lambda n: isinstance(n, ast.ClassDef) and len(n.bases) > 1, "more than one base"),
    (lambda n: _is_function(n) and n.args.posonlyargs, "positional-only parameters"),
    (_has_star_display, "a display with a star: MicroPython has none"),
    (_is_long, "a function over %d lines" % MAX_FUNCTION_LINES),
    (
        lambda n: isinstance(n, ast.Attribute) and n.attr == "settimeout",
        "settimeout may never fire: non-blocking and poll",
    ),
)


def check_imports(path, tree, names):
    """Imports that go up, and what a pure module may not know."""
    own = layer(module_name(path))
    if path.startswith("agent/") and own is None:
        return ["%s:1: stands in no layer of checks/house.py" % path]
    found = []
    for line, name in sorted(set(imported(tree, names))):
        target = layer(name)
        if own is None:
            continue
        if target is not None and target > own:
            words = (path, line, name, LAYERS[target][0], LAYERS[own][0])
            found.append("%s:%d: imports %s (%s) from below it (%s)" % words)
        if LAYERS[own][0] == "pure" and not _may_be_pure(name, target):
            found.append("%s:%d: a pure module imports %s" % (path, line, name))
    return found


def _may_be_pure(name, target):
    return (target is not None and name.startswith("agent")) or name in PURE_LIBRARY


def imported(tree, names):
    """(line, module) of each import, strings that name a module of the house counted too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inner = "%s.%s" % (node.module, alias.name)
                yield node.lineno, inner if inner in names else node.module
        elif isinstance(node, ast.Constant) and node.value in names and "." in node.value:
            yield node.lineno, node.value


def main():
    """Print every finding; the status is 1 if there is one."""
    found = findings()
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())

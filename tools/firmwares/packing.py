"""Compresses limpetd's modules, as firmware/linux/variant/packed.c unpacks them at first use.

The one rule: what is packed together and what is left out is said by `firmware/linux/packing.py`
alone. The same modules give the same bytes.
"""

import fnmatch
import lzma
import os
import runpy

from provision.steps import run

_LZMA = {
    "id": lzma.FILTER_LZMA1,
    "preset": 9 | lzma.PRESET_EXTREME,
    "dict_size": 1 << 20,  # a group is its own dictionary
    "lc": 0, "lp": 0, "pb": 0,  # what the unpacker is written for
}  # fmt: skip
_ROW = 24  # numbers in a line of the header

HEADER = "packed_content.h"
CORE = "core"


class Table:
    """firmware/linux/packing.py, read. `without` names groups that are left out of the file."""

    def __init__(self, linux, without=()):
        words = runpy.run_path(os.path.join(linux, "packing.py"))
        self._omitted = words["OMITTED"]
        self._groups = words["GROUPS"]
        self._without = without
        self.names = sorted({CORE, *[name for name, _ in self._groups]})

    def group_of(self, path):
        """The group that the module at `path` (from the top of the tree) is in; None: left out."""
        if _matches(path, self._omitted):
            return None
        name = CORE
        for group, patterns in self._groups:
            if _matches(path, patterns):
                name = group
                break
        return None if name in self._without else name


def _matches(path, patterns):
    for pattern in patterns:
        if fnmatch.fnmatch(path, pattern + ".py") or fnmatch.fnmatch(path, pattern + "/*"):
            return True
    return False


def pack(compiler, tree, linux, target, without=()):
    """Write the header into the folder `target`; `compiler` is mpy-cross, `tree` has the modules.

    Returns {group: {"packed": bytes in the file, "modules": {path: bytes of its .mpy}}}.
    """
    table = Table(linux, without)
    found = {}
    for path in modules(tree):
        name = table.group_of(path)
        if name:
            found.setdefault(name, []).append(path)
    lines, groups, names, entries, report = [], [], [], [], {}
    for number, (name, paths) in enumerate(sorted(found.items())):
        contents = [_compile(compiler, tree, path) for path in paths]
        sizes = [len(content) for content in contents]
        packed = lzma.compress(b"".join(contents), format=lzma.FORMAT_RAW, filters=[_LZMA])
        lines += ["// %s" % name, "static const uint8_t group_%d[] = {" % number]
        for at in range(0, len(packed), _ROW):
            lines.append("".join(["%d," % byte for byte in packed[at : at + _ROW]]))
        lines.append("};")
        groups.append("{group_%d, %d}" % (number, sum(sizes)))
        names += ['"%s\\0"' % imported(path) for path in paths]
        entries += ["{%d, %d}" % (number, size) for size in sizes]
        report[name] = {"packed": len(packed), "modules": dict(zip(paths, sizes, strict=True))}
    lines.append("static const group_t groups[] = {%s};" % ", ".join(groups))
    lines.append("static const entry_t entries[] = {%s};" % ", ".join(entries))
    lines.append("static const char names[] = %s;" % " ".join(names))
    with open(os.path.join(target, HEADER), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return report


def imported(path):
    """The path of a module as the interpreter asks for it: what is in compat is at the top."""
    return path[len("compat/") :] if path.startswith("compat/") else path


def modules(tree):
    """The paths of all modules for a device, from the top of `tree`, in a fixed order."""
    for top in ("agent", "compat"):
        for folder, _, names in sorted(os.walk(os.path.join(tree, top))):
            for name in sorted(names):
                if name.endswith(".py"):
                    yield os.path.relpath(os.path.join(folder, name), tree)


def _compile(compiler, tree, path):
    output = os.path.join(tree, "packed.mpy")
    words = [compiler, "-O3", "-s", imported(path), "-o", output, os.path.join(tree, path)]
    run(words, "compiling " + path)
    with open(output, "rb") as file:
        content = file.read()
    os.remove(output)
    return content

"""Compresses limpetd's modules, as firmware/linux/variant/packed.c unpacks them at first use.

The one rule: what is packed together and what is left out is said by `firmware/linux/packing.py`
alone. The same modules give the same bytes.
"""

import fnmatch
import lzma
import os
import runpy

from provision.steps import run

from firmwares import splitting

# What each stream's literals are told apart by: the high bits of the byte before.
_CONTEXT_BITS = {"text": 3, "codes": 0}
_CONTEXT_BITS_OF_OTHERS = 1
# How many shared names are told by a byte alone; the others are told alike, so that their texts
# may come in an order that packs better.
_SHORT = 127
_ROW = 24  # numbers in a line of the header

HEADER = "packed_content.h"
CORE = "core"
STARTERS = ("firmware/limpet_start.py", "firmware/linux/limpetd.py")
START = "start"  # is unpacked before the core, and shares no names with it


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


def pack(sources, tree, linux, target, without=()):
    """Write the header into the folder `target`; `sources` are MicroPython's, `tree` has modules.

    Returns {group: {"packed": bytes in the file, "code": bytes of its functions and texts,
    "modules": {path: bytes of its .mpy}}}.
    """
    tool = splitting.reader(sources)
    table = Table(linux, without)
    found = {}
    for path in modules(tree):
        name = table.group_of(path)
        if name:
            found.setdefault(name, {})[path] = _compile(tool, sources, tree, path)
    lent = _lent(found)
    header = _Header()
    for name in sorted(found):
        content = [module for module, _ in found[name].values()]
        others = lent if name not in (CORE, START) else []
        own = lent if name == CORE else _shared(splitting.uses(content), others)
        split = splitting.Split(tool, others + own)
        for one in own:
            split.put_text(one)
        for module in content:
            split.put_module(module)
        sizes = {path: size for path, (_, size) in found[name].items()}
        header.put_group(name, split, len(others), len(own), sizes)
    header.write(os.path.join(target, HEADER))
    return header.report


def _lent(found):
    """The names of the core that more than one module uses, of whatever group that sees them."""
    core = splitting.uses([module for module, _ in found[CORE].values()])
    groups = [group for name, group in found.items() if name != START]
    all_uses = splitting.uses([module for group in groups for module, _ in group.values()])
    return _shared({name: all_uses[name] for name in core}, ())


def _shared(uses, besides):
    """The names that more than one module uses, but for `besides`; the most used come first."""
    besides = set(besides)
    shared = [name for name, count in uses.items() if count > 1 and name not in besides]
    shared.sort(key=lambda name: (-uses[name], name))
    return shared[:_SHORT] + sorted(shared[_SHORT:])


class _Header:
    """The C file being made: the packed streams of each group, and tables of them."""

    def __init__(self):
        self.report = {}
        self._lines = []
        self._groups = []
        self._paths = []

    def put_group(self, name, split, lent, own, sizes):
        """Add a group: how many names it sees of the core, and has itself; its modules' sizes."""
        number = len(self._groups)
        packed = [_compress(split.streams[one], one) for one in splitting.STREAMS]
        self._put_bytes("group_%d" % number, b"".join(packed))
        lengths = ["{%d, %d}" % (len(one), len(split.streams[key]))
                   for key, one in zip(splitting.STREAMS, packed, strict=True)]  # fmt: skip
        counts = (len(self._paths), len(sizes), lent, own, split.code_size, split.refs,
                  split.slots, split.objects)  # fmt: skip
        self._groups.append(
            "{group_%d, {%s}, %s}" % (number, ", ".join(lengths), ", ".join(map(str, counts)))
        )
        if name == CORE:
            self._lines.append("#define CORE (%d)" % number)
        self._paths += sizes
        code = split.code_size + len(split.streams["text"])
        self.report[name] = {
            "packed": len(b"".join(packed)), "code": code, "modules": sizes
        }  # fmt: skip

    def write(self, path):
        """Write the file."""
        names = [imported(path).encode() for path in self._paths]
        paths = b"".join([bytes([len(name)]) + name + b"\0" for name in names])
        packed = _compress(paths, "text")
        self._put_bytes("paths_packed", packed)
        self._lines += [
            "#define PATHS_SIZE (%d)" % len(paths),
            "#define MODULES (%d)" % len(self._paths),
            "static const group_t groups[] = {%s};" % ",\n".join(self._groups),
        ]
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(self._lines) + "\n")

    def _put_bytes(self, name, content):
        self._lines.append("static const uint8_t %s[] = {" % name)
        for at in range(0, len(content), _ROW):
            self._lines.append("".join(["%d," % byte for byte in content[at : at + _ROW]]))
        self._lines.append("};")


def _compress(content, stream):
    """LZMA, raw, and cut off behind the last byte that an unpacker needs."""
    form = {
        "id": lzma.FILTER_LZMA1,
        "preset": 9 | lzma.PRESET_EXTREME,
        "dict_size": 1 << 20,  # a stream is its own dictionary
        "lc": _CONTEXT_BITS.get(stream, _CONTEXT_BITS_OF_OTHERS), "lp": 0, "pb": 0,
    }  # fmt: skip
    packed = lzma.compress(bytes(content), format=lzma.FORMAT_RAW, filters=[form])
    end = len(packed)
    while end and _is_enough(packed[: end - 1], form, content):
        end -= 1
    return packed[:end]


def _is_enough(packed, form, content):
    """Whether what comes behind `packed`, whatever it is, changes nothing."""
    for byte in (b"\0", b"\xff"):
        unpacker = lzma.LZMADecompressor(format=lzma.FORMAT_RAW, filters=[form])
        try:
            if unpacker.decompress(packed + byte * 32, len(content)) != content:
                return False
        except lzma.LZMAError:
            return False
    return True


def imported(path):
    """The path of a module as the interpreter asks for it: some folders are at the top."""
    for folder in ("compat/", "firmware/linux/", "firmware/"):
        if path.startswith(folder):
            return path[len(folder) :]
    return path


def modules(tree):
    """The paths of all modules for a device, from the top of `tree`, in a fixed order."""
    for top in ("agent", "compat"):
        for folder, _, names in sorted(os.walk(os.path.join(tree, top))):
            for name in sorted(names):
                if name.endswith(".py"):
                    yield os.path.relpath(os.path.join(folder, name), tree)
    yield from STARTERS


def _compile(tool, sources, tree, path):
    """A module as splitting.py takes it, and the size of its .mpy."""
    output = os.path.join(tree, "packed.mpy")
    compiler = os.path.join(sources, "mpy-cross", "build", "mpy-cross")
    words = [compiler, "-O3", "-s", imported(path), "-o", output, os.path.join(tree, path)]
    run(words, "compiling " + path)
    module, size = tool.read_mpy(output), os.path.getsize(output)
    os.remove(output)
    return module, size

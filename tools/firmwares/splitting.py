"""Takes compiled modules apart into streams of like bytes, which pack better than the files do.

The one rule: what `split` takes apart, firmware/linux/variant/packed.c puts together again; the
two change together. MicroPython's own mpy-tool reads the files. No file of a split group holds
line numbers (-O3) or machine code.

A name is written by the place it has among the names of its module, in order of their first use:
0 is the next new one. For that one `links` tells which it is: 0 a name of this module alone, which
`text` has next; 1 and on one of the names that modules share, those of the core first.
"""

import importlib.util
import os
import sys
from collections import Counter

# The streams, in the order in which packed.c knows them.
# text    names and constants, each ended by a 0
# codes   operations, those of a function ended by a 0
# names   of functions, arguments, and operations that take one
# values  numbers that operations take
# jumps   how far operations jump
# heads   of functions: MicroPython's signature, number of cells, of functions inside, the cells
# links   how many constants a module has; for each its type and length; then as above
HEAD = 3  # bytes before each function once unpacked: its size, how many are inside it
STREAMS = ("text", "codes", "names", "values", "jumps", "heads", "links")


def reader(sources):
    """MicroPython's mpy-tool, of the sources in the folder `sources`."""
    path = os.path.join(sources, "tools", "mpy-tool.py")
    spec = importlib.util.spec_from_file_location("mpy_tool", path)
    tool = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    sys.path.append(os.path.join(sources, "py"))  # makeqstrdata
    try:
        spec.loader.exec_module(tool)
    finally:
        sys.path[:] = before
    tool.global_qstrs = tool.GlobalQStrList()
    tool.config.native_arch = tool.MP_NATIVE_ARCH_NONE
    return tool


def functions(code):
    """A raw code of mpy-tool and all inside it, each before those inside."""
    yield code
    for child in code.children:
        yield from functions(child)


def uses(modules):
    """{name: how many of the modules use it}."""
    found = Counter()
    for module in modules:
        found.update({name.str for name in module.qstr_table[1:] if "\0" not in name.str})
    return found


class Split:
    """One group's streams, filled module by module; `names` is what links count, from 1."""

    def __init__(self, tool, names):
        self.streams = {name: bytearray() for name in STREAMS}
        self._tool = tool
        self._links = {name: index + 1 for index, name in enumerate(names)}
        # What packed.c makes room for: bytes of functions, names in all, constants in all, and
        # those of them that are objects.
        self.code_size = self.refs = self.slots = self.objects = 0

    def put_text(self, text):
        """Add a name, or the bytes of a constant."""
        content = text.encode() if isinstance(text, str) else bytes(text)
        self.streams["text"] += content + b"\0"

    def put_module(self, module):
        """Add a module as mpy-tool reads it."""
        # Names end with a 0: one that holds one becomes a constant.
        constants = list(module.obj_table)
        constants += [name.str for name in module.qstr_table if "\0" in name.str]
        self._moved = {name: len(module.obj_table) + at
                       for at, name in enumerate(constants[len(module.obj_table) :])}  # fmt: skip
        self.streams["links"] += self._tool.mp_encode_uint(len(constants))
        self.slots += len(constants)
        for value in constants:
            self._put_constant(value)
        self._places = {module.qstr_table[0].str: 0}  # its file, known by the module's number
        self.refs += 1
        for function in functions(module.raw_code):
            self._put_function(function, module.qstr_table)

    def _put_constant(self, value):
        tool, links = self._tool, self.streams["links"]
        plain = {
            None: tool.MP_PERSISTENT_OBJ_NONE,
            False: tool.MP_PERSISTENT_OBJ_FALSE,
            True: tool.MP_PERSISTENT_OBJ_TRUE,
            Ellipsis: tool.MP_PERSISTENT_OBJ_ELLIPSIS,
        }
        if value is None or value is Ellipsis or isinstance(value, bool):
            links.append(plain[value])
            return
        if isinstance(value, tuple):
            links.append(tool.MP_PERSISTENT_OBJ_TUPLE)
            links += tool.mp_encode_uint(len(value))
            self.slots += len(value)
            self.objects += 1
            for one in value:
                self._put_constant(one)
            return
        kind, content = {
            str: (tool.MP_PERSISTENT_OBJ_STR, str.encode),
            bytes: (tool.MP_PERSISTENT_OBJ_BYTES, bytes),
            int: (tool.MP_PERSISTENT_OBJ_INT, lambda number: b"%d" % number),
            float: (tool.MP_PERSISTENT_OBJ_FLOAT, lambda number: repr(number).encode()),
        }[type(value)]
        content = content(value)
        self.objects += 1
        links.append(kind)
        links += tool.mp_encode_uint(len(content))
        self.put_text(content)

    def _put_function(self, function, table):
        tool = self._tool
        if function.code_kind != tool.MP_CODE_BYTECODE:
            raise ValueError("%s is no bytecode" % function.simple_name.str)
        if function.offset_line_info != function.offset_closure_info:
            raise ValueError("%s has line numbers" % function.simple_name.str)
        code = bytes(function.fun_data)
        cells = code[function.offset_closure_info : function.offset_opcodes]
        heads = self.streams["heads"]
        heads += code[: function.offset_prelude_size]
        heads += tool.mp_encode_uint(len(cells))
        heads += tool.mp_encode_uint(len(function.children)) + cells
        names = bytearray()
        for index in function.names:
            names += tool.mp_encode_uint(self._put_name(table[index].str))
        operations = self._operations(code[function.offset_opcodes :], table)
        size = sum([self._put_operation(one) for one in operations])
        self.streams["codes"].append(0)
        sizes = tool.encode_prelude_size(len(names), len(cells))
        self.code_size += HEAD + function.offset_prelude_size + len(sizes)
        self.code_size += len(names) + len(cells) + size

    def _put_operation(self, one):
        """Add an operation; returns its size."""
        tool = self._tool
        _, encoded = tool.mp_opcode_encode(one)
        self.streams["codes"].append(one.opcode_byte)
        operand = encoded[1 : len(encoded) - (one.extra_arg is not None)]
        if one.fmt == tool.MP_BC_FORMAT_OFFSET:
            self.streams["jumps"] += operand
        elif one.fmt != tool.MP_BC_FORMAT_QSTR:
            self.streams["values"] += operand
        if one.extra_arg is not None:
            self.streams["values"].append(one.extra_arg)
        return len(encoded)

    def _operations(self, code, table):
        """The operations in `code`, their names written, and their jumps made to fit."""
        tool, found, at = self._tool, {}, 0
        while at < len(code):
            form, size, value, extra = tool.mp_opcode_decode(code, at)
            one = found[at] = tool.Opcode(at, form, code[at], value, extra)
            at += size
            if form == tool.MP_BC_FORMAT_OFFSET:
                # It counts from the end of the distance, which an extra byte may follow.
                one.target = at - (extra is not None) + value
            elif form == tool.MP_BC_FORMAT_QSTR:
                self._put_operand(one, table[value].str)
        for one in found.values():
            if one.fmt == tool.MP_BC_FORMAT_OFFSET:
                one.target = found[one.target]
        is_moved = True
        while is_moved:  # until no jump grows or shrinks any more
            is_moved, at = False, 0
            for one in found.values():
                is_moved = is_moved or one.offset != at
                one.offset = at
                at += len(tool.mp_opcode_encode(one)[1])
        return found.values()

    def _put_operand(self, one, name):
        if name in self._moved:
            one.opcode_byte = self._tool.Opcode.MP_BC_LOAD_CONST_OBJ
            one.fmt = self._tool.MP_BC_FORMAT_VAR_UINT
            one.arg = self._moved[name]
        else:
            one.arg = self._put_name(name)

    def _put_name(self, name):
        """Add a use of a name; returns its place among those of the module."""
        known = self._places.get(name)
        self.streams["names"] += self._tool.mp_encode_uint(0 if known is None else known + 1)
        if known is None:
            known = self._places[name] = len(self._places)
            link = self._links.get(name, 0)
            self.streams["links"] += self._tool.mp_encode_uint(link)
            if not link:
                self.put_text(name)
            self.refs += 1
        return known

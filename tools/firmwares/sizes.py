"""What each part of the frozen agent costs: bytes of the object file it is frozen into.

The one rule: the figures are read from what the linker got, symbol by symbol, so that they add
up to what is in the file. Names (of variables, methods, attributes) are kept once for all parts
and have a row of their own.
"""

import os
import re
import subprocess
from collections import Counter

from firmwares import linux, targets

# First fit decides: part, and what its modules begin with as symbols have it.
PARTS = (
    ("mqtt", ("agent_mqtt",)),
    ("schedule", ("agent_schedule", "agent_commands_schedule", "agent_commands_clock")),
    ("devices", ("agent_devices", "agent_commands_devices")),
    ("update", ("agent_update", "agent_commands_update", "agent_commands_release")),
    ("smart", ("agent_smart", "agent_commands_smart")),
    ("operate", ("agent_operate", "agent_commands_operate")),
    ("commands", ("agent_commands",)),
    ("core", ("agent",)),
    ("entry", ("limpetd",)),
    ("names", ("mp_qstr", "mp_frozen")),
    ("compat", ("",)),
)
PARTS_OF_A_SYMBOL = re.compile(
    r"^(?:fun_data|proto_fun|children|const_obj_table_data|const_obj|const_table_ptr_data|"
    r"const_qstr_table_data|frozen_module|raw_code|const_str|const_int|const_float)_(?P<module>.+)$"
)
# What may be left off a device, so the bounds are on the file without these rows.
OPTIONAL = ("schedule", "devices", "update", "smart", "operate")
# What an armhf file may have without them, in bytes: with TLS, and without. The aim without TLS
# is 380,000, and missed: what remains of the rows left off is their texts, which are counted in.
BOUNDS = {True: 500_000, False: 400_000}


def of_parts(name, program):
    """A Counter of bytes by part of `program`, built by `linux.program` for the target `name`."""
    frozen = os.path.join(os.path.dirname(program), linux.FROZEN)
    command = [targets.TARGETS[name].prefix + "nm", "--print-size", "--radix=d", frozen]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    sizes = Counter()
    for line in listing.splitlines():
        words = line.split()
        if len(words) == 4:
            sizes[part_of(words[3])] += int(words[1])
    # Texts and tables without a symbol: the constants of all parts.
    sizes["constants"] = _contents(name, frozen) - sum(sizes.values())
    return sizes


def part_of(symbol):
    """The part that a symbol of the frozen object belongs to."""
    match = PARTS_OF_A_SYMBOL.match(symbol)
    module = match["module"] if match else symbol
    for part, beginnings in PARTS:
        if module.startswith(beginnings):
            return part
    raise LookupError(symbol)


def _contents(name, path):
    command = [targets.TARGETS[name].prefix + "size", path]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return sum(int(word) for word in listing.splitlines()[1].split()[:2])

"""Files on a command line: `DEVICE:PATH` for a device's, everything else for this computer's.

Rule: nothing is done here. As with scp, a path of this computer that has a colon in it is written
with a slash before it: `./a:b`.
"""

import argparse
from collections import namedtuple

from ..errors import AddressError
from ..files import PATIENCE_S
from ..topics import check_device_name

# device  its name, None for this computer
# path    as it was written
Place = namedtuple("Place", ("device", "path"))

CP_EXAMPLES = """\
DEVICE:PATH is a file of a device; the first name of PATH is a root, of which
there is one at first, `files`. What was interrupted goes on from what is there,
and a file takes its new content only when all of it is there and right.
examples:
  limpet cp pump.conf pump-7:files/        to the device, under its own name
  limpet cp pump-7:files/pump.conf .       and back
  limpet cp -r site/ pump-7:files/site     a folder and all below it
  limpet cp -r pump-7:log/ logs/           where the device has a root `log`
"""
LS_PLACES = """\
  limpet ls pump-7:                        what it has of files: the roots
  limpet ls pump-7:files/                  a folder
  limpet ls -r pump-7:files/               and all below it
"""
CAT_EXAMPLES = """\
examples:
  limpet cat pump-7:files/pump.conf
  limpet cat pump-7:log/messages | tail
"""
RM_EXAMPLES = """\
examples:
  limpet rm pump-7:files/pump.conf
  limpet rm -r pump-7:files/old            a folder and all below it
"""
MV_EXAMPLES = """\
examples:
  limpet mv pump-7:files/a files/b         another name on the same device
  limpet mv pump-7:files/a files/old/      into a folder there
"""
MKDIR_EXAMPLES = """\
examples:
  limpet mkdir pump-7:files/site
"""


def place(text):
    """The Place that a word names."""
    device, colon, path = text.partition(":")
    if not colon or "/" in device or device == ".":
        return Place(None, text)
    try:
        return Place(check_device_name(device), path)
    except AddressError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def remote(text):
    """The Place of a device that a word names."""
    found = place(text)
    if found.device is None:
        raise argparse.ArgumentTypeError(f"{text!r} names no device: DEVICE:PATH")
    return found


def _listed(text):
    """As `remote`; a device's name alone means all that it has."""
    return remote(text if ":" in text or "/" in text else text + ":")


def add_ls(parser):
    parser.add_argument("place", nargs="?", type=_listed, metavar="DEVICE:PATH",
                        help="in place of the devices, a folder of one")  # fmt: skip
    parser.add_argument("-r", "--recursive", action="store_true", help="and all below it")


def add(add_command):
    """Add every command about files; `add_command(name, help, examples)` makes a parser."""
    cp = add_command("cp", "copy files to a device and back", CP_EXAMPLES)
    cp.add_argument("sources", nargs="+", type=place, metavar="SOURCE")
    cp.add_argument("target", type=place, metavar="TARGET")
    cp.add_argument("-r", "--recursive", action="store_true", help="folders and all below them")
    cp.add_argument("-q", "--quiet", action="store_true", help="no progress")
    cp.add_argument("--patience", type=float, default=PATIENCE_S, metavar="SECONDS",
                    help=f"wait so long for a device that went away ({PATIENCE_S:g})")  # fmt: skip
    cat = add_command("cat", "print a device's file", CAT_EXAMPLES)
    cat.add_argument("place", type=remote, metavar="DEVICE:PATH")
    rm = add_command("rm", "remove files of a device", RM_EXAMPLES)
    rm.add_argument("places", nargs="+", type=remote, metavar="DEVICE:PATH")
    rm.add_argument("-r", "--recursive", action="store_true", help="folders and all below them")
    mv = add_command("mv", "give a device's file another name", MV_EXAMPLES)
    mv.add_argument("place", type=remote, metavar="DEVICE:PATH")
    mv.add_argument("to", metavar="PATH", help="on the same device, with or without its name")
    mv.add_argument("-f", "--force", action="store_true", help="replace a file that is there")
    mkdir = add_command("mkdir", "make a folder on a device", MKDIR_EXAMPLES)
    mkdir.add_argument("place", type=remote, metavar="DEVICE:PATH")

"""Fetches what a lab is made of: kernel, modules, busybox, QEMU.

The one rule: everything is Debian's, unpacked into the cache under apt's own signatures, and kept
by version. Only the modules that the lab loads are kept, as they are loaded: uncompressed, in the
order of their dependencies.
"""

import glob
import lzma
import os
import re
import shutil
import subprocess
from collections import namedtuple

from provision import Unavailable, cache, debian
from provision.steps import step

SUITE = "forky"
FLAVOUR = re.compile(r"^ *Depends: linux-image-(7\.[0-9][^ ]*-amd64)$", re.MULTILINE)

MODULES = [
    "virtio_pci",
    "9p",
    "9pnet_virtio",
    "e1000",
    "configfs",
    "evdev",
    "uinput",
    "i2c-dev",
    "i2c-stub",
    "gpio-sim",
    "scsi_debug",
    "st",
    "softdog",
    "i6300esb",
    "rtc-cmos",
]

# kernel and modules: paths; modules in the order to load them; busybox and qemu: programs
Materials = namedtuple("Materials", ("kernel", "modules", "busybox", "qemu", "release"))


def get():
    """The Materials, fetched first where they are missing. Raises Unavailable."""
    home = cache.path("labs/current")
    if not os.path.islink(home):
        _fetch_guest(home)
    with open(os.path.join(home, "order"), encoding="utf-8") as file:
        modules = [os.path.join(home, "modules", name) for name in file.read().split()]
    return Materials(
        os.path.join(home, "vmlinuz"),
        modules,
        os.path.join(home, "busybox"),
        _qemu(),
        os.path.basename(os.readlink(home)),
    )


def _fetch_guest(link):
    archive = debian.Archive(SUITE, "amd64")
    release = _newest(archive)
    made = cache.made("labs/" + release, lambda target: _unpack(archive, release, target))
    with cache.lock("labs"):
        if os.path.lexists(link):
            os.remove(link)
        os.symlink(os.path.basename(made), link)


def _newest(archive):
    found = FLAVOUR.search(archive.depends("linux-image-amd64"))
    if not found:
        raise Unavailable("Debian %s has no kernel of series 7" % SUITE)
    return found[1]


def _unpack(archive, release, target):
    names = ["linux-binary-" + release, "linux-modules-" + release, "busybox-static"]
    whole = os.path.join(target, "whole")
    os.mkdir(whole)
    with step("fetching the lab's kernel %s from Debian %s" % (release, SUITE)):
        archive.unpack_alone(names, whole)
    tree = os.path.join(whole, "usr/lib/modules", release)
    shutil.move(os.path.join(tree, "vmlinuz"), os.path.join(target, "vmlinuz"))
    busybox = glob.glob(os.path.join(whole, "usr/bin/busybox")) + glob.glob(
        os.path.join(whole, "bin/busybox")
    )
    shutil.move(busybox[0], os.path.join(target, "busybox"))
    _keep_modules(tree, target)
    shutil.rmtree(whole)


def _keep_modules(tree, target):
    os.mkdir(os.path.join(target, "modules"))
    paths = {}
    for path in glob.glob(os.path.join(tree, "kernel/**/*.ko.xz"), recursive=True):
        paths[_key(os.path.basename(path)[: -len(".ko.xz")])] = path
    order = []
    for name in MODULES:
        _keep(_key(name), paths, order, os.path.join(target, "modules"))
    with open(os.path.join(target, "order"), "w", encoding="utf-8") as file:
        file.write("\n".join(order) + "\n")


def _keep(name, paths, order, folder):
    """Keep a module after those that it depends on; one that is built in has no file."""
    if name + ".ko" in order or name not in paths:
        return
    with lzma.open(paths[name]) as file:
        content = file.read()
    found = re.search(rb"\0depends=([^\0]*)\0", content)
    for needed in found[1].decode().split(",") if found else []:
        _keep(_key(needed), paths, order, folder)
    with open(os.path.join(folder, name + ".ko"), "wb") as file:
        file.write(content)
    order.append(name + ".ko")


def _key(name):
    return name.replace("-", "_")


def _qemu():
    found = shutil.which("qemu-system-x86_64")
    return [found] if found else _unpacked_qemu()


def _unpacked_qemu():
    """QEMU from the system's own package sources, run with the libraries unpacked beside it."""

    def unpack(target):
        with step("fetching qemu-system-x86 from the system's package sources"):
            debian.Archive().unpack(["qemu-system-x86"], target)

    home = cache.made("debian/qemu-system-x86", unpack)
    program = os.path.join(home, "usr/bin/qemu-system-x86_64")
    places = [
        os.path.join(home, "usr/lib/x86_64-linux-gnu"),
        os.path.join(home, "lib/x86_64-linux-gnu"),
    ]
    firmware = [os.path.join(home, "usr/share", name) for name in ("seabios", "qemu")]
    command = ["env", "LD_LIBRARY_PATH=" + ":".join(places), program]
    for place in firmware:
        command += ["-L", place]
    done = subprocess.run(command + ["--version"], capture_output=True, text=True)
    if done.returncode:
        raise Unavailable("QEMU does not run here: " + done.stderr.strip()[-200:])
    return command

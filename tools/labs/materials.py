"""Fetches what a lab is made of: kernel, modules, busybox, QEMU.

The one rule: everything is Debian's, unpacked into the cache under apt's own signatures, and kept
by version. Only the modules that the lab loads are kept, as they are loaded: uncompressed, in the
order of their dependencies.
"""

import glob
import hashlib
import lzma
import os
import re
import shutil
import subprocess
import sysconfig
from collections import namedtuple

from provision import Unavailable, cache, debian
from provision.steps import step

SUITE = "forky"

# kernel and modules: paths; modules in the order to load them; busybox and qemu: programs; tree:
# the path of the board's device tree, None where QEMU makes one
Materials = namedtuple("Materials", ("kernel", "modules", "busybox", "qemu", "release", "tree"))

# architecture  Debian's name of it, and `flavour` the kernel's, which often is the same
# modules       what the lab loads
# qemu          the program that emulates it; `package` holds it, `firmware` are its folders there
# tree          the board's device tree, '' where QEMU makes one
Recipe = namedtuple(
    "Recipe", ("architecture", "flavour", "modules", "qemu", "package", "firmware", "tree")
)

# A USB bridge made by labs/bridge.py, and what hangs on it.
_BRIDGE = ["uhid", "hid-mcp2221", "ti-ads1015", "ds2482", "w1_therm"]
_RECIPES = {
    "amd64": Recipe(
        "amd64",
        "amd64",
        [
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
            *_BRIDGE,
        ],
        "qemu-system-x86_64",
        "qemu-system-x86",
        ("seabios", "qemu"),
        "",
    ),
    "arm64": Recipe(
        "arm64",
        "arm64",
        ["virtio_pci", "virtio_net", "configfs", "i2c-dev", "gpio-sim", "softdog", "i6300esb"],
        "qemu-system-aarch64",
        "qemu-system-arm",
        ("qemu",),
        "",
    ),
    "armhf": Recipe(
        "armhf",
        "armmp",
        ["virtio_mmio", "virtio_net"],
        "qemu-system-arm",
        "qemu-system-arm",
        ("qemu",),
        "",
    ),
    "sabrelite": Recipe(
        "armhf",
        "armmp",
        [
            "configfs",
            "nvmem-imx-ocotp",
            "fec",
            "spi-imx",
            "i2c-imx",
            "i2c-dev",
            "gpio-mxc",
            "pwm-imx27",
            "imx2_wdt",
            "gpio-sim",
            "evdev",
            *_BRIDGE,
        ],
        "qemu-system-arm",
        "qemu-system-arm",
        ("qemu",),
        "imx6q-sabrelite.dtb",
    ),
}


def get(kind="amd64"):
    """The Materials of a lab, fetched first where they are missing. Raises Unavailable."""
    recipe = _RECIPES[kind]
    mark = hashlib.sha256(" ".join([*recipe.modules, recipe.tree]).encode()).hexdigest()[:8]
    home = cache.path("labs/%s-%s" % (kind, mark))
    if not os.path.islink(home):
        _fetch_guest(home, recipe, mark)
    with open(os.path.join(home, "order"), encoding="utf-8") as file:
        modules = [os.path.join(home, "modules", name) for name in file.read().split()]
    return Materials(
        os.path.join(home, "vmlinuz"),
        modules,
        os.path.join(home, "busybox"),
        _qemu(recipe),
        os.path.basename(os.readlink(home)),
        os.path.join(home, "tree") if recipe.tree else None,
    )


def _fetch_guest(link, recipe, mark):
    archive = debian.Archive(SUITE, recipe.architecture)
    release = _newest(archive, recipe)
    made = cache.made(
        "labs/%s-%s" % (release, mark),
        lambda target: _unpack(archive, release, recipe, target),
    )
    with cache.lock("labs"):
        if os.path.lexists(link):
            os.remove(link)
        os.symlink(os.path.basename(made), link)


def _newest(archive, recipe):
    flavour = recipe.flavour
    words = r"^ *Depends: linux-image-(7\.[0-9][^ ]*-%s)$" % flavour
    found = re.search(words, archive.depends("linux-image-" + flavour), re.MULTILINE)
    if not found:
        raise Unavailable("Debian %s has no kernel of series 7 for %s" % (SUITE, flavour))
    return found[1]


def _unpack(archive, release, recipe, target):
    names = ["linux-binary-" + release, "linux-modules-" + release, "busybox-static"]
    if recipe.tree:
        names.append("linux-base-" + release)
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
    _keep_modules(tree, recipe.modules, target)
    if recipe.tree:
        shutil.move(os.path.join(tree, "dtb", recipe.tree), os.path.join(target, "tree"))
    shutil.rmtree(whole)


def _keep_modules(tree, modules, target):
    os.mkdir(os.path.join(target, "modules"))
    paths = {}
    for path in glob.glob(os.path.join(tree, "kernel/**/*.ko.xz"), recursive=True):
        paths[_key(os.path.basename(path)[: -len(".ko.xz")])] = path
    order = []
    for name in modules:
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


def _qemu(recipe):
    found = shutil.which(recipe.qemu)
    return [found] if found else _unpacked_qemu(recipe.qemu, recipe.package, recipe.firmware)


def _unpacked_qemu(program, package, firmware):
    """QEMU from the system's own package sources, run with the libraries unpacked beside it."""

    def unpack(target):
        with step("fetching %s from the system's package sources" % package):
            debian.Archive().unpack([package], target)

    home = cache.made("debian/" + package, unpack)
    triplet = sysconfig.get_config_var("MULTIARCH") or "x86_64-linux-gnu"
    places = [os.path.join(home, folder, triplet) for folder in ("usr/lib", "lib")]
    command = [
        "env",
        "LD_LIBRARY_PATH=" + ":".join(places),
        os.path.join(home, "usr/bin", program),
    ]
    for name in firmware:
        command += ["-L", os.path.join(home, "usr/share", name)]
    done = subprocess.run(command + ["--version"], capture_output=True, text=True)
    if done.returncode:
        raise Unavailable("QEMU does not run here: " + done.stderr.strip()[-200:])
    return command

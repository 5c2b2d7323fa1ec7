"""Boots the lab's machine, and ends it.

The one rule: the guest sees this machine's files read-only, and writes into its own memory; what
it prints goes to a file. It is ended by its own process, never by name.
"""

import glob
import json
import os
import re
import subprocess
import tempfile
import time
from collections import namedtuple

from labs import initramfs, materials

HOST = "10.0.2.2"  # this machine, as QEMU's user network names it to the guest
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MEMORY_MB = 512

# words       QEMU's own for the machine and what is plugged into it
# console     the kernel's name for the first serial line
# line        QEMU's words for a second one, %s what it is connected to
# data        where an agent keeps what it must, on the guest's memory
# has_files   whether the guest mounts this machine's files, and runs interpreters from there; else
#             an agent is one static file, which is in the archive
Kind = namedtuple("Kind", ("words", "console", "line", "data", "has_files"))
KINDS = {
    "amd64": Kind(
        [
            "-M", "q35", "-nic", "user,model=e1000",
            "-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap",
            "-device", "virtio-9p-pci,fsdev=host,mount_tag=host",
            "-device", "edu", "-device", "pci-testdev", "-device", "i6300esb",
        ],
        "ttyS0", ["-serial", "chardev:line"], "/media/", True,
    ),
    "arm64": Kind(
        [
            "-M", "virt", "-cpu", "cortex-a57",
            "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile=",
            "-device", "i6300esb",
        ],
        "ttyAMA0", ["-device", "pci-serial,chardev=line"], "/run/", False,
    ),
    "armhf": Kind(
        [
            "-M", "virt", "-cpu", "cortex-a15",
            "-netdev", "user,id=net", "-device", "virtio-net-device,netdev=net",
        ],
        "ttyAMA0", ["-device", "pci-serial,chardev=line"], "/run/", False,
    ),
    "sabrelite": Kind(
        [
            "-M", "sabrelite", "-net", "nic,netdev=net", "-netdev", "user,id=net",
            "-device", "ds1338,bus=i2c-bus.0,address=0x68",
        ],
        "ttymxc0", ["-serial", "chardev:line"], "/run/", False,
    ),
}  # fmt: skip

_HERE = os.path.dirname(os.path.abspath(__file__))


class Machine:
    """One guest. `agents` is a list of (name, interpreter's path, workers).

    `checks` are test files that run in it on each interpreter, instead of agents; then it ends.
    Where it has none of this machine's files, the agents start after them.
    `line_port` is a port here that its second serial line is connected to; `kind` one of KINDS.
    An agent that is one static file may have `limit_kib` of address space, and no more; with
    `is_first` it is the guest's first process, and busybox what it runs for drivers. `files` are
    {path in the guest: bytes}, `changes` members of every agent's configuration, and `options`
    what stands before it on the command line of an agent that is one static file.
    """

    def __init__(
        self,
        folder,
        broker_port,
        agents,
        interactive=False,
        checks=(),
        line_port=None,
        kind="amd64",
        limit_kib=None,
        is_first=False,
        files=None,
        changes=None,
        options="",
    ):
        self.folder = folder
        self.console = os.path.join(folder, "console.log")
        self._port = broker_port
        self._agents = agents
        self._interactive = interactive
        self._checks = checks
        self._line = "null,id=line"
        if line_port:
            self._line = "socket,id=line,host=127.0.0.1,port=%d" % line_port
        self._name = kind
        self._limit_kib = limit_kib
        self._is_first = is_first
        self._files = files or {}
        self._changes = changes or {}
        self._options = options
        self._kind = KINDS[kind]
        self._process = None

    def start(self):
        """Boot. Raises provision.Unavailable where QEMU or a kernel cannot be had."""
        parts = materials.get(self._name)
        archive = os.path.join(self.folder, "initramfs.cpio")
        with open(archive, "wb") as file:
            file.write(self._initramfs(parts))
        words = "console=%s panic=-1 iomem=relaxed rdinit=/init" % self._kind.console
        if not self._interactive:
            words += " quiet"
        if self._is_first:
            words = words.replace("rdinit=/init", "rdinit=/first") + " -- --init"
        command = parts.qemu + self._kind.words + [
            "-accel", "tcg", "-m", str(MEMORY_MB), "-smp", "1",
            "-kernel", parts.kernel, "-initrd", archive, "-append", words,
            "-display", "none", "-monitor", "none", "-action", "watchdog=reset",
            "-chardev", self._line,
        ]  # fmt: skip
        if parts.tree:
            command += ["-dtb", parts.tree]
        if self._interactive:
            self._process = subprocess.Popen(command + ["-serial", "mon:stdio"] + self._kind.line)
        else:
            command += ["-serial", "file:" + self.console] + self._kind.line
            with open(os.path.join(self.folder, "qemu.log"), "wb") as log:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
        return self

    def wait(self, timeout_s=None):
        """Wait until the guest ends by itself; returns QEMU's status."""
        return self._process.wait(timeout_s)

    def wait_for_checks(self, timeout_s):
        """Wait until all checks are through, on each agent; returns what the console told."""
        end = time.monotonic() + timeout_s
        told = ""
        while told.count("lab: checked ") < len(self._agents) and time.monotonic() < end:
            time.sleep(0.2)
            if os.path.exists(self.console):  # QEMU has made it
                with open(self.console, errors="replace") as file:
                    told = file.read()
        return told

    def close(self):
        """End the guest."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *error):
        self.close()

    def _initramfs(self, parts):
        archive = initramfs.Archive()
        for name in ("bin", "dev", "proc", "sys", "mnt", "modules", "etc", "run"):
            archive.folder(name)
        archive.file("bin/busybox", _read(parts.busybox))
        archive.link("bin/sh", "busybox")
        for path in parts.modules:
            archive.file("modules/" + os.path.basename(path), _read(path))
        order = "\n".join([os.path.basename(path) for path in parts.modules]) + "\n"
        archive.file("modules/order", order.encode())
        archive.file("init", _read(os.path.join(_HERE, "init.sh")))
        if not self._kind.has_files:
            _add_folder(archive, "tools", ())
            _add_folder(archive, "tools/labs", ("bridge.py", "chips.py"))
            for folder in ("tests", "tests/contract") if self._checks else ():
                _add_folder(archive, folder, ("*.py",))
        if self._is_first:
            name, program, workers = self._agents[0]
            archive.file("first", _read(program))
            archive.file("etc/rc", _read(os.path.join(_HERE, "rc.sh")))
            content = json.dumps(self._configuration(name, workers)).encode()
            archive.file("etc/limpet.json", content)
        archive.file("etc/lab", self._settings().encode())
        for path, content in self._files.items():
            archive.file(path, content)
        for name, program, workers in self._agents:
            if not self._kind.has_files:
                archive.file("bin/" + name, _read(program))
            archive.file(
                "etc/%s.json" % name, json.dumps(self._configuration(name, workers)).encode()
            )
        return archive.bytes()

    def _settings(self):
        lines = ["ROOT='%s'" % ROOT, "SHELL_ASKED=%s" % ("yes" if self._interactive else "")]
        lines.append("LIMIT_KIB=%s" % (self._limit_kib or "unlimited"))
        lines.append("HAS_FILES=%s" % ("yes" if self._kind.has_files else ""))
        lines.append("OPTIONS='%s'" % self._options)
        lines.append("CHECKS='%s'" % " ".join(self._checks))
        lines.append("AGENTS='%s'" % " ".join(["%s=%s" % agent[:2] for agent in self._agents]))
        return "\n".join(lines) + "\n"

    def _configuration(self, name, workers):
        mqtt = {"host": HOST, "port": self._port, "backoff_first_s": 0.05, "backoff_most_s": 0.5}
        return {
            "device": name,
            "data": self._kind.data + name,
            "workers": workers,
            "mqtt": mqtt,
            "log": "debug",
            **self._changes,
        }


def passed_checks(told, names):
    """How many checks passed on each agent, as the console told; AssertionError for failures."""
    for name in names:
        if "lab: checked %s, status 0" % name not in told:
            raise AssertionError("the checks on %s did not pass" % name)
    return [int(count) for count in re.findall(r"^(\d+) passed, 0 failed", told, re.MULTILINE)]


def folder():
    """A new folder for one machine's files; its maker removes it."""
    return tempfile.mkdtemp(prefix="limpet-lab-")


def _add_folder(archive, folder, patterns):
    """A folder of the tree, with the files that fit."""
    archive.folder(folder)
    for pattern in patterns:
        for path in sorted(glob.glob(os.path.join(ROOT, folder, pattern))):
            archive.file("%s/%s" % (folder, os.path.basename(path)), _read(path))


def _read(path):
    with open(path, "rb") as file:
        return file.read()

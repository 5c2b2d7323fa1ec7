"""Brokers of another generation and of other makes, for tests that one make alone cannot show.

The one rule: like every other program of the tests they are got here, by name and version, and
never installed into the system. `start` of broker.py takes what these functions return.
"""

import glob
import os
import shlex
import shutil

from provision import Unavailable, cache, debian
from provision.broker import Kind, probe_mosquitto
from provision.steps import run, step

_NEWER = {"suite": "trixie", "allowed": [">= 2.0.21", "<< 2.2"], "recorded": "2.0.21-1"}
# The last make and version whose installation was seen to work, with everything it needs.
_AEDES = ("aedes@1.2.0", "aedes-server-factory@0.2.1")


def newer_mosquitto():
    """The `Kind` of a mosquitto ten releases younger than Debian 12's, with its own libraries."""

    def unpack(target):
        archive = debian.Archive(_NEWER["suite"])
        version = archive.version("mosquitto", _NEWER["allowed"], _NEWER["recorded"])
        with step("fetching mosquitto %s from Debian %s" % (version, _NEWER["suite"])):
            archive.unpack(["mosquitto=" + version], target)
        _write_launcher(target, final)

    final = cache.path("debian/mosquitto-newer")
    home = cache.made("debian/mosquitto-newer", unpack)
    return probe_mosquitto(os.path.join(home, "launch"), {})


def _write_launcher(target, final):
    loaders = glob.glob(os.path.join(target, "usr/lib/*/ld-linux*.so.*"))
    if not loaders:
        raise Unavailable("the unpacked packages hold no loader of shared libraries")
    loader = os.path.join(final, os.path.relpath(loaders[0], target))
    words = [loader, "--inhibit-cache", "--library-path", os.path.dirname(loader)]
    words += ["--argv0", "mosquitto", os.path.join(final, "usr/sbin/mosquitto")]
    path = os.path.join(target, "launch")
    with open(path, "w", encoding="utf-8") as file:
        file.write('#!/bin/sh\nexec %s "$@"\n' % shlex.join(words))
    os.chmod(path, 0o755)


def aedes():
    """The `Kind` of aedes, a broker of MQTT 3.1.1 in JavaScript; needs node and npm."""
    for program in ("node", "npm"):
        if not shutil.which(program):
            raise Unavailable("aedes needs %s, which is not installed" % program)

    def install(target):
        with step("fetching %s" % _AEDES[0]):
            run(["npm", "install", "--no-audit", "--no-fund", "--prefix", target, *_AEDES], "npm")
        with open(os.path.join(target, "broker.mjs"), "w", encoding="utf-8") as file:
            file.write(_AEDES_SCRIPT)

    home = cache.made("npm/" + _AEDES[0], install)
    script = os.path.join(home, "broker.mjs")
    version = _AEDES[0].split("@")[1]
    return Kind("aedes", version, shutil.which("node"), {"SCRIPT": script}, "3.1.1 only")


# Started like the others with `-c FILE`, whose content is the port.
_AEDES_SCRIPT = """\
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { Aedes } from 'aedes'
const broker = await Aedes.createBroker()
const server = createServer({ noDelay: true }, broker.handle)
server.listen(Number(readFileSync(process.argv[3], 'utf8')), '127.0.0.1', () => {
  console.log('aedes running')
})
"""

"""Gets what a bench is made of: C programs built here, peers fetched by name and hash.

The one rule: what cannot be had raises `provision.Unavailable` with the reason; the bench names it
and goes on. Everything is kept in the cache under a name that changes with its sources.
"""

import glob
import hashlib
import os
import shutil
import subprocess
import sys

from provision import Unavailable, cache, debian, steps, system

HERE = os.path.dirname(os.path.abspath(__file__))
FLAGS = ("-O2", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror")

# The sdist of micropython-lib's umqtt.simple, by name and hash: PyPI serves this version still.
UMQTT = "micropython-umqtt.simple==1.3.4"
UMQTT_HASH = "sha256:b6a2520239e3992c63a7de9370ee9b3d9d27819a90359c521f1c0f7ccab8d12f"


def build(name, sources, flags=(), headers=()):
    """The path of the program `name`, built from `sources` (files of c/) if they have changed."""
    paths = [os.path.join(HERE, "c", source) for source in sources]
    watched = paths + [os.path.join(HERE, "c", header) for header in headers]
    compiler = find_compiler()
    command = [compiler, *FLAGS, "-o", name, *paths, *flags]
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout
    key = digest("\n".join([*command, version]).encode(), *map(read, watched))

    def make(folder):
        steps.run(command, "building %s" % name, cwd=folder)

    return os.path.join(cache.made("benches/%s-%s" % (name, key), make), name)


def find_compiler():
    """The path of a C compiler, installed from the distribution where there is none."""
    if not shutil.which("cc"):
        system.ensure_packages(["gcc", "libc6-dev"], "building the C programs of a bench")
    return shutil.which("cc") or "cc"


def digest(*parts):
    """A short name for contents: twelve hex digits."""
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def read(path):
    """The bytes of a file."""
    with open(path, "rb") as file:
        return file.read()


def build_driver():
    """The path of the load driver."""
    return build("driver", ["driver.c", "wire.c"], headers=["wire.h"])


def build_libmosquitto_echo():
    """The path of the libmosquitto peer."""
    return build("echo_libmosquitto", ["echo_libmosquitto.c"], find_libmosquitto())


def find_libmosquitto():
    """The compiler's flags for libmosquitto: the system's, or the distribution's unpacked here."""
    test = [find_compiler(), "-E", "-x", "c", "-include", "mosquitto.h", os.devnull]
    if subprocess.run(test, capture_output=True).returncode == 0:
        return ["-lmosquitto"]

    def unpack(folder):
        with steps.step("fetching libmosquitto from the system's sources"):
            debian.Archive().unpack(["libmosquitto-dev"], folder)

    home = cache.made("debian/libmosquitto-dev", unpack)
    found = glob.glob(os.path.join(home, "usr", "lib", "**", "libmosquitto.so"), recursive=True)
    if not found:
        raise Unavailable("libmosquitto-dev was fetched, but holds no library")
    folder = os.path.dirname(found[0])
    include = os.path.join(home, "usr", "include")
    # By the library's own file name: the package's link points at nothing where the library is
    # installed, and so was not fetched with it, and the headers are not.
    return ["-I" + include, "-L" + folder, "-Wl,-rpath," + folder, "-l:libmosquitto.so.1"]


def fetch_umqtt():
    """The folder that holds `umqtt/simple.py`, for MICROPYPATH."""
    return cache.made("benches/umqtt-%s" % UMQTT_HASH[-12:], download_umqtt)


def download_umqtt(folder):
    """Let pip fetch the sdist, check its hash and unpack it, and keep the unpacked package.

    pip then refuses it, as it has no setup.py: its status says nothing here, the file does.
    """
    requirements = os.path.join(folder, "requirements.txt")
    with open(requirements, "w") as file:
        file.write("%s --hash=%s\n" % (UMQTT, UMQTT_HASH))
    command = [sys.executable, "-m", "pip", "download", "--no-clean", "--no-deps", "--no-binary"]
    command += [":all:", "--require-hashes", "-r", requirements, "-d", folder]
    with steps.step("fetching " + UMQTT):
        done = subprocess.run(
            command, env=dict(os.environ, TMPDIR=folder), capture_output=True, text=True
        )
    found = glob.glob(os.path.join(folder, "pip-*", "*", "umqtt"))
    if len(found) != 1:
        raise Unavailable("pip could not fetch %s: %s" % (UMQTT, last_line(done.stderr)))
    shutil.move(found[0], os.path.join(folder, "umqtt"))
    for rest in glob.glob(os.path.join(folder, "pip-*")):
        shutil.rmtree(rest)


def last_line(text):
    """The last line that says something."""
    return (text.strip().splitlines() or ["(no output)"])[-1]

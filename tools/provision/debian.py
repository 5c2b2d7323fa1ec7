"""Fetches Debian packages and source packages, without root and without touching the system's apt.

The one rule: servers, proxies and signatures are apt's business. The mirror is the one that the
system is configured with, the keyrings are the system's own, and what apt needs to remember lives
in a private state for each suite and architecture. Packages are unpacked, never installed.
"""

import glob
import os
import re
import shutil
import subprocess
import time

from provision import Unavailable, cache
from provision.steps import run, say, step
from provision.system import is_debian, release

_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_INSTALLED = "/var/lib/dpkg/status"
_FRESH_S = 3600
_INRELEASE = re.compile(r"^'(?P<mirror>[^']+)/dists/(?P<suite>[^'/]+)/InRelease'", re.MULTILINE)
_ROLLING = ("stable", "testing", "unstable", "oldstable")


class Archive:
    """One suite for one architecture; without a suite, the sources that the system itself uses.

    The system's own sources are read together with what is installed, so that unpacking takes
    only what is missing here; a named suite is read as if nothing were installed, so that what is
    unpacked brings its own C library and runs beside any other.
    """

    def __init__(self, suite=None, architecture=None, kind="deb"):
        """`kind` is apt's: `deb` for packages to unpack, `deb-src` for their sources."""
        self._suite = suite
        self._architecture = architecture
        self._kind = kind
        self._where = "Debian %s" % suite if suite else "the system's package sources"
        self._name = "apt/%s-%s-%s" % (suite or "system", architecture or "native", kind)
        self._home = cache.path(self._name)
        self._stamp = os.path.join(self._home, "updated")

    def version(self, package, allowed, recorded):
        """The version to take: the recorded one where it is still there, else the newest allowed.

        `allowed` is a list like `[">= 1.26", "<< 1.27"]`, compared as dpkg does. A version other
        than the recorded one is said aloud; none allowed raises `Unavailable` naming those met.
        """
        with cache.lock(self._name):
            self._prepare()
            listing = self._apt("apt-cache", "madison", package)
        met = [line.split("|")[1].strip() for line in listing.splitlines() if line.count("|") == 2]
        chosen = choose_version(met, allowed, recorded)
        if chosen is None:
            offered = "version " + ", ".join(sorted(set(met))) if met else "no version"
            raise Unavailable(
                "%s offers %s of %s; wanted is %s"
                % (self._where, offered, package, " and ".join(allowed))
            )
        if chosen != recorded:
            say("%s has moved: %s is %s, recorded is %s; going on with what is there"
                % (self._where, package, chosen, recorded))  # fmt: skip
        return chosen

    def unpack(self, packages, target):
        """Unpack packages (`name` or `name=version`) and what they depend on into `target`."""
        archives = os.path.join(target, ".archives")
        os.makedirs(os.path.join(archives, "partial"))
        with cache.lock(self._name):
            self._prepare()
            self._apt(
                "apt-get", "install", "--download-only", "--yes", "--no-install-recommends",
                "-o", "Dir::Cache::archives=" + archives, *packages
            )  # fmt: skip
        _extract(archives, target)

    def unpack_alone(self, packages, target):
        """Unpack packages (`name` or `name=version`) into `target`, and nothing else with them."""
        archives = os.path.join(target, ".archives")
        os.makedirs(archives)
        with cache.lock(self._name):
            self._prepare()
            self._apt("apt-get", "download", *packages, cwd=archives)
        _extract(archives, target)

    def depends(self, package):
        """What apt tells of a package's dependencies, as text."""
        with cache.lock(self._name):
            self._prepare()
            return self._apt("apt-cache", "depends", package)

    def source(self, package, version, target, original=False):
        """Fetch the files of a source package into `target`, checked by apt, not unpacked.

        With `original` the authors' own archive alone, without what Debian adds.
        """
        what = ["--tar-only"] if original else []
        words = ["source", "--download-only", *what, "%s=%s" % (package, version)]
        with cache.lock(self._name):
            self._prepare()
            self._apt("apt-get", *words, cwd=target)

    def _prepare(self):
        """Make the private state and bring its lists up to date, at most once an hour."""
        refused = obstacle(self._suite)
        if refused:
            raise Unavailable(refused)
        os.makedirs(self._home, exist_ok=True)
        self._write("status", "" if self._suite else _read(_INSTALLED))
        stamp = self._stamp
        if os.path.exists(stamp) and time.time() - os.path.getmtime(stamp) < _FRESH_S:
            return
        for name in ("state/lists/partial", "cache/archives/partial", "parts"):
            os.makedirs(os.path.join(self._home, name), exist_ok=True)
        self._write("sources.list", self._source_line() if self._suite else "")
        self._write("apt.conf", "\n".join(self._configuration()))
        with step("reading the package lists of %s" % self._where):
            # Without this option a suite that cannot be read is a warning, and old lists are used.
            self._apt("apt-get", "update", "-o", "APT::Update::Error-Mode=any")
        self._write("updated", "")

    def _source_line(self):
        signed = "[signed-by=%s] " % _KEYRING if os.path.exists(_KEYRING) else ""
        return "%s %s%s %s main\n" % (self._kind, signed, mirror(), self._suite)

    def _configuration(self):
        """Our apt.conf: the system's settings for fetching, and every other path our own.

        The system's hooks are left out: they would run as if its own lists had been updated.
        """
        for line in _ask("apt-config", "dump").splitlines():
            if line.startswith("Acquire::"):
                yield line
        yield 'Dir::Etc::Parts "/dev/null"; Dir::Etc::Main "/dev/null";'
        yield 'Dir::State "%s/state"; Dir::Cache "%s/cache";' % (self._home, self._home)
        yield 'Dir::Cache::srcpkgcache "";'
        yield 'Acquire::Languages "none"; APT::Sandbox::User "root";'
        # Kept as they came: unpacked, the lists would take 400 MB.
        yield 'Acquire::GzipIndexes "true";'
        # Beside this file stands the lock that apt takes, so it is never the system's own.
        yield 'Dir::State::status "%s/status";' % self._home
        if self._suite:
            yield 'Dir::Etc::SourceList "%s/sources.list";' % self._home
            yield 'Dir::Etc::SourceParts "%s/parts";' % self._home
            yield 'Dir::Etc::Preferences "/dev/null"; Dir::Etc::PreferencesParts "/dev/null";'
        if self._architecture:
            yield 'APT::Architecture "%s";' % self._architecture
            yield 'APT::Architectures { "%s"; };' % self._architecture
        yield ""

    def _write(self, name, text):
        with open(os.path.join(self._home, name), "w", encoding="utf-8") as file:
            file.write(text)

    def _apt(self, *command, cwd=None):
        environment = dict(os.environ, APT_CONFIG=os.path.join(self._home, "apt.conf"), LC_ALL="C")
        why = "%s of %s" % (" ".join(command[:2]), self._where)
        try:
            return run(list(command), why, cwd=cwd, environment=environment)
        except Unavailable:
            # The archive may have moved on since the lists were read: read them again next time.
            if os.path.exists(self._stamp):
                os.remove(self._stamp)
            raise


def obstacle(suite=None):
    """Why this system cannot have packages of a suite (or, without one, of its own), or None."""
    if not shutil.which("apt-get"):
        return "comes as a package for apt-get, and this system has none"
    if suite and not is_debian():
        return "comes from Debian packages, and this system is not Debian"
    return None


def choose_version(met, allowed, recorded):
    """Of the versions `met`: the recorded one, else the newest within `allowed`, else None."""
    if recorded in met:
        return recorded
    best = None
    for version in met:
        fits = all(_compare(version, *rule.split()) for rule in allowed)
        if fits and (best is None or _compare(version, ">>", best)):
            best = version
    return best


def mirror():
    """The address of the Debian mirror that the system is configured with."""
    listing = _ask("apt-get", "--print-uris", "update")
    wanted = (release().get("VERSION_CODENAME"), *_ROLLING)
    found = choose_mirror(listing, wanted)
    if not found:
        raise Unavailable("the system's apt configuration names no mirror of %s" % wanted[0])
    return found


def choose_mirror(listing, suites):
    """The first mirror in the output of `apt-get --print-uris update` with one of `suites`."""
    for match in _INRELEASE.finditer(listing):
        if match["suite"] in suites:
            return match["mirror"]
    return None


def pip_wheel():
    """Debian's own wheel of pip, which runs from where it lies; for a Python without ensurepip."""

    def unpack(target):
        with step("fetching pip, which this Python lacks"):
            Archive().unpack(["python3-pip-whl"], target)

    pattern = "usr/share/python-wheels/pip-*.whl"
    wheels = glob.glob("/" + pattern)
    if not wheels:
        wheels = glob.glob(os.path.join(cache.made("debian/pip", unpack), pattern))
    if not wheels:
        raise Unavailable("Debian's python3-pip-whl holds no wheel of pip")
    return wheels[0]


def _extract(archives, target):
    for file in sorted(glob.glob(os.path.join(archives, "*.deb"))):
        run(["dpkg-deb", "--extract", file, target], "unpacking " + os.path.basename(file))
        os.remove(file)
    run(["rm", "-rf", archives], "clearing up")


def _compare(version, relation, other):
    command = ["dpkg", "--compare-versions", version, _RELATIONS[relation], other]
    return subprocess.run(command).returncode == 0


_RELATIONS = {"<<": "lt", "<=": "le", "=": "eq", ">=": "ge", ">>": "gt"}


def _read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def _ask(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout

"""What this machine is, and the one way to install packages of its distribution.

The one rule: nothing is installed unsaid, and nothing asks for root when nothing is missing.
"""

import os
import shutil
import subprocess
import sys

from provision import Unavailable
from provision.cache import lock
from provision.steps import run, say, step

_LOCK_WAIT = "DPkg::Lock::Timeout=300"


def is_debian():
    """Whether this is Debian itself, whose newer suites hold what we look for."""
    return release().get("ID") == "debian" and bool(shutil.which("apt-get"))


def release(file="/etc/os-release"):
    """The distribution's own description (os-release(5)) as a dict; empty where there is none."""
    try:
        with open(file, encoding="utf-8") as lines:
            pairs = [line.rstrip("\n").split("=", 1) for line in lines if "=" in line]
    except OSError:
        return {}
    return {name: value.strip("\"'") for name, value in pairs}


def missing(packages):
    """Those of the named distribution packages that are not installed."""
    found = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *packages],
        capture_output=True,
        text=True,
    ).stdout
    installed = {line.split()[0] for line in found.splitlines() if line.endswith(" installed")}
    return [package for package in packages if package not in installed]


def ensure_packages(packages, why):
    """Install what is missing of the named packages, once, as root or through sudo, saying so.

    Raises `Unavailable` where there is no apt-get or no root, with the line that would help.
    """
    if not shutil.which("apt-get"):
        raise Unavailable(
            "%s needs %s, and this system has no apt-get: install them by its own means"
            % (why, ", ".join(packages))
        )
    if not missing(packages):
        return
    with lock("system-packages"):
        lacking = missing(packages)
        if lacking:
            _install(lacking, why)


def _install(packages, why):
    prefix = _as_root(packages, why)
    install = ["apt-get", "install", "-y", "--no-install-recommends", "-o", _LOCK_WAIT, *packages]
    say("%s needs packages that are missing; about to run: %s" % (why, " ".join(prefix + install)))
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    with step("installing " + " ".join(packages)):
        try:
            run(prefix + install, why, environment=environment)
        except Unavailable:
            # A fresh machine has no package lists, an old one has lists of files long gone.
            run([*prefix, "apt-get", "-o", _LOCK_WAIT, "update"], why, environment=environment)
            run(prefix + install, why, environment=environment)


def _as_root(packages, why):
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo"):
        usable = subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0
        if usable or sys.stdin.isatty():
            return ["sudo"]
    raise Unavailable(
        "%s needs packages that only root can install; run once: sudo apt-get install %s"
        % (why, " ".join(packages))
    )

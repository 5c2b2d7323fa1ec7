"""Runs a command of the project as on a fresh machine: minimal Debian, empty home, a clean clone.

The one rule: nothing of this machine is seen in there but what makes package registries reachable:
the configuration of apt and pip, names, certificates, and folders that pip's configuration names.
Needs root. All mounts live in a namespace of their own and are gone with the command, as is every
process it leaves behind.
"""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
import textwrap

from provision import Unavailable, cache, debian
from provision.environment import TOOLS
from provision.steps import run, step
from provision.system import ensure_packages, release

ROOT = os.path.dirname(TOOLS)
CLONE = "/root/limpet"
_FILES = ("/etc/apt", "/etc/pip.conf", "/root/.config/pip", "/root/.pip", "/etc/resolv.conf",
          "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt")  # fmt: skip
_VARIABLES = re.compile(r"^(PIP_.*|.*_proxy|.*_PROXY|SSL_CERT_FILE|REQUESTS_CA_BUNDLE|TERM|CI)$")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Runs as the first process of the namespaces; $1 is the new root, $2 the folders to show.
_INSIDE = """\
set -e
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
for folder in $2; do
    mkdir -p "$1$folder"
    mount --bind "$folder" "$1$folder"
done
root=$1
shift 2
exec chroot "$root" "$@"
"""


def run_fresh(command, keep=False):
    """Run `command` (a list of words) in a clean clone there; returns its exit status.

    With `keep` the folder that was its root stays, and is said.
    """
    if os.geteuid() != 0:
        raise Unavailable("making a fresh machine needs root: it mounts and changes the root")
    base = _base()
    home = tempfile.mkdtemp(prefix="limpet-fresh-")
    root = os.path.join(home, "root")
    try:
        with step("copying a fresh machine and cloning the last commit into it"):
            run(["cp", "-a", "--reflink=auto", base, root], "copying the fresh machine")
            _bring_configuration(root)
            clone = ["git", "clone", "--quiet", "--no-hardlinks", ROOT, root + CLONE]
            run(clone, "cloning the project")
        with step("running %s in it" % textwrap.shorten(shlex.join(command), 60)):
            return subprocess.run(_command_line(root, command)).returncode
    finally:
        if keep:
            print("kept: %s" % root)
        else:
            shutil.rmtree(home, ignore_errors=True)


def _base():
    """The folder with a minimal Debian of this machine's suite and python3, made once."""
    suite = release().get("VERSION_CODENAME")

    def make(target):
        ensure_packages(["debootstrap"], "making a fresh machine")
        what = ["debootstrap", "--variant=minbase", "--include=python3", suite]
        with step("making a minimal Debian %s (about a minute)" % suite):
            run([*what, target, debian.mirror()], "making a fresh machine")

    return cache.made("fresh/%s" % suite, make)


def _bring_configuration(root):
    for source in _FILES:
        target = root + source
        if os.path.isdir(source):
            shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
        elif os.path.exists(source):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(source, target)


def _command_line(root, command):
    variables = {name: text for name, text in os.environ.items() if _VARIABLES.match(name)}
    variables.update(HOME="/root", PATH=_PATH, LANG="C.UTF-8", USER="root")
    settings = ["%s=%s" % pair for pair in sorted(variables.items())]
    inside = ["env", "-i", *settings, "sh", "-c", 'cd %s && exec "$@"' % CLONE, "sh", *command]
    apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _INSIDE, "sh"]
    return [*apart, root, " ".join(local_folders(_pip_configuration())), *inside]


def _pip_configuration():
    done = subprocess.run(["pip", "config", "list"], capture_output=True, text=True)
    return done.stdout


def local_folders(configuration):
    """The folders of this machine that pip's configuration names: indices and wheels in files.

    The pages of an index (`.../simple`) link to files beside them, so its parent is meant.
    """
    words = re.findall(r"(?:file://)?(/[^\s'\"]+)", configuration)
    folders = {word for word in words if os.path.isdir(word)}
    return sorted({re.sub(r"/simple/?$", "", folder) for folder in folders})

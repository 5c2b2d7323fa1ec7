"""Brokers of another generation and of other makes, for tests that one make alone cannot show.

The one rule: like every other program of the tests they are got here, by name and version, and
never installed into the system. `start` of broker.py takes what these functions return.
"""

import glob
import os
import shlex
import shutil

from provision import Unavailable, cache, debian
from provision.broker import CONFIGS, UP_SIGNS, Kind, probe_mosquitto
from provision.steps import run, step

_NEWER = {"suite": "forky", "allowed": [">= 2.1.2", "<< 2.2"], "recorded": "2.1.2-3"}
_AEDES = "aedes@1.2.0"


def newer_mosquitto():
    """The `Kind` of mosquitto 2.1, a generation after Debian 12's, with its own libraries."""

    def unpack(target):
        archive = debian.Archive(_NEWER["suite"])
        version = archive.version("mosquitto", _NEWER["allowed"], _NEWER["recorded"])
        with step("fetching mosquitto %s from Debian %s" % (version, _NEWER["suite"])):
            archive.unpack(["mosquitto=" + version], target)
        _link_libraries(target)
        _write_launcher(target, final)

    final = cache.path("debian/mosquitto-2.1")
    home = cache.made("debian/mosquitto-2.1", unpack)
    return probe_mosquitto(os.path.join(home, "launch"), {})


def _link_libraries(target):
    """Name libraries as programs ask for them, which installing a package leaves to ldconfig."""
    program = shutil.which("ldconfig") or shutil.which("ldconfig", path="/usr/sbin:/sbin")
    if not program:
        raise Unavailable("ldconfig, which names unpacked libraries, is not installed")
    for folder in glob.glob(os.path.join(target, "usr/lib/*-linux-gnu*")):
        run([program, "-n", folder], "naming the libraries")


def _write_launcher(target, final):
    loaders = glob.glob(os.path.join(target, "usr/lib/*/ld-linux*.so.*"))
    if not loaders:
        raise Unavailable("the unpacked packages hold no loader of shared libraries")
    loader = os.path.join(final, os.path.relpath(loaders[0], target))
    words = [loader, "--inhibit-cache", "--library-path", os.path.dirname(loader)]
    words += ["--argv0", "mosquitto", os.path.join(final, "usr/sbin/mosquitto")]
    _write_script(target, 'exec %s "$@"' % shlex.join(words))


def openssl():
    """The path of openssl, which makes the certificates of tests: the system's, else unpacked."""
    found = shutil.which("openssl")
    if found:
        return found

    def unpack(target):
        with step("fetching openssl from the system's package sources"):
            debian.Archive().unpack(["openssl"], target)
        words = ["OPENSSL_CONF=" + os.path.join(final, "etc/ssl/openssl.cnf")]
        libraries = glob.glob(os.path.join(target, "usr/lib/*-linux-gnu*"))
        if libraries:
            words.append(
                "LD_LIBRARY_PATH=" + os.path.join(final, os.path.relpath(libraries[0], target))
            )
        words.append(os.path.join(final, "usr/bin/openssl"))
        os.mkdir(os.path.join(target, "bin"))
        _write_script(target, 'exec env %s "$@"' % shlex.join(words), "bin/openssl")

    final = cache.path("debian/openssl")
    return os.path.join(cache.made("debian/openssl", unpack), "bin/openssl")


def _write_script(target, text, name="launch"):
    path = os.path.join(target, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\n%s\n" % text)
    os.chmod(path, 0o755)


def aedes():
    """The `Kind` of aedes, a broker of MQTT 3.1.1 in JavaScript; needs node and npm."""
    for program in ("node", "npm"):
        if not shutil.which(program):
            raise Unavailable("aedes needs %s, which is not installed" % program)

    def install(target):
        with step("fetching %s" % _AEDES):
            run(["npm", "install", "--no-audit", "--no-fund", "--prefix", target, _AEDES], "npm")
        with open(os.path.join(target, "broker.mjs"), "w", encoding="utf-8") as file:
            file.write(_AEDES_SCRIPT)
        _write_script(target, 'exec node %s "$@"' % shlex.quote(os.path.join(final, "broker.mjs")))

    final = cache.path("npm/" + _AEDES)
    home = cache.made("npm/" + _AEDES, install)
    return Kind("aedes", _AEDES.split("@")[1], os.path.join(home, "launch"), {}, "3.1.1 only")


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


def aedes_config(port, nodelay, extra_lines, folder):
    """The port and nothing else."""
    return "%d\n" % port


def ejabberd():
    """The `Kind` of ejabberd, whose `mod_mqtt` is a broker of MQTT 5 and 3.1.1 in Erlang."""

    def unpack(target):
        with step("fetching ejabberd from the system's package sources"):
            debian.Archive().unpack(["ejabberd"], target)
        _write_script(target, _EJABBERD_SCRIPT.replace("HOME_", final))

    final = cache.path("debian/ejabberd")
    home = cache.made("debian/ejabberd", unpack)
    found = glob.glob(os.path.join(home, "usr/lib/*/ejabberd-*/ebin"))
    if not found:
        raise Unavailable("the system's package ejabberd holds no program")
    version = found[0].split("/")[-2].split("-")[1]
    return Kind("ejabberd", version, os.path.join(home, "launch"), {}, "")


# Runs where it was unpacked; what the packages' own scripts set up is set up here.
_EJABBERD_SCRIPT = """\
root=HOME_/usr/lib/erlang
export ROOTDIR=$root BINDIR=$(echo $root/erts-*/bin) EMU=beam PROGNAME=erl
export LD_LIBRARY_PATH=$(echo HOME_/usr/lib/*-linux-gnu HOME_/lib/*-linux-gnu | tr ' ' :)
export ERL_LIBS=$(echo HOME_/usr/lib/*-linux-gnu | tr ' ' :)
export HOME=$(dirname $2)
cp $2 $HOME/ejabberd.yml  # its name decides how it is read
export EJABBERD_CONFIG_PATH=$HOME/ejabberd.yml
export EJABBERD_LOG_PATH=$HOME/ejabberd.log
for folder in HOME_/usr/lib/*-linux-gnu/*/ebin $root/lib/*/ebin; do
    set -- "$@" -pa $folder
done
shift 2
exec $BINDIR/erlexec -boot $root/bin/start_clean "$@" -noinput +S 1 \\
    -mnesia dir "\\"$HOME/database\\"" -s ejabberd"""


def ejabberd_config(port, nodelay, extra_lines, folder):
    """The text of ejabberd.yml: MQTT alone, and anybody may connect."""
    return (
        "loglevel: info\nhosts: [localhost]\n"
        "listen:\n  - port: %d\n    ip: 127.0.0.1\n    module: mod_mqtt\n"
        "auth_method: [anonymous]\nanonymous_protocol: login_anon\n"
        "modules:\n  mod_mqtt:\n"
        '    access_publish: {"#": [{allow: all}]}\n'
        '    access_subscribe: {"#": [{allow: all}]}\n' % port
    )


CONFIGS.update(aedes=aedes_config, ejabberd=ejabberd_config)
UP_SIGNS.update(aedes="aedes running", ejabberd="Start accepting TCP connections")

"""The command line of `tools/release`: one function for each verb."""

import argparse
import datetime
import sys
import time

from agent.errors import LimpetError
from agent.update import release

from . import building, installing, keys, publishing, signing
from .depot import Depot, body_of

DAY_S = 86400


def main(arguments):
    """Do what the command line asks for; the exit status."""
    options = _parse(arguments)
    try:
        options.run(options)
    except (LimpetError, building.BuildProblem, keys.KeyProblem, OSError) as error:
        print("release: %s" % error, file=sys.stderr)
        return 1
    return 0


def new_key(options):
    """Make a key."""
    secret = keys.passphrase(options, again=True)
    print(keys.make(options.file, secret))


def make_ring(options):
    """Write a keyring, to be signed by its own root keys and those of the one before it."""
    roles = []
    for words in (options.root, options.release):
        threshold = release.number(words[0], release.MAX_KEYS)
        roles.append(release.Role(threshold, tuple(sorted(words[1:], key=_key_id))))
    ring = release.Keyring(options.product, options.number, _expiry(options.expires), *roles)
    body = release.encode_keyring(ring)
    release.parse_keyring(body)
    print(Depot(options.depot).write(body, "keyrings", options.product, options.number))


def _key_id(key):
    return key[: release.KEY_ID]


def build(options):
    """Build a release from a folder."""
    files = building.collect(options.source, options.names or building.AGENT, options.mpy)
    needs = dict(one.split("=", 1) for one in options.needs)
    needs.setdefault("start", "1")
    if options.mpy:
        needs.setdefault("mpy", str(building.MPY_VERSION))
    words = {
        "product": options.product,
        "channel": options.channel,
        "version": options.version,
        "sequence": options.sequence,
        "floor": options.floor,
        "expires": _expiry(options.expires),
        "keyring": options.keyring,
        "needs": tuple(sorted(needs.items())),
    }
    print(building.build(Depot(options.depot), files, words, options.since))


def _expiry(text):
    """Unix seconds of a date, or of so many days from now."""
    if text.isdigit():
        return int(time.time()) // DAY_S * DAY_S + int(text) * DAY_S
    day = datetime.date.fromisoformat(text)
    return int(datetime.datetime(*day.timetuple()[:3], tzinfo=datetime.UTC).timestamp())


def sign(options):
    """Put a signature under a file."""
    key = keys.load(options.key, keys.passphrase(options))
    with open(options.file, "rb") as file:
        data = signing.sign(file.read(), key)
    with open(options.file, "wb") as file:
        file.write(data)


def verify(options):
    """Check a release with a keyring."""
    with open(options.keyring, "rb") as file:
        ring = release.parse_keyring(body_of(file.read()))
    with open(options.file, "rb") as file:
        description = signing.verify(file.read(), ring)
    print(
        "%s %d: signed as keyring %d asks"
        % (description.version, description.sequence, ring.number)
    )


def inspect(options):
    """Print what a file says, and who has signed it."""
    with open(options.file, "rb") as file:
        data = file.read()
    sys.stdout.write(body_of(data).decode())
    if b"\nsign " in data:
        for one in release.split_signed(data).signatures:
            print("signed with %s by %s" % (one.algorithm, one.key))


def install(options):
    """Put the first release onto a device's medium."""
    place = (options.product, options.channel, options.sequence)
    installing.install(Depot(options.depot), *place, options.root)


def publish(options):
    """Publish a signed release, retained, and serve what it names if asked to."""
    depot = Depot(options.depot)
    place = (options.product, options.channel, options.sequence)
    _, data = depot.description(*place)
    release.split_signed(data)  # an unsigned one is of no use to anybody
    publishing.publish(depot, options, data)


def serve(options):
    """Answer devices that ask."""
    publishing.serve(Depot(options.depot), options)


def _parse(arguments):
    parser = argparse.ArgumentParser(
        prog="tools/release",
        description=_main_doc(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    sub = verbs.add_parser("keys", help="make keys and keyrings")
    kinds = sub.add_subparsers(dest="kind", required=True, metavar="KIND")
    one = _verb(kinds, "new", new_key, "make a key", "file")
    _add_passphrase(one)
    one = _verb(kinds, "ring", make_ring, "make a keyring", "depot")
    one.add_argument("--number", type=int, required=True)
    one.add_argument("--root", nargs="+", required=True, metavar="THRESHOLD HEX")
    one.add_argument("--release", nargs="+", required=True, metavar="THRESHOLD HEX")
    _add_place(one, False)
    _add_expiry(one, "3650")
    _parse_build(verbs)
    one = _verb(verbs, "sign", sign, "put a signature under a file", "file", "key")
    _add_passphrase(one)
    one = _verb(verbs, "verify", verify, "check a release", "file")
    one.add_argument("--keyring", required=True, metavar="FILE")
    _verb(verbs, "inspect", inspect, "print what a file says", "file")
    one = _verb(verbs, "install", install, "put the first release in place", "depot", "root")
    _add_place(one)
    one = _verb(verbs, "publish", publish, "tell every device of a release", "depot")
    _add_place(one)
    one.add_argument("--serve", action="store_true", help="and answer those who ask for it")
    _add_broker(one)
    one = _verb(verbs, "serve", serve, "answer devices that ask", "depot")
    _add_broker(one)
    return parser.parse_args(arguments)


def _parse_build(verbs):
    one = _verb(verbs, "build", build, "build a release", "depot")
    _add_place(one)
    one.add_argument("--version", required=True)
    one.add_argument("--floor", type=int, default=0, help="the least sequence allowed after it")
    one.add_argument("--keyring", type=int, default=1, help="number of the one that signs (1)")
    one.add_argument("--needs", action="append", default=[], metavar="NAME=VALUE")
    one.add_argument("--since", type=int, nargs="*", default=[], help="make deltas from these")
    one.add_argument("--source", default=".", help="the folder that holds the files (.)")
    one.add_argument("--names", nargs="*", help="what of it (agent compat)")
    one.add_argument("--mpy", action="store_true", help="compile modules for MicroPython")
    _add_expiry(one, "365")


def _verb(verbs, name, run, about, *places):
    one = verbs.add_parser(name, help=about)
    one.set_defaults(run=run)
    for place in places:
        one.add_argument(place)
    return one


def _add_passphrase(parser):
    parser.add_argument("--passphrase-file", metavar="FILE")
    parser.add_argument("--passphrase-fd", type=int, metavar="N")


def _add_place(parser, with_sequence=True):
    parser.add_argument("--product", default="limpet-agent")
    if with_sequence:
        parser.add_argument("--channel", default="stable")
        parser.add_argument("--sequence", type=int, required=True)


def _add_expiry(parser, default):
    parser.add_argument("--expires", default=default, metavar="DAYS|YYYY-MM-DD")


def _add_broker(parser):
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--root-topic", default="limpet")
    parser.add_argument("--http", type=int, metavar="PORT", help="serve over HTTP as well")


def _main_doc():
    return sys.modules["__main__"].__doc__

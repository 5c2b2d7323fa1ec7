"""The command line of `tools/release`: one function for each verb."""

import argparse
import datetime
import os
import sys
import time

from fleet.errors import FleetError

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
    except (LimpetError, building.BuildProblem, keys.KeyProblem, FleetError, OSError) as error:
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
    told, is_good = _trust(options.file, data, keys.public_hex(key)[: release.KEY_ID])
    if not is_good and not options.anyway:
        raise keys.KeyProblem("%s; nothing is written (--anyway does)" % told)
    with open(options.file, "wb") as file:
        file.write(data)
    print("%s: %s" % (options.file, told))


def _trust(path, data, key):
    """What devices will say to a signature, in words; whether they may count it."""
    folder = _depot_of(path)
    if folder is None:
        return "signed by %s; it lies in no depot, so who trusts that is not known" % key, True
    ring, count, role = signing.trusted(data, folder)
    if ring is None:
        return "signed by %s; the depot has no keyring that says who trusts that" % key, True
    wanted = getattr(ring, role)
    name = "keyring %d of %s" % (ring.number, ring.product)
    known = [one[: release.KEY_ID] for one in wanted.keys]
    if role == "root":  # a keyring is signed by its own keys as well
        own = release.parse_keyring(body_of(data)).root.keys
        known += [one[: release.KEY_ID] for one in own]
    if key not in known:
        words = (name, key, role)
        return "%s does not name the key %s for %s: devices do not trust it" % words, False
    text = "signed by %s: %d of the %d that %s asks for" % (key, count, wanted.threshold, name)
    return text, True


def _depot_of(path):
    """The depot that a release or a keyring lies in, None for neither."""
    parts = os.path.abspath(path).split(os.sep)
    for name, depth in (("releases", -4), ("keyrings", -3)):
        if len(parts) > -depth and parts[depth] == name:
            return os.sep.join(parts[:depth])
    return None


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
    print("%s: release %d in slot a, and limpet_start.py" % (options.root, options.sequence))


def publish(options):
    """Publish a signed release, retained, and serve what it names if asked to."""
    depot = Depot(options.depot)
    place = (options.product, options.channel, options.sequence)
    _, data = depot.description(*place)
    release.split_signed(data)  # an unsigned one is of no use to anybody
    ring, count, role = signing.trusted(data, options.depot)
    if ring is not None and count < getattr(ring, role).threshold:
        words = (count, getattr(ring, role).threshold, ring.number)
        raise keys.KeyProblem("%d of the %d signatures that keyring %d asks for" % words)
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
    one.add_argument("--number", type=int, required=True, metavar="N",
                     help="1 for the first, one more for each that follows")  # fmt: skip
    one.add_argument("--root", nargs="+", required=True, metavar=("THRESHOLD", "HEX"),
                     help="how many of these public keys sign the next keyring")  # fmt: skip
    one.add_argument("--release", nargs="+", required=True, metavar=("THRESHOLD", "HEX"),
                     help="how many of these public keys sign a release")  # fmt: skip
    _add_place(one, False)
    _add_expiry(one, "3650")
    _parse_build(verbs)
    one = _verb(verbs, "sign", sign, "put a signature under a file", "file", "key")
    _add_passphrase(one)
    one.add_argument("--anyway", action="store_true",
                     help="with a key that the devices do not trust, too")  # fmt: skip
    one = _verb(verbs, "verify", verify, "check a release", "file")
    one.add_argument("--keyring", required=True, metavar="FILE", help="as a device has it")
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
    one.add_argument("--version", required=True, help="for people: a-z 0-9 . - +")
    one.add_argument("--floor", type=int, default=0, help="the least sequence allowed after it")
    one.add_argument("--keyring", type=int, default=1, help="number of the one that signs (1)")
    one.add_argument("--needs", action="append", default=[], metavar="NAME=VALUE",
                     help="refused where it is not so: agent, board, mpy, runtime, space, start"
                     )  # fmt: skip
    one.add_argument("--since", type=int, nargs="*", default=[], metavar="SEQUENCE",
                     help="make deltas from these")  # fmt: skip
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
    parser.add_argument("--passphrase-file", metavar="FILE", help="its first line, not a prompt")
    parser.add_argument("--passphrase-fd", type=int, metavar="N", help="as a file, already open")


def _add_place(parser, with_sequence=True):
    parser.add_argument("--product", default="limpet-agent",
                        help="what it is of (limpet-agent); app-NAME for an app, and apps for "
                             "the keyring of all apps")  # fmt: skip
    if with_sequence:
        parser.add_argument("--channel", default="stable", help="who is offered it (stable)")
        parser.add_argument("--sequence", type=int, required=True, metavar="N",
                            help="above that of every release before it")  # fmt: skip


def _add_expiry(parser, default):
    parser.add_argument("--expires", default=default, metavar="DAYS|YYYY-MM-DD",
                        help="not taken after it (%s days)" % default)  # fmt: skip


def _add_broker(parser):
    parser.add_argument("--broker", metavar="URL",
                        help="mqtt[s]://user:password@host:port; else $LIMPET_BROKER, which "
                             "others on this machine do not see")  # fmt: skip
    parser.add_argument("--ca", metavar="FILE", help="with mqtts://, trust these (PEM)")
    parser.add_argument("--root-topic", default="limpet", help="above all devices (limpet)")
    parser.add_argument("--http", metavar="[HOST:]PORT", help="serve over HTTP as well")


def _main_doc():
    return sys.modules["__main__"].__doc__

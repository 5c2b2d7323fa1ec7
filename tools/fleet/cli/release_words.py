"""The command lines of `limpet app`, `limpet update` and `limpet beacon`, and their help.

Rule: as `arguments.py`: nothing is done here.
"""

ACTIONS = ("ls", "install", "start", "stop", "rollback", "rm")
APP_EXAMPLES = """\
An app is a folder: app.json, and a module of the app's name. One to copy is
tools/examples/greenhouse. Installed, it is tried and kept if it is well; else
what ran before runs again. The agent is not restarted.
  limpet app install pump-7 greenhouse/           nobody has signed it: the device
                                                  asks for the permission `code`
  limpet app install pump-7 greenhouse/ --sign release.pem
  limpet app install pump-7 depot/releases/app-greenhouse/stable/3
  limpet app ls pump-7
  limpet app stop pump-7 greenhouse               until it is started again
  limpet app rollback pump-7 greenhouse           to the release before, at once
  limpet app rm pump-7 greenhouse

A device takes signed apps by the keys that its apps.keyring names; tools/release
makes both. Its pieces are served as long as this command runs.
"""
UPDATE_EXAMPLES = """\
RELEASE is the signed file that tools/release made. Where it lies in its depot,
its pieces are served as long as this command runs; else tools/release serve does.
  limpet update pump-7 depot/releases/limpet-agent/stable/7
  limpet update pump-7 depot/releases/limpet-agent/stable/6 --downgrade
  limpet update pump-7                            how it stands
  limpet update pump-7 --rollback                 to the release before, at once

The bar goes on through the restart, until the release has proved itself or has
gone back. Ctrl-C while it is fetched leaves it; the same command goes on there.
"""
BEACON_EXAMPLES = """\
A device whose configuration names a key in update.beacon takes a release only
after that key told it the time since its start. It takes no other's word, and no
old one. Told are those that are online.
  limpet beacon pump-7 --key clerk.key
  limpet beacon all --every 600                   those that start later, too
"""


def add(add_command, device, seconds):
    """Declare the commands."""
    app = add_command("app", "bring apps to a device, and see to them", APP_EXAMPLES)
    app.add_argument("action", choices=ACTIONS, metavar="ACTION", help=", ".join(ACTIONS))
    app.add_argument("device", type=device)
    app.add_argument("name", nargs="?", metavar="NAME|FOLDER|RELEASE")
    app.add_argument("--sign", metavar="FILE", help="sign the folder's release with this key")
    app.add_argument("--passphrase-file", metavar="FILE", help="of that key (a prompt)")
    app.add_argument("--keyring", type=int, default=1, metavar="N",
                     help="number of the apps' keyring that names the key (1)")  # fmt: skip
    app.add_argument("--sequence", type=int, metavar="N",
                     help="of the folder's release (one more than the device has)")  # fmt: skip
    app.add_argument("--downgrade", action="store_true", help="it is older than what runs")
    app.add_argument("--json", action="store_true", help="the device's own words, as JSON")
    update = add_command("update", "bring a release of the agent to a device", UPDATE_EXAMPLES)
    update.add_argument("device", type=device)
    update.add_argument("release", nargs="?", metavar="RELEASE")
    update.add_argument("--downgrade", action="store_true", help="it is older than what runs")
    update.add_argument("--rollback", action="store_true", help="to the release before this one")
    beacon = add_command("beacon", "tell devices without a clock the time", BEACON_EXAMPLES)
    beacon.add_argument("devices", nargs="+", metavar="DEVICE", help="names, or all")
    beacon.add_argument("--newest", type=int, default=0, metavar="N",
                        help="the newest release's sequence: a device that is not offered it "
                             "says so")  # fmt: skip
    beacon.add_argument("--every", type=seconds, metavar="SECONDS", help="again, until Ctrl-C")


def check(names, parser):
    """What argparse cannot see."""
    if names.action != "ls" and names.name is None:
        what = "a folder or a release" if names.action == "install" else "an app's name"
        parser.error(f"{names.action} what? give {what}")
    if names.action == "ls" and names.name is not None:
        parser.error(f"{names.name} is not understood after ls DEVICE")

"""Other people's scripted tests of MQTT clients: got here, unpacked, and left as they are.

The one rule: like every other program of the tests they are got by name and version, checked by
who got them (apt by signature, pip by hash), and nothing of them is kept in this repository.
"""

import glob
import os
import shutil
import tarfile

from provision import Unavailable, cache, debian, pypi
from provision.steps import step

# mosquitto's, of the generation whose clients are tested packet by packet (test/lib/data). Which
# of its scripts apply is listed by name, so another release of it is another list.
_MOSQUITTO = {"suite": "forky", "allowed": [">= 2.1.2", "<< 2.1.3"], "recorded": "2.1.2-3"}
# paho-mqtt's, of the version in requirements.txt.
_PAHO = "paho-mqtt==2.2.0"
_PAHO_SHA256 = "bcf706f03f1f49e0fc3ae166dc7b67ee35463496f8bdfd7c9c36181f6ba635c9"


def mosquitto():
    """The path of the folder `test` of mosquitto's sources."""

    def unpack(target):
        archive = debian.Archive(_MOSQUITTO["suite"], kind="deb-src")
        version = archive.version("mosquitto", _MOSQUITTO["allowed"], _MOSQUITTO["recorded"])
        with step("fetching the sources of mosquitto %s" % version):
            archive.source("mosquitto", version, target)
        _keep(target, "mosquitto_*.orig.tar.*", "test")

    return os.path.join(cache.made("scripts/mosquitto-2.1", unpack), "test")


def paho():
    """The path of the folder `tests` of paho-mqtt's sources."""

    def unpack(target):
        with step("fetching the sources of %s with pip" % _PAHO):
            pypi.download(_PAHO, [_PAHO_SHA256], target, source=True)
        _keep(target, "paho_mqtt-*.tar.gz", "tests")

    return os.path.join(cache.made("scripts/" + _PAHO, unpack), "tests")


def _keep(target, pattern, folder):
    """Of the archive in `target` keep one top folder and nothing else."""
    found = glob.glob(os.path.join(target, pattern))
    if not found:
        raise Unavailable("the sources that were fetched hold no %s" % pattern)
    inside = os.path.join(target, ".unpacked")
    with tarfile.open(found[0]) as archive:
        archive.extractall(inside)
    (top,) = os.listdir(inside)
    os.rename(os.path.join(inside, top, folder), os.path.join(target, folder))
    shutil.rmtree(inside)
    for name in os.listdir(target):
        if name != folder:
            os.remove(os.path.join(target, name))

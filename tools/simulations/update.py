"""An update, its rollback and its undoing by a power cut at every operation of the medium.

Real: the start (limpet_start), the slots, the fetching. Simulated: the medium, which loses, tears
and reorders what was not synced (tests/faulty/medium.py), the depot, the health
(tests/update_life.py). The invariant:

    1. Whatever happens, what starts is the old release or the new one, whole; and what the
       record speaks of is on the medium.
    2. When the faults stop, a good release is in use; a bad one is not, and is not tried again.
    3. What comes next can be had.
"""

import random

from faulty.medium import LUCKS
from limpet_esp32 import IMAGE
from update_life import NEW, NEXT, ImageLife, Life, Wrong
from update_life_esp32 import Esp32Life

Lie = Wrong


# By the first word of a scene's name: the device, and the two releases that come to it.
KINDS = {
    "files": (Life, (NEW, NEXT)),
    "image": (ImageLife, ({"limpetd": b"second image " * 380}, {"limpetd": b"third " * 500})),
    "esp32": (
        Esp32Life,
        (dict(NEW, **{IMAGE: b"second image " * 700}), dict(NEXT, **{IMAGE: b"third " * 800})),
    ),
}


def of(life):
    """The releases that come."""
    return [rows for made, rows in KINDS.values() if made is type(life)][0]


def forward(life):
    """A good release is fetched, tried, confirmed."""
    life.live(life.update_to(2, life.offer(2, of(life)[0])))


def back(life):
    """The owner goes back from it, to the release that is still there."""
    forward(life)
    life.live(life.go_back())


def undone(life):
    """A bad release undoes itself; the next one is had."""
    offered = life.offer(2, of(life)[0], is_good=False)
    act = life.update_to(2, offered)
    life.live(act)
    expect_failed(life, 2)
    life.live(life.update_to(3, life.offer(3, of(life)[1])))


def expect_failed(life, sequence):
    """Raise Wrong unless the release is known to have failed here, and the old one runs."""

    def act(slots, running):
        if running != 1 or slots.state.failed != sequence:
            raise Wrong("%r after a release that failed" % (slots.state,))
        return True

    life.live(act)


_SCENES = {"forward": forward, "back": back, "undone": undone}
BRIEF = ("none", "torn")  # the two lucks that find most
SCENES = {"%s %s" % (kind, name): _SCENES[name] for kind in KINDS for name in _SCENES}


def live_through(scene, cuts, luck, **parts):
    """One life; its boots. Raises Wrong."""
    life = KINDS[scene.split(" ")[0]][0](cuts, luck, **parts)
    SCENES[scene](life)
    return life


def count(scene):
    """Operations of the medium in a life without a fault."""
    return live_through(scene, (), "all").medium.operations


def every_point(lucks=(*LUCKS, 1, 2, 3), scenes=SCENES, **parts):
    """A cut at every operation of every scene with each luck: how many points that were."""
    points = 0
    for scene in scenes:
        for luck in lucks:
            for at in range(count(scene)):
                _try(scene, (at,), luck, parts)
                points += 1
    return points


def every_pair(lucks=BRIEF, scenes=SCENES, **parts):
    """Two cuts, at each pair of operations of every scene, under each luck in turn."""
    points = 0
    for scene in scenes:
        most = count(scene)
        for first in range(most):
            for second in range(most):
                luck = lucks[(first + second) % len(lucks)]
                _try(scene, (first, second), luck, parts)
                points += 1
    return points


def _try(scene, cuts, luck, parts):
    try:
        live_through(scene, cuts, luck, **parts)
    except Wrong as wrong:
        raise Wrong("%s, cuts %r, luck %r: %s" % (scene, cuts, luck, wrong))


def run(seed, **parts):
    """One life with two faults, from a seed; (boots, cuts)."""
    source = random.Random(seed)
    scene = source.choice(sorted(SCENES))
    most = COUNTS.setdefault(scene, count(scene))
    cuts = (source.randrange(most), source.randrange(most))
    luck = source.choice((*LUCKS, source.randrange(1 << 30)))
    return live_through(scene, cuts, luck, **parts).boots, 2


COUNTS = {}

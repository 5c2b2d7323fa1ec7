"""A call of a function with many locals leaves the heap alone on our own build.

MicroPython as it comes allocates such a frame at each call (the patch frames-on-the-stack says
what that costs); how much is printed, and nothing is asserted of it.
"""

import subprocess

import pytest
from provision import Unavailable, runtimes

# The inner figure is taken while the frame of `wide` exists.
_PROGRAM = """\
import gc

def wide(a):
    b = c = d = e = f = g = h = i = j = k = l = m = n = a
    return gc.mem_alloc(), b, c, d, e, f, g, h, i, j, k, l, m, n

def measure():
    before = gc.mem_alloc()
    return wide(before)[0] - before

measure()
print(measure())
"""


def bytes_of_a_frame(path):
    done = subprocess.run([path, "-c", _PROGRAM], capture_output=True, text=True, timeout=60)
    return int(done.stdout)


def test_the_frame_of_a_large_function_takes_no_heap_on_our_build():
    try:
        path = runtimes.path("micropython-gil")
    except Unavailable as reason:
        pytest.skip(str(reason))
    found = runtimes.look("micropython-oldest")
    if found.path is not None:
        print("MicroPython %s as it comes:" % found.version, bytes_of_a_frame(found.path), "bytes")
    assert bytes_of_a_frame(path) == 0

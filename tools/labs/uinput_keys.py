"""Runs in the lab's guest: makes an input device called `limpet button`, and presses its A.

The one rule: it stands for a person's finger, so it uses nothing of the agent but `fcntl`.
Source: linux/uinput.h; the old way of setting up, by writing one structure, works on all kernels.
"""

import struct
import sys
import time

sys.path.append(__file__.rsplit("/", 3)[0] + "/compat")

import fcntl  # noqa: E402 - found through the path set above

UI_DEV_CREATE, UI_SET_EVBIT, UI_SET_KEYBIT = 0x5501, 0x40045564, 0x40045565
EV_SYN, EV_KEY, KEY_A = 0, 1, 30
PERIOD_S = 0.2


def main():
    """Press and let go until the guest ends."""
    device = open("/dev/uinput", "r+b", 0)
    for request, value in ((UI_SET_EVBIT, EV_KEY), (UI_SET_KEYBIT, KEY_A)):
        fcntl.ioctl(device, request, value)
    # struct uinput_user_dev: name, identity, effects, four tables of 64 axes
    setup = struct.pack("<80sHHHHI", b"limpet button", 3, 0x1D6B, 0x0104, 1, 0)
    device.write(setup + bytes(4 * 4 * 64))
    fcntl.ioctl(device, UI_DEV_CREATE, 0)
    while True:
        for value in (1, 0):
            time.sleep(PERIOD_S)
            for kind, code, state in ((EV_KEY, KEY_A, value), (EV_SYN, 0, 0)):
                device.write(struct.pack("<QQHHi", 0, 0, kind, code, state))


main()

"""A board's first file: sets where modules are looked for, and does nothing else.

It is written when the board is provisioned, and no update touches it.
"""

import sys

if "/limpet" not in sys.path:
    sys.path.append("/limpet")
if ".frozen" in sys.path:
    # What is in the firmware is not looked for on the medium first, at milliseconds a name.
    sys.path.remove(".frozen")
    sys.path.insert(0, ".frozen")

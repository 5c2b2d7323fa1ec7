"""A board's first file: makes `limpet_start` importable, and does nothing else.

It is written when the board is provisioned, and no update touches it.
"""

import sys

if "/limpet" not in sys.path:
    sys.path.append("/limpet")

"""The command `limpet`: a fleet at the terminal and in scripts.

Rule: it does what the library does and adds words; whatever a program would need too belongs into
the library. `main` is the entry point.
"""

from .main import main

__all__ = ["main"]

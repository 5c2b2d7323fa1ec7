"""Files that a caller may reach: below named roots, never through a link.

`faults.py` turns what the system refuses into errors with words; `tree.py` finds a place below a
root; `held.py` and `plain.py` are its two ways of not being fooled; `transfer.py` puts content
there, whole or not at all.
"""

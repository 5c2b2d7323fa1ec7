"""What MicroPython's own build freezes into limpetd: nothing. All is packed, by `packing.py`."""

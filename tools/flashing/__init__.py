"""The agent put on a stock MicroPython, and kept there. What `tools/flash` is made of."""

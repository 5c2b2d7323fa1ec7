"""Boards that exist only here: the code behind tools/emulate and tests/boards."""

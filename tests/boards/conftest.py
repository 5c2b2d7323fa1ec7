"""Emulated boards with our firmware in them."""

import json
from pathlib import Path

import pytest
from emulators import rp2040 as emulator
from firmwares import rp2040
from provision import Unavailable

DEVICE = Path(__file__).resolve().parent / "device"
FIRMWARE = DEVICE.parent.parent.parent / "firmware"


class Boards:
    """Call it with {path: text or bytes} for a new board's flash, or with an earlier `flash`."""

    def __init__(self, firmware):
        self._firmware = firmware

    def __call__(self, files):
        if not isinstance(files, dict):
            return emulator.Board(files)
        found = {path.name: path.read_bytes() for path in DEVICE.glob("*.py")}
        for name, content in files.items():
            found[name] = content.encode() if isinstance(content, str) else content
        return emulator.Board(emulator.image(self._firmware, found, rp2040.FILES_BYTES))

    def with_agent(self, config=None, files=None):
        """A board that starts the agent as a real one does; its config, and more files."""
        found = {name: (FIRMWARE / name).read_bytes() for name in ("boot.py", "main.py")}
        found["boot.py"] += (DEVICE / "boot.py").read_bytes()
        values = {"device": "pico", "data": "/data", **(config or {})}
        found["agent.json"] = json.dumps(values)
        return self({**found, **(files or {})})

    def files(self, board):
        """{path: bytes} of what is in its flash now."""
        return emulator.files_in(board.flash, rp2040.FILES_BYTES)


@pytest.fixture(scope="session")
def board():
    """Makes boards; skipped with its reason where the firmware cannot be built."""
    try:
        return Boards(rp2040.firmware())
    except Unavailable as reason:
        pytest.skip(str(reason))

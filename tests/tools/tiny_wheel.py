"""Makes the smallest wheel that pip takes, so that tests of set-up need no package index."""

import zipfile

NAME = "tiny_wheel"
PIN = "tiny_wheel==1.0"
_METADATA = "Metadata-Version: 2.1\nName: tiny_wheel\nVersion: 1.0\n"
_WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def make(folder):
    """Write the wheel into `folder` (a `pathlib.Path`) and return its path."""
    path = folder / "tiny_wheel-1.0-py3-none-any.whl"
    info = "tiny_wheel-1.0.dist-info/"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("tiny_wheel.py", "WHOLE = True\n")
        wheel.writestr(info + "METADATA", _METADATA)
        wheel.writestr(info + "WHEEL", _WHEEL)
        names = ["tiny_wheel.py", info + "METADATA", info + "WHEEL", info + "RECORD"]
        wheel.writestr(info + "RECORD", "".join(name + ",,\n" for name in names))
    return path

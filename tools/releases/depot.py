"""A depot: a folder with releases, keyrings, and the blobs that they name.

    releases/PRODUCT/CHANNEL/SEQUENCE   a description, signed or not yet
    keyrings/PRODUCT/NUMBER             a keyring, signed or not yet
    blobs/TREE                          what a device asks for, as a stream (agent/update/tree.py)
    files/HASH                          files of releases, from which deltas are made

The one rule: whatever has a hash for a name holds that content, and is written once.
"""

import os
from hashlib import sha256

from agent.update import release

from . import packing


class Depot:
    """The depot in a folder."""

    def __init__(self, folder):
        self.folder = folder

    def path(self, *parts):
        """The path of something in it, its folder made."""
        path = os.path.join(self.folder, *[str(part) for part in parts])
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def write(self, data, *parts):
        """Write something whole, or not at all; its path."""
        path = self.path(*parts)
        with open(path + ".new", "wb") as file:
            file.write(data)
        os.replace(path + ".new", path)
        return path

    def add_blob(self, blob):
        """Keep a blob; (size, tree)."""
        tree, stream = packing.make_stream(blob)
        if not os.path.exists(self.path("blobs", tree)):
            self.write(stream, "blobs", tree)
        return len(blob), tree

    def add_file(self, data):
        """Keep a file's content for later deltas; its hash."""
        digest = sha256(data).hexdigest()
        if not os.path.exists(self.path("files", digest)):
            self.write(data, "files", digest)
        return digest

    def read(self, *parts):
        """What is at a place."""
        with open(os.path.join(self.folder, *[str(part) for part in parts]), "rb") as file:
            return file.read()

    def listing(self, folder):
        """The Files of a release's folder, with the bytes of its listing as they travel."""
        stream = self.read("blobs", folder.tree)
        verifier_data = blob_of(stream, folder.size, folder.tree)
        import io
        import zlib

        text = zlib.decompressobj(packing.WINDOW).decompress(verifier_data)
        return list(release.parse_listing(io.BytesIO(text).readline))

    def description(self, product, channel, sequence):
        """The Description of a release, and its bytes with signatures."""
        data = self.read("releases", product, channel, sequence)
        return release.parse_description(body_of(data)), data


def body_of(data):
    """The text of a description or keyring, signed or not."""
    at = data.find(b"\nsign ")
    return data if at < 0 else data[: at + 1]


def blob_of(stream, size, tree):
    """What a stream holds, verified."""
    from agent.update.tree import Verifier

    verifier = Verifier(size, bytes.fromhex(tree))
    return b"".join(bytes(unit) for unit, is_piece in verifier.feed(stream) if is_piece)

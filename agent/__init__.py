"""Limpet's agent: what is flashed. `agent.app` puts the parts together.

The root of its errors stands here, so that whoever needs no more of the family (errors.py) loads
no more.
"""

VERSION = "0.1.0"


class LimpetError(Exception):
    """An error with a word for the wire.

    `code` is the word, `message` a sentence, `data` None or JSON-able detail.
    """

    code = "internal"

    def __init__(self, message, data=None):
        super().__init__(message)
        self.message = message
        self.data = data

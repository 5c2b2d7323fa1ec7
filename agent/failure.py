"""The root of the family of errors, for whoever needs no more of it: see errors.py."""


class LimpetError(Exception):
    """An error with a word for the wire.

    `code` is the word, `message` a sentence, `data` None or JSON-able detail.
    """

    code = "internal"

    def __init__(self, message, data=None):
        super().__init__(message)
        self.message = message
        self.data = data

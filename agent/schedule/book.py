"""Schedules on the medium: a few pages of JSON, each a value of the store.

The one rule: a change is one write of one page, and what a schedule was declared with is read back
from there when it is needed, so that memory holds no method and no parameters. A page fits in a
block of flash, and a hundred usual schedules fit in the pages. Owner: the main thread.
"""

import json

from agent.errors import LimpetError, TooLarge

PAGES = 10
PAGE_BYTES = 4000  # with the store's header under the 4096 of a usual block
MAX_RECORD_BYTES = 2000  # of one schedule: a page holds at least two


class Book:
    """Records, dicts with a `name` and a number `n` that grows with each change, over a Store."""

    def __init__(self, store):
        self._store = store
        self._pages = [[] for _ in range(PAGES)]  # the names in each page
        self._sizes = [0] * PAGES  # bytes, so that no page is read in vain
        self._numbers = 0
        self.problems = []  # pages that cannot be read, in words; they are not written either

    def load(self):
        """Yield every record once; of two under one name, the newer one."""
        newest = {}
        for index in range(PAGES):
            for record in self._load_page(index):
                name = record["name"]
                if record["n"] > newest.get(name, (0, 0))[0]:
                    newest[name] = (record["n"], index)
                self._numbers = max(self._numbers, record["n"])
        for name, (_, index) in newest.items():
            self._pages[index].append(name)
        for index in range(PAGES):
            if self._pages[index]:
                records = self._read(index)
                # The very strings that the reader gets, so that memory holds each name once.
                self._pages[index] = [record["name"] for record in records]
                for record in records:
                    yield record

    def _load_page(self, index):
        try:
            return self._read_all(index)
        except (LimpetError, ValueError) as error:
            self.problems.append("%s: %s" % (_value_name(index), error))
            self._pages[index] = None
            return ()

    def _read_all(self, index):
        value = self._store.read(_value_name(index)) or b"[]"
        self._sizes[index] = len(value)
        return json.loads(value)

    def _read(self, index):
        """The records of a page that count: an older one of a name in another page does not."""
        names = self._pages[index]
        return [record for record in self._read_all(index) if record["name"] in names]

    def read(self, name):
        """The record of `name`. Raises StoreError, LookupError."""
        for record in self._read(self._find(name)):
            if record["name"] == name:
                return record
        raise LookupError(name)

    def write(self, record):
        """Keep a record, on the medium when this returns. Raises StoreError or TooLarge.

        `record` is a dict with a `name`; `n` is filled in.
        """
        name = record["name"]
        self._numbers += 1
        record["n"] = self._numbers
        size = len(json.dumps(record).encode())
        if size > MAX_RECORD_BYTES:
            words = (name, size, MAX_RECORD_BYTES)
            raise TooLarge("%s: a schedule of %d bytes; at most %d" % words)
        old = self._find(name)
        order = [] if old is None else [old]
        order += [index for index in range(PAGES) if index != old]
        for index in order:
            if self._pages[index] is None:
                continue
            if index != old and self._sizes[index] + size > PAGE_BYTES:
                continue
            if self._try(index, record):
                if old not in (None, index):
                    self._pages[old].remove(name)  # the newer number wins at the next start
                return
        raise TooLarge("%s: no room for it beside the schedules there are" % name)

    def _try(self, index, record):
        name = record["name"]
        records = [other for other in self._read(index) if other["name"] != name]
        records.append(record)
        value = json.dumps(records).encode()
        if len(value) > PAGE_BYTES:
            return False
        self._keep(index, value)
        if name not in self._pages[index]:
            self._pages[index].append(name)
        return True

    def remove(self, name):
        """Forget the record of `name`, on the medium when this returns. Raises StoreError."""
        index = self._find(name)
        if index is None:
            return
        # An older record of that name would come back once this one is gone, so it goes first.
        for other in range(PAGES):
            if other != index and self._pages[other] is not None:
                self._drop(other, name)
        self._drop(index, name)
        self._pages[index].remove(name)

    def _drop(self, index, name):
        records = self._read_all(index)
        kept = [record for record in records if record["name"] != name]
        if len(kept) < len(records):
            self._keep(index, json.dumps(kept).encode())

    def _keep(self, index, value):
        self._store.write(_value_name(index), value)
        self._sizes[index] = len(value)

    def _find(self, name):
        for index, names in enumerate(self._pages):
            if names and name in names:
                return index
        return None


def _value_name(index):
    return "schedule-%d" % index

"""A file made of another one and of what differs.

The one rule: it can fail, and cannot do anything else: nothing is read outside the old file,
nothing is written beyond the declared size. The form is bsdiff's, as one stream: a control (how
many bytes of the old file to add differences to, how many bytes stand here anew, how far to move
in the old file) and the bytes it speaks of, again and again. Numbers are 7 bits to a byte, the
lowest first; the move is folded, so that small ones of either sign are short. Pure.
"""

from agent.bad_message import BadMessage

_CHUNK = 256


def apply(read, old, old_size, size):
    """A generator of the new file's bytes. `read(n)` reads the patch, at most n bytes at a time.

    `old` is a file to seek and read in. Raises BadMessage.
    """
    position = made = 0
    while made < size:
        add, fresh, move = _number(read), _number(read), _number(read)
        made += add + fresh
        if made > size or position + add > old_size:
            raise BadMessage("a patch that leaves its bounds")
        old.seek(position)
        yield b""
        while add:
            data = bytearray(old.read(min(add, _CHUNK)))
            difference = _exactly(read, len(data))
            for index, byte in enumerate(difference):
                data[index] = data[index] + byte & 255
            add -= len(data)
            position += len(data)
            yield data
        while fresh:
            data = _exactly(read, min(fresh, _CHUNK))
            fresh -= len(data)
            yield data
        position += (move >> 1) ^ -(move & 1)
        if not 0 <= position <= old_size:
            raise BadMessage("a patch that leaves the old file")


def _exactly(read, count):
    if not count:
        raise BadMessage("the old file is shorter than it was")
    data = read(count)
    while len(data) < count:
        more = read(count - len(data))
        if not more:
            raise BadMessage("a patch that ends early")
        data += more
    return data


def _number(read):
    value = shift = 0
    while True:
        byte = _exactly(read, 1)[0]
        value |= (byte & 127) << shift
        if byte < 128:
            return value
        shift += 7
        if shift > 28:
            raise BadMessage("a number in a patch that does not end")

"""Linux calls on our own Linux builds: the C module `_linux`; the contract is the package's."""

import _linux

O_PATH, O_DIRECTORY, O_NOFOLLOW = _linux.O_PATH, _linux.O_DIRECTORY, _linux.O_NOFOLLOW

open = _linux.open  # noqa: A001 - the contract's name
close = _linux.close
read = _linux.read
write = _linux.write
pipe = _linux.pipe
kill = _linux.kill


def spawn(arguments, stdin, stdout, stderr, environment):
    """Start a program in a session of its own; its pid."""
    return _linux.spawn(arguments, stdin, stdout, stderr, environment)


def wait(pid):
    """None while it runs, else how it ended."""
    found = _linux.wait(pid, False)
    return None if found is None else found[1]

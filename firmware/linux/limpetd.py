"""The single file's own command line; frozen into it, and started by variant/front.c.

The one rule: whatever is wrong is one line on stderr and a status other than 0. What runs the
agent is `agent.__main__`, as everywhere else.
"""

import sys

USAGE = """usage: limpetd --config FILE
       limpetd --slots FOLDER --config FILE
       limpetd --check-config FILE

Runs Limpet's agent on this device until it is stopped. This one file holds all of it: the
interpreter, the agent, and what they need; nothing has to be installed.

  --config FILE        the configuration, one JSON object; the least is {"device": "NAME"}
  --slots FOLDER       updates go there, and this file is replaced by what is tried
  --check-config FILE  check the configuration, and the files it names; status 0 if it can be
                       used
  --describe           print every member of the configuration: what it takes, its default
  --self-test          try what this file needs of the machine, a line for each; status 0 if all
                       is there
  --version            print the versions of agent and interpreter
  --help               print this

  --heap SIZE          before all else: the memory for objects, as 512k or 1m; 384k at first, on
                       64 bits 768k
  --init               be the first process of a system (rdinit=, init=): mount what the kernel
                       offers, run /etc/rc once, keep the agent running with /etc/limpet.json
  --python [FILE | -c TEXT | -m MODULE] [ARGUMENT ...]
                       be a plain MicroPython of this build instead, with its own options"""

BAD_USAGE = 2


def start():
    """Do what the command line asks for; ends the program with its status."""
    sys.exit(main(sys.argv[1:]))


def main(arguments):
    """Do what the arguments ask for; returns the exit status."""
    first = arguments[0] if arguments else None
    if first in ("-h", "--help"):
        print(USAGE)
        return 0
    if first == "--version":
        return print_version()
    if first == "--self-test":
        return self_test()
    if first == "--slots" and len(arguments) > 1:
        import limpet_start

        return limpet_start.start_image(arguments[1], sys.executable, arguments[2:])
    from agent import __main__ as agent

    if first == "--check-config":
        if len(arguments) != 2:
            sys.stderr.write("limpetd: --check-config: expected a file; --help tells more\n")
            return BAD_USAGE
        arguments = ["--config", arguments[1], "--check"]
    return agent.main(arguments)


def print_version():
    """Print what this file is made of; returns the exit status."""
    import interpreter

    from agent import VERSION

    words = interpreter.describe()
    print("limpetd %s, %s %s, %s" % (VERSION, words["name"], words["version"], words["machine"]))
    return 0


def self_test():
    """Try each of TRIALS, print a line for each; returns 0 if all went well."""
    failed = 0
    for name, trial in TRIALS:
        try:
            print("ok      %s: %s" % (name, trial()))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this trial's outcome
            failed += 1
            print("FAILED  %s: %r" % (name, error))
    return 1 if failed else 0


def _try_agent():
    import agent.app

    return "version %s loads" % agent.VERSION


def _try_threads():
    import threading

    ended = threading.Event()
    thread = threading.Thread(target=ended.set)
    thread.start()
    if not ended.wait(5):
        raise OSError("a thread did not run")
    thread.join()
    return "they run and signal"


def _try_wakeup():
    import select

    from wakeup import Channel

    channel = Channel()
    poll = select.poll()
    poll.register(channel.pollable, select.POLLIN)
    channel.set()
    if not poll.poll(1000):
        raise OSError("poll saw nothing")
    poll.unregister(channel.pollable)
    channel.close()
    return "poll wakes"


def _try_linux():
    import _linux

    reader, writer = _linux.pipe()
    _linux.write(writer, b"word")
    word = _linux.read(reader, 4)
    _linux.close(reader)
    _linux.close(writer)
    if word != b"word":
        raise OSError("a pipe did not carry")
    return "process %d, pipes carry" % _linux.getpid()


def _try_digest():
    import hashlib
    from binascii import hexlify

    digest = hexlify(hashlib.sha256(b"abc").digest())
    if digest[:16] != b"ba7816bf8f01cfea":
        raise OSError("SHA-256 is wrong")
    return "SHA-256 is right"


def _try_tls():
    try:
        import tls
    except ImportError:
        return "left out of this file"
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    if context.verify_mode != tls.CERT_REQUIRED:
        raise OSError("certificates would not be checked")
    return "%d suites, certificates are checked" % len(context.get_ciphers())


def _try_clock():
    import time

    return "year %d" % time.gmtime()[0]


TRIALS = (
    ("agent", _try_agent),
    ("threads", _try_threads),
    ("wake-up", _try_wakeup),
    ("linux", _try_linux),
    ("digest", _try_digest),
    ("tls", _try_tls),
    ("clock", _try_clock),
)

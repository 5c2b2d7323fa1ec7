"""`python -m agent` and `micropython -m agent`: start the agent from a configuration file.

The one rule: whatever is wrong with the command line or the file is one line on stderr and status
2, before anything is opened. It sets the import path, and so comes before every other import.
"""

import sys


def _add_compat():
    """Let `compat` fill in what the interpreter lacks: its own modules win where it has them."""
    try:
        import interpreter  # noqa: F401 - there already: frozen together with this file
    except ImportError:
        _add_folder()


def _add_folder():
    root = __file__.rsplit("/", 2)[0] if __file__.count("/") > 1 else "."
    place = sys.path.index(".frozen") + 1 if ".frozen" in sys.path else len(sys.path)
    sys.path.insert(place, root + "/compat")
    sys.path.append(root + "/firmware")  # limpet_start, where nothing was started by it


_add_compat()

from agent import VERSION, config  # noqa: E402 - needs the path above
from agent.app import Agent  # noqa: E402
from agent.errors import BadConfig  # noqa: E402
from agent.store import InUse  # noqa: E402

USAGE = """usage: python -m agent --config FILE
       micropython -m agent --config FILE

Runs Limpet's agent on this device until it is stopped.

  --config FILE  the configuration, one JSON object; the least is {"device": "NAME"}
  --check        check the configuration, and the files it names, and end: status 0 if it
                 can be used
  --describe     print every member of the configuration: what it takes, its default
  --version      print the version
  --help         print this

Status 75: a caller asked for a restart; whatever started the agent is to start it again
(systemd: Restart=on-failure). Status 70: it crashed, and tells of it at its next start.
Status 2: the command line or the file is wrong."""

BAD_USAGE = 2
CRASHED = 70  # EX_SOFTWARE
RESTART = 75  # EX_TEMPFAIL of sysexits.h: whoever started the agent is to start it again


def main(arguments):
    """Run what the command line asks for; returns the exit status."""
    try:
        options = parse_arguments(arguments)
        if "--config" not in options:
            return _print_words(options)
        values = config.load(options["--config"])
        if "--check" in options:
            config.probe(values)
    except BadConfig as error:
        sys.stderr.write("agent: %s\n" % error.message)
        return BAD_USAGE
    if "--check" in options:
        print("%s: fit for use" % options["--config"])
        return 0
    return guard(values, options["--config"])


def parse_arguments(arguments):
    """The options as a dict. Raises BadConfig at one that is not known."""
    options = {}
    rest = list(arguments)
    while rest:
        name = rest.pop(0)
        if name == "-h":
            name = "--help"
        if name == "--config":
            if not rest:
                raise BadConfig("--config: expected a file; --help tells more")
            options[name] = rest.pop(0)
        elif name in ("--check", "--describe", "--version", "--help"):
            options[name] = True
        else:
            raise BadConfig("%s: unknown option; --help tells all" % name)
    return options


def _print_words(options):
    words = (("--help", lambda: USAGE), ("--version", lambda: VERSION))
    for name, text in words + (("--describe", config.describe),):
        if name in options:
            print(text())
            return 0
    raise BadConfig("--config FILE is missing; --help tells more")


def guard(values, file):
    """Serve; what ends the agent is kept for its next start, and a crash loop is a slow one."""
    agent = None
    try:
        agent = Agent(values, file)
        return serve(agent)
    except InUse as error:
        sys.stderr.write("agent: %s\n" % error.message)
        return BAD_USAGE
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the process ends, and says why
        import time

        from agent.operate import crash

        boot, uptime_ms, most_s = (
            (0, 0, crash.MOST_DELAY_S) if agent is None else agent.operation.abandon()
        )
        time.sleep(min(crash.end(error, values["data"], boot, uptime_ms, VERSION), most_s))
    return CRASHED


def serve(agent):
    """Run until Ctrl-C or a restart that was asked for, which say goodbye; the exit status."""
    try:
        agent.run()
        return RESTART
    except KeyboardInterrupt:
        agent.close()
        agent.log.info("stopped by the keyboard")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

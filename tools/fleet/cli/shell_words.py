"""What `limpet shell` may be told on the command line; apart, since its module loads slowly."""

EXAMPLES = """\
A Python prompt whose code runs on the device, with history and blocks of several
lines; its variables stay until the prompt ends. With --sh the device's shell at
a terminal of its own: editors, pagers and job control work there, the size of
this window goes with it, and all of it ends with the shell. The policy has to
allow it: limpet call DEVICE policy.set code=true
  limpet shell pump-7
  limpet shell pump-7 --sh
  limpet shell pump-7 --inside             in the agent's own interpreter

At the prompt Ctrl-C ends what runs there; Ctrl-D and exit() leave. Code there has
no input(): nobody types into it; limpet run -t pump-7 python3 has a terminal.
With --sh every key goes to the device; Ctrl-] and . leave. From a pipe it reads
one line after the other, each a shell of its own with --sh, and ends with status
1 at the first exception. So it does where a device has no terminals.
"""


def add(parser, device, seconds):
    """The arguments of `limpet shell`."""
    parser.add_argument("device", type=device)
    parser.add_argument("--sh", action="store_true", help="lines for the device's shell")
    parser.add_argument("--inside", action="store_true",
                        help="Python in the agent itself: to look at it; nothing but a print "
                             "lets Ctrl-C through there")  # fmt: skip
    parser.add_argument("--limit", type=seconds, metavar="SECONDS",
                        help="each line is ended after so long (3600); a terminal's shell "
                             "(86400)")  # fmt: skip

"""What `limpet shell` may be told on the command line; apart, since its module loads slowly."""

EXAMPLES = """\
A Python prompt whose code runs on the device, with history and blocks of several
lines; its variables stay until the prompt ends. With --sh each line goes to the
device's shell; the folder stays, variables of the shell do not. The policy has
to allow it: limpet call DEVICE policy.set code=true
  limpet shell pump-7
  limpet shell pump-7 --sh
  limpet shell pump-7 --inside             in the agent's own interpreter

Ctrl-C ends what runs there; Ctrl-D leaves the prompt. From a pipe it reads one
line after the other, and ends with status 1 at the first exception.
"""


def add(parser, device, seconds):
    """The arguments of `limpet shell`."""
    parser.add_argument("device", type=device)
    parser.add_argument("--sh", action="store_true", help="lines for the device's shell")
    parser.add_argument("--inside", action="store_true",
                        help="Python in the agent itself: to look at it; nothing but a print "
                             "lets Ctrl-C through there")  # fmt: skip
    parser.add_argument("--limit", type=seconds, default=3600.0, metavar="SECONDS",
                        help="each line is ended after so long (3600)")  # fmt: skip

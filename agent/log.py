"""Log lines for whoever stands at the device.

The one rule: a line is one line, cut at MAX_LINE, and never holds a payload, a password or a URL's
query; whoever calls leaves them out. May be called from any thread: a line is one write.
"""

import sys

LEVELS = ("error", "warning", "info", "debug")
MAX_LINE = 400  # characters: a traceback's end and its cause fit
MOST_RECENT, MAX_RECENT = 20, 160  # lines kept for who asks later, and characters of each


class Log:
    """Lines with the uptime in seconds, a level and a text, to `write`, stderr by default.

    `clock` is a Clock; lines above `level` in LEVELS are left out.
    """

    def __init__(self, level, clock, write=None):
        self.recent = []  # (now, level, line), oldest first; replaced as a whole, so no lock
        self.tap = None  # a function(now, level, line) that hears every line, or None
        self._clock = clock
        self._write = write or sys.stderr.write
        self.set_level(level)

    def set_level(self, level):
        """Leave out lines above `level` from now on."""
        self._kept = LEVELS[: LEVELS.index(level) + 1]

    def error(self, text, *values):
        """Something does not work and will not without help."""
        self._line("error", text, values)

    def warning(self, text, *values):
        """Something does not work now, or not as well as it could."""
        self._line("warning", text, values)

    def info(self, text, *values):
        """What a person following along wants to see."""
        self._line("info", text, values)

    def debug(self, text, *values):
        """What only the search for a fault wants to see."""
        self._line("debug", text, values)

    def _line(self, level, text, values):
        tap = self.tap
        is_kept = level in self._kept
        if not is_kept and tap is None:
            return
        line = (text % values if values else text).replace("\r", " ").replace("\n", " | ")
        line = line[:MAX_LINE]
        now = self._clock.now()
        if tap is not None:
            tap(now, level, line)
        if not is_kept:
            return
        self.recent = self.recent[1 - MOST_RECENT :] + [(now, level, line[:MAX_RECENT])]
        try:
            self._write("%7d.%03d %-7s %s\n" % (now // 1000, now % 1000, level, line))
        except OSError:
            pass  # a full disk or a closed pipe under the log must not take the device away

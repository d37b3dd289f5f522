# SPDX-License-Identifier: Apache-2.0
"""The terminal: pictures on its second screen, and afterwards everything as it was before.

Only a handful of sequences is used, which every terminal with a second screen knows.
"""
import contextlib
import curses
import os
import sys
import termios
import threading

ENTER = "\x1b[?1049h\x1b[?25l\x1b[2J"
LEAVE = "\x1b[999;1H\r\n\x1b[?25h\x1b[?1049l"   # at the bottom, where there is no second screen
STYLES = {"plain": "", "bold": "\x1b[1m", "faint": "\x1b[2m", "good": "\x1b[32m", "bad": "\x1b[31m"}
LEAVE_S = 0.3


def is_capable():
    """Whether stdout is a terminal that pictures can be drawn on."""
    if not sys.stdout.isatty() or os.environ.get("TERM", "dumb") in ("", "dumb", "unknown"):
        return False
    try:
        curses.setupterm()
    except curses.error:
        return False
    return bool(curses.tigetstr("cup") and curses.tigetstr("el"))


def has_colours():
    return not os.environ.get("NO_COLOR") and curses.tigetnum("colors") >= 8


def is_wide():
    """Whether it shows more than ASCII, by its locale; Python says so of "C" too."""
    its = next((os.environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG")
                if os.environ.get(name)), "")
    return its.lower().replace("-", "").endswith("utf8")


class Terminal:
    """Draws in a thread of its own: a terminal that is stopped must not stop us."""

    def __init__(self):
        self.styles = dict(STYLES) if has_colours() else dict.fromkeys(STYLES, "")
        self.saved = None
        self.is_drawing = False
        self.is_gone = False
        self.wake = threading.Condition()
        self.next = None
        threading.Thread(target=self.write_all, daemon=True).start()

    def enter(self):
        self.quieten()
        self.put(ENTER)

    def leave(self):
        """Waits for the terminal, though not for ever."""
        self.put(LEAVE, LEAVE_S)
        saved, self.saved = self.saved, None
        if saved is not None:
            with contextlib.suppress(termios.error):   # it may have gone
                termios.tcsetattr(sys.stdin, termios.TCSANOW, saved)

    def quieten(self):
        """What is typed isn't shown, and comes at once."""
        if not sys.stdin.isatty() or os.tcgetpgrp(sys.stdin.fileno()) != os.getpgrp():
            return
        self.saved = termios.tcgetattr(sys.stdin)
        quiet = termios.tcgetattr(sys.stdin)
        quiet[3] &= ~(termios.ECHO | termios.ICANON)
        termios.tcsetattr(sys.stdin, termios.TCSANOW, quiet)

    def size(self):
        """(columns, rows); a terminal that doesn't say has 80 and 24."""
        columns, rows = os.get_terminal_size(sys.stdout.fileno())
        return columns or 80, rows or 24

    def draw(self, lines):
        """Whole pictures only, and none while the one before is still on its way."""
        parts = []
        for row, line in enumerate(lines, 1):
            style = self.styles[line.style]
            parts.append("\x1b[%d;1H%s%s%s\x1b[K" % (row, style, line.text,
                                                     "\x1b[0m" if style else ""))
        parts.append("\x1b[J" if len(lines) < self.size()[1] else "")
        with self.wake:
            if not self.is_drawing and self.next is None:
                self.next = "".join(parts)
                self.wake.notify_all()

    def put(self, text, wait_s=None):
        """After what is on its way."""
        with self.wake:
            self.wake.wait_for(lambda: self.next is None, LEAVE_S)
            self.next = text
            self.wake.notify_all()
            if wait_s:
                self.wake.wait_for(lambda: self.next is None and not self.is_drawing, wait_s)

    def write_all(self):
        while True:
            with self.wake:
                self.wake.wait_for(lambda: self.next is not None)
                data, self.next, self.is_drawing = self.next.encode(errors="replace"), None, True
            try:
                while data and not self.is_gone:
                    data = data[os.write(sys.stdout.fileno(), data):]
            except OSError:
                self.is_gone = True
            with self.wake:
                self.is_drawing = False
                self.wake.notify_all()

# SPDX-License-Identifier: Apache-2.0
"""A terminal that understands what the demo draws with, and nothing else: an unknown sequence, a
line that is too long and a picture that scrolls are failures of whoever wrote them."""
import re

SEQUENCE = re.compile(r"\x1b\[(\??)([\d;]*)([A-Za-z])")


class ScreenOf:
    def __init__(self, columns, rows):
        self.resize(columns, rows)
        self.second = self.has_cursor_hidden = False
        self.first_screen = ""
        self.colours = set()
        self.rest = ""

    def resize(self, columns, rows):
        """What was drawn is gone, and the next picture must be whole; one for the old size may
        still come before it."""
        self.is_settled = False
        self.columns, self.rows = columns, rows
        self.clear()

    def clear(self):
        self.cells = [[" "] * self.columns for _ in range(self.rows)]
        self.row = self.column = 0

    def lines(self):
        return ["".join(row).rstrip() for row in self.cells]

    def text(self):
        return "\n".join(self.lines())

    def feed(self, text):
        text, self.rest = self.rest + text, ""
        while text:
            if text[0] != "\x1b":
                self.show(text[0])
                text = text[1:]
                continue
            found = SEQUENCE.match(text)
            if not found:
                assert len(text) < 16, "not a sequence: %r" % text[:20]
                self.rest = text
                return
            self.obey(*found.groups())
            text = text[found.end():]

    def show(self, character):
        if not self.second:
            self.first_screen += character
        elif character in "\r\n":
            assert self.row == self.rows - 1, "a line end within a picture"
        elif self.column >= max(self.columns - 1, 1):
            assert not self.is_settled, "too long: %r" % "".join(self.cells[self.row])
        else:
            self.cells[self.row][self.column] = character
            self.column += 1

    def obey(self, private, numbers, command):
        if private:
            assert (numbers, command) in {("1049", "h"), ("1049", "l"), ("25", "h"), ("25", "l")}
            if numbers == "25":
                self.has_cursor_hidden = command == "l"
            else:
                self.second = command == "h"
        elif command == "m":
            self.colours.add(numbers)
        elif command == "H":
            row, column = (int(number) for number in numbers.split(";"))
            assert row <= self.rows or row == 999 or not self.is_settled, "row %d" % row
            self.row, self.column = min(row, self.rows) - 1, column - 1
        elif command == "K":
            self.cells[self.row][self.column:] = [" "] * (self.columns - self.column)
        else:
            assert command == "J", "unknown sequence %r" % command
            self.erase(numbers)

    def erase(self, numbers):
        if numbers == "2":
            self.clear()
            return
        self.cells[self.row][self.column:] = [" "] * (self.columns - self.column)
        for row in range(self.row + 1, self.rows):
            self.cells[row] = [" "] * self.columns

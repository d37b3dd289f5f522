# SPDX-License-Identifier: Apache-2.0
"""Pictures of measured lines as SVG: panels side by side, each with its lines over a logarithmic x
axis. Every point says its value, every line its name; nothing but the standard library.
"""
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 440, 330
LEFT, RIGHT, TOP, BOTTOM = 74, 64, 44, 52
COLOURS = ("#1f5f99", "#b8500f", "#4b7a1f")
HEAD = ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" '
        'font-family="sans-serif" font-size="12" fill="#222">\n'
        '<rect width="100%%" height="100%%" fill="#fff"/>\n')


class Panel:
    """A picture with a title; `lines` has a list of (x, y) by name."""

    def __init__(self, title, unit, lines, is_log):
        self.title = title
        self.unit = unit
        self.lines = lines
        self.is_log = is_log
        points = [point for line in lines.values() for point in line]
        self.x_ticks = decades(min(x for x, _ in points), max(x for x, _ in points))
        most = max(y for _, y in points)
        if is_log:
            self.y_ticks = decades(min(1, *(y for _, y in points)), most)
        else:
            self.y_ticks = steps(most)


def decades(least, most):
    """Powers of ten around these; a MiB is a million here."""
    first, last = math.floor(math.log10(least)), math.ceil(math.log10(most / 1.05))
    return [10 ** i for i in range(first, max(last, first + 1) + 1)]


def steps(most):
    """From 0 to beyond `most` in four to eight round steps."""
    magnitude = 10 ** math.floor(math.log10(most))
    step = next(step for step in (magnitude * f for f in (0.2, 0.25, 0.5, 1, 2))
                if step * 6 >= most)
    return [step * i for i in range(math.ceil(most / step) + 1)]


def share(value, ticks, is_log):
    """Where between the first tick, 0, and the last, 1."""
    if is_log:
        value, first, last = (math.log10(max(n, 1e-9)) for n in (value, ticks[0], ticks[-1]))
    else:
        first, last = ticks[0], ticks[-1]
    return (value - first) / (last - first)


def number(value):
    if value >= 1e6:
        return "%.3g M" % (value / 1e6)
    text = "%.2f" % value if value < 10 else "%.1f" % value if value < 100 else "%.0f" % value
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "{:,}".format(int(text)) if text.isdigit() else text


def text(x, y, words, anchor="middle", more=""):
    return '<text x="%.1f" y="%.1f" text-anchor="%s"%s>%s</text>\n' % (x, y, anchor, more,
                                                                      escape(words))


def stroke(x1, y1, x2, y2, colour):
    return '<path d="M%.1f %.1fL%.1f %.1f" stroke="%s"/>\n' % (x1, y1, x2, y2, colour)


def place(panel, x, y):
    inner_width, inner_height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    return (LEFT + inner_width * share(x, panel.x_ticks, True),
            HEIGHT - BOTTOM - inner_height * share(y, panel.y_ticks, panel.is_log))


def axes(panel, x_unit):
    out = [text(LEFT, 24, panel.title, "start", ' font-size="15" font-weight="bold"')]
    for tick in panel.y_ticks:
        x, y = place(panel, panel.x_ticks[0], tick)
        out.append(stroke(x, y, WIDTH - RIGHT, y, "#ddd"))
        out.append(text(x - 8, y + 4, number(tick), "end"))
    for tick in panel.x_ticks:
        x, y = place(panel, tick, panel.y_ticks[0])
        out.append(stroke(x, y, x, y + 5, "#222"))
        out.append(text(x, y + 19, number(tick)))
    x, y = place(panel, panel.x_ticks[0], panel.y_ticks[0])
    out.append(stroke(x, y, WIDTH - RIGHT, y, "#222"))
    out.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_unit))
    out.append(text(0, 0, panel.unit, more=' transform="translate(16 %.1f) rotate(-90)"' %
                    ((TOP + HEIGHT - BOTTOM) / 2)))
    return out


def is_highest(panel, point):
    """Whether no line is above it: then there is room for its value."""
    return all(y <= point[1] for line in panel.lines.values() for x, y in line if x == point[0])


def draw_line(panel, name, points, colour):
    placed = [place(panel, x, y) for x, y in points]
    out = ['<path d="M%s" fill="none" stroke="%s" stroke-width="2"/>\n' % (
        "L".join("%.1f %.1f" % point for point in placed), colour)]
    for (x, y), point in zip(placed, points):
        out.append('<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/>\n' % (x, y, colour))
        out.append(text(x + 4 if x == LEFT else x, y + (-9 if is_highest(panel, point) else 18),
                        number(point[1]), "start" if x == LEFT else "middle",
                        ' fill="%s"' % colour))
    x, y = placed[-1]
    out.append(text(x + 10, y + 4, name, "start", ' fill="%s" font-weight="bold"' % colour))
    return out


def draw(panel, x_unit):
    out = axes(panel, x_unit)
    for (name, points), colour in zip(panel.lines.items(), COLOURS):
        out += draw_line(panel, name, points, colour)
    return out


def svg(x_unit, *panels):
    width = WIDTH * len(panels)
    out = [HEAD % (width, HEIGHT, width, HEIGHT)]
    for i, panel in enumerate(panels):
        out += ['<g transform="translate(%d 0)">\n' % (WIDTH * i), *draw(panel, x_unit), "</g>\n"]
    return "".join(out) + "</svg>\n"

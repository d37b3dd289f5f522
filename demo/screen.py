# SPDX-License-Identifier: Apache-2.0
"""The picture: text for a terminal of any size out of what was observed. It draws nothing."""
import dataclasses

import observe

TALL_ROWS = 23
TALL_COLUMNS = 64
SPARKS = " ▁▂▃▄▅▆▇█"
ASCII_SPARKS = " .:-=+*#%"
SPARKS_MAX = 60


@dataclasses.dataclass
class Line:
    """Text and how it is shown: plain, bold, faint, good, or bad."""
    text: str
    style: str = "plain"


# --- Figures ------------------------------------------------------------------------------------

def number(value):
    if value is None:
        return "-"
    if value >= 9_999_500:
        return "%.1fM" % (value / 1e6)
    return "%.1f" % value if 0 < value < 9.95 and value != int(value) else "{:,.0f}".format(value)


def size(value):
    if value is None:
        return "-"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 999.5 or unit == "GiB":
            break
        value /= 1024
    return "%.1f %s" % (value, unit) if 0 < value < 9.95 and unit != "B" else \
        "%.0f %s" % (value, unit)


def per_second(value):
    return "-" if value is None else size(value) + "/s"


def span(seconds):
    if seconds is None:
        return "-"
    if seconds < 0.00995:
        return "%.1f ms" % (seconds * 1e3)
    return "%.0f ms" % (seconds * 1e3) if seconds < 0.9995 else "%.1f s" % seconds


def clock(seconds):
    return "%d:%02d:%02d" % (seconds // 3600, seconds // 60 % 60, seconds % 60)


def sparks(history, width, is_wide):
    """The newest values, the largest of them as high as there is."""
    marks = SPARKS if is_wide else ASCII_SPARKS
    shown = history[-max(width, 0):] if width > 0 else []
    top = max((value for value in shown if value), default=0)
    return "".join(" " if not value else
                   marks[max(1, min(8, round(8 * value / top)))] for value in shown)


# --- The parts ----------------------------------------------------------------------------------

@dataclasses.dataclass
class Facts:
    """What doesn't change, and how the picture may look."""
    title: str
    about: str
    ending: str
    begun: float
    is_wide: bool   # more than ASCII
    said: str = ""  # the newest warning of the broker


def condition(observer, is_short=False):
    """(text, style) on how the broker is."""
    metrics = observer.newest().metrics
    state = observe.state_in(metrics, "kafscale_broker_state")
    health = observe.state_in(metrics, "kafscale_s3_health_state")
    if observer.silent_s() > 2 * observe.ANSWER_S:
        return "the broker has not answered for %d s" % observer.silent_s(), "bad"
    if not observer.metrics_address:
        return "no metrics of this broker; what clients see:", "plain"
    if state is None:
        return "waiting for the broker", "plain"
    cpu = observer.cpu()
    words = (
        state, health or "unknown", "-" if cpu is None else "%.0f %%" % (100 * cpu),
        size(observe.value_in(metrics, "kafscale_process_resident_memory_bytes")),
        number(observe.value_in(metrics, "kafscale_connections")))
    text = ("%s, store %s, CPU %s, %s" if is_short else
            "broker %s, store %s; CPU %s, memory %s, %s connections") % \
        words[:4 if is_short else 5]
    return text, "good" if state == "ready" and health in (None, "healthy") else "bad"


def heading(name, columns, last):
    return Line("%-14s%12s%12s%13s   %s" % (name, *columns, last), "faint")


def figures(row, forms, facts, width):
    cells = [form(value) for form, value in zip(forms, row.values)]
    name = row.name if len(row.name) <= 14 else row.name[:13] + ("…" if facts.is_wide else "~")
    text = "%-14s%12s%12s%13s   " % (name, *cells)
    return Line(text + sparks(row.history, min(width - len(text), SPARKS_MAX), facts.is_wide))


def group_lines(observer, facts, width, room):
    rows = sorted(observer.group_rows(), key=lambda row: -row.values[2])
    shown = rows if len(rows) <= room else rows[:max(room - 1, 0)]
    lines = [figures(row, (str, str, number), facts, width) for row in shown]
    if len(shown) < len(rows) and room > 0:
        left = rows[len(shown):]
        lines.append(Line("and %d more, lag %s" % (len(left), number(sum(r.values[2]
                                                                         for r in left)))))
    return lines or [Line("none yet", "faint")]


def trouble_line(observer, facts):
    return Line(observer.trouble or facts.said, "bad")


def tall(observer, facts, now, rows, width):
    head = "%s   %s" % (facts.title, clock(now - facts.begun))
    lines = [Line(head, "bold"), Line(*condition(observer)), Line("")]
    lines.append(heading("throughput", ("records/s", "bytes", "total"), "trend"))
    lines += [figures(row, (number, per_second, number), facts, width)
              for row in observer.throughput()]
    lines += [Line(""), heading("latency", ("p50", "p99", "max"), "trend of p99")]
    lines += [figures(row, (span, span, span), facts, width) for row in observer.latency()]
    if observer.metrics_address:
        lines += [Line(""), heading("store", ("requests/s", "bytes", "total"), "trend")]
        lines += [figures(row, (number, per_second, number), facts, width)
                  for row in observer.store()]
    lines += [Line(""), heading("group", ("state", "members", "lag"), "trend of lag")]
    below = [Line(""), Line(facts.about, "faint"), trouble_line(observer, facts),
             Line(facts.ending, "faint")]
    if not below[2].text:
        del below[2]
    lines += group_lines(observer, facts, width, max(1, rows - len(lines) - len(below)))
    room = rows - len(lines)
    return lines + below[-room:] if room > 0 else lines


def compact(observer, facts, now, rows):
    """The same without totals and histories."""
    lines = [Line("%s %s" % (clock(now - facts.begun), facts.title), "bold"),
             Line(*condition(observer, is_short=True))]
    for row in observer.throughput():
        lines.append(Line("%-13s%9s/s%12s" % (row.name, number(row.values[0]),
                                              per_second(row.values[1]))))
    for row in observer.latency():
        lines.append(Line("%-13sp50 %7s p99 %7s" % (row.name, span(row.values[0]),
                                                    span(row.values[1]))))
    if observer.metrics_address:
        put, get = observer.store()[:2]
        lines.append(Line("store  PUT %s/s, GET %s/s, %s" % (
            number(put.values[0]), number(get.values[0]), per_second(put.values[1]))))
    trouble = trouble_line(observer, facts)
    ends = ([trouble] if trouble.text else []) + [Line(facts.ending, "faint")]
    groups = sorted(observer.group_rows(), key=lambda row: -row.values[2])
    for row in groups[:max(0, rows - len(lines) - len(ends))]:
        lines.append(Line("%s: lag %s, %s, %s members" % (row.name, number(row.values[2]),
                                                          row.values[0], row.values[1])))
    return lines + ends


def picture(observer, facts, now, rows, columns):
    """At most `rows` lines of less than `columns` characters."""
    width = max(columns - 1, 1)
    is_tall = rows >= TALL_ROWS and columns >= TALL_COLUMNS
    lines = tall(observer, facts, now, rows, width) if is_tall else \
        compact(observer, facts, now, rows)
    return [Line(line.text[:width].rstrip(), line.style) for line in lines[:max(rows, 1)]]


def one_line(observer, facts, now):
    """For what isn't a terminal."""
    produced, consumed = observer.throughput()
    acknowledged, delivered = observer.latency()[:2]
    parts = ["produced %s/s, %s" % (number(produced.values[0]), per_second(produced.values[1])),
             "consumed %s/s, %s" % (number(consumed.values[0]), per_second(consumed.values[1])),
             "acknowledged p50 %s p99 %s" % tuple(map(span, acknowledged.values[:2])),
             "delivered p50 %s p99 %s" % tuple(map(span, delivered.values[:2])),
             "lag %s in %d groups" % (number(observer.lag()), len(observer.group_rows()))]
    if observer.metrics_address:
        put, get = observer.store()[:2]
        parts.append("store PUT %s/s, GET %s/s, %s" % (
            number(put.values[0]), number(get.values[0]), per_second(put.values[1])))
    if observer.trouble or facts.said:
        parts.append(observer.trouble or facts.said)
    return "%s %s" % (clock(now - facts.begun), "; ".join(parts))

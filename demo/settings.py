# SPDX-License-Identifier: Apache-2.0
"""What the demo is told: KAFSCALE_DEMO_ names in the environment, each in one line of a table.

KAFSCALE_DEMO_BROKER_ADDR, _TOPICS, _MESSAGES_PER_SEC and _GROUP are KafScale's, the others ours.
"""
import dataclasses
import difflib
import re

PREFIX = "KAFSCALE_DEMO_"
BYTES_PER_SEC_MAX = 50_000_000
TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")
ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:\[\]]+):(\d{1,5})")


class BadSetting(Exception):
    """A setting that can't be used; the text names it and says what could."""


def number(lowest, highest):
    def parse(text):
        if not re.fullmatch(r"\d{1,9}", text) or not lowest <= int(text) <= highest:
            raise BadSetting("is not a whole number from %d to %d" % (lowest, highest))
        return int(text)
    return parse


def address(text):
    if not text:
        return None
    found = ADDRESS.fullmatch(text)
    if not found or not 0 < int(found.group(2)) < 65536:
        raise BadSetting("is not host:port, as in 127.0.0.1:9092")
    return found.group(1).strip("[]"), int(found.group(2))


def topics(text):
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if not TOPIC.fullmatch(name) or name in (".", "..") or name.startswith("__"):
            raise BadSetting("has '%s', which can't be the name of a topic here: letters, digits, "
                             "'.', '_' and '-', at most 249, not beginning with '__'" % name)
    if not names or len(names) > 32 or len(set(names)) < len(names):
        raise BadSetting("is not 1 to 32 different names of topics with commas between them")
    return names


def group(text):
    if not text.strip() or len(text) > 249 or not text.isprintable():
        raise BadSetting("can't be the name of a consumer group: 1 to 249 characters")
    return text.strip()


def text_of(text):
    return text


# name, default, how it is read, what it is
TABLE = (
    ("BROKER_ADDR", "", address,
     "a broker that runs already gets the load; without it the demo starts one of its own"),
    ("METRICS_ADDR", "", address,
     "where that broker has its metrics; without it the view shows what clients see"),
    ("TOPICS", "demo-topic-1,demo-topic-2", topics, "topics, made where they don't exist"),
    ("MESSAGES_PER_SEC", "1000", number(0, 100000), "records a second, of all producers together"),
    ("GROUP", "kafscale-demo", group, "consumer group"),
    ("MESSAGE_BYTES", "256", number(128, 900000), "size of a record's value"),
    ("PARTITIONS", "4", number(1, 256), "partitions of each topic that is made"),
    ("PRODUCERS", "2", number(1, 64), "producers, each with a connection of its own"),
    ("CONSUMERS", "2", number(0, 64), "members of the group"),
    ("SECONDS", "0", number(0, 999999999), "ends the demo after this time; 0: when you do"),
    ("REFRESH_MS", "0", number(0, 60000),
     "time between two pictures; 0: 1000 on a terminal, and 5000 between lines elsewhere"),
    ("STORE", "", text_of, "store of the demo's own broker: memory, dir:PATH or s3 (with "
     "KAFSCALE_S3_BUCKET and so on); without it a directory that goes with the demo"),
)


@dataclasses.dataclass
class Settings:
    broker_addr: tuple
    metrics_addr: tuple
    topics: list
    messages_per_sec: int
    group: str
    message_bytes: int
    partitions: int
    producers: int
    consumers: int
    seconds: int
    refresh_ms: int
    store: str


def refuse_unknown(environment):
    known = [PREFIX + name for name, *_ in TABLE]
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known:
            close = difflib.get_close_matches(name, known, 1)
            raise BadSetting("%s is not known%s; there are %s" % (
                name, ", did you mean %s?" % close[0] if close else "", ", ".join(known)))


def refuse_contradictions(settings):
    wanted = settings.messages_per_sec * settings.message_bytes
    if wanted > BYTES_PER_SEC_MAX:
        raise BadSetting(
            "%sMESSAGE_BYTES times %sMESSAGES_PER_SEC is %d bytes a second; this generator sends "
            "%d at the most" % (PREFIX, PREFIX, wanted, BYTES_PER_SEC_MAX))
    if settings.metrics_addr and not settings.broker_addr:
        raise BadSetting("%sMETRICS_ADDR belongs to %sBROKER_ADDR, which is not set"
                         % (PREFIX, PREFIX))
    if settings.store and settings.broker_addr:
        raise BadSetting("%sSTORE is for the demo's own broker, and %sBROKER_ADDR names another"
                         % (PREFIX, PREFIX))


def read(environment):
    """The settings that these variables make; raises BadSetting."""
    refuse_unknown(environment)
    values = {}
    for name, default, parse, _ in TABLE:
        given = environment.get(PREFIX + name) or default
        try:
            values[name.lower()] = parse(given)
        except BadSetting as error:
            raise BadSetting("%s%s: '%s' %s" % (PREFIX, name, given, error)) from None
    settings = Settings(**values)
    refuse_contradictions(settings)
    return settings


def describe():
    """The table for --help."""
    width = max(len(name) for name, *_ in TABLE) + len(PREFIX)
    return "\n".join("  %-*s  %s%s" % (width, PREFIX + name, meaning,
                                       " (%s)" % default if default not in ("", "0") else "")
                     for name, default, _, meaning in TABLE)

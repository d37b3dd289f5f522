# SPDX-License-Identifier: Apache-2.0
"""Includes may only go downwards, and only through doors.

The table below is the one of docs/architecture.md. A module sees its own headers, any header of
base, and of lower modules the one door lib/<module>/<module>.h; tools, which read what brokers
wrote, also see lib/<module>/formats.h. What comes from outside is named in
one place, and the modules that decide (protocol, record, group, log) touch no outside world at all.
"""
import re

from sources import c_files, main, read, without_comments

LAYERS = {
    "base": 0, "protocol": 1, "record": 1, "store": 1, "group": 1, "meta": 2, "log": 3,
    "broker": 4, "handlers": 5, "client": 6, "net": 6, "ops": 6, "testing": 6, "tools": 6,
}
PURE = ("protocol", "record", "group", "log")

# Where a header of an outside library may be included: first match decides.
OUTSIDE = (
    (r"isa-l.*|crc\.h", ("lib/base/crc32c.c",)),
    (r"lz4.*|zstd.*|snappy-c\.h|zlib\.h", ("lib/record/compression",)),
    (r"event2/.*", ("lib/net/", "include/kafscale/broker.h", "lib/kafscale.c")),
    (r"openssl/.*", ("lib/net/tls", "lib/store/s3/")),
    (r"curl/.*", ("lib/store/s3/", "lib/meta/etcd/")),
    (r"libs3\.h", ("lib/store/libs3/",)),
    (r"expat\.h", ("lib/store/s3/",)),
    (r"yajl/.*", ("lib/store/s3/", "lib/meta/etcd/", "lib/ops/json.c", "cli/show.c")),
    (r"protobuf-c/.*", ("lib/meta/encoding.c",)),
)

# What the modules that decide may not include or call of the C library and the system.
FORBIDDEN_HEADERS = re.compile(
    r"(time|pthread|threads|poll|unistd|fcntl|netdb|signal|netinet/.*|arpa/.*"
    r"|sys/(socket|time|epoll|eventfd|uio|random|stat|mman|timerfd))\.h$")
FORBIDDEN_CALLS = re.compile(
    r"(?<![\w.>])(socket|bind|listen|accept4?|connect|send(to|msg)?|recv(from|msg)?|poll|select"
    r"|open|read|write|close|fsync|time|clock|clock_gettime|gettimeofday|localtime\w*|gmtime\w*"
    r"|sleep|usleep|nanosleep|rand|srand|random|getrandom|arc4random\w*|thrd_\w+|mtx_\w+"
    r"|pthread_\w+|event_\w+|evbuffer_\w+|evtimer_\w+|getenv|abort|exit)\s*\(")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
SYSTEM = re.compile(r"(sys/|linux/|netinet/|arpa/|net/)?\w+\.h$")


def module_of(path):
    """The module of a file of lib/, '' for lib/kafscale.c and its like, None elsewhere."""
    parts = path.split("/")
    if parts[0] != "lib":
        return None
    return parts[1] if len(parts) > 2 else ""


def wrong_inside(path, name):
    """Why a file may not include this header of ours, or None."""
    target = name.split("/")[0]
    own = module_of(path)
    if name.startswith("kafscale/") or own is None and path.startswith("tests/"):
        return None
    if path.startswith("include/"):
        return "a public header includes only public ones"
    if own is None:
        return None if "/" not in name else "only the public headers are for users"
    if "/" not in name:
        return None if name.startswith("kafscale") and own == "" else "name the module: \"m/x.h\""
    if target not in LAYERS:
        return "no such module"
    if target == own or target == "base":
        return None
    if own and own not in LAYERS:
        return "this module has no place in the table of layers"
    if own and LAYERS[target] >= LAYERS[own]:
        return "layer %d may not see layer %d" % (LAYERS[own], LAYERS[target])
    if own == "tools" and name == target + "/formats.h":
        return None
    if name != "%s/%s.h" % (target, target):
        return "only the door %s/%s.h is for other modules" % (target, target)
    return None


def wrong_outside(path, name):
    """Why a file may not include this header from outside, or None."""
    if name.startswith("kafscale/"):
        return None
    for pattern, places in OUTSIDE:
        if re.fullmatch(pattern, name):
            inside = path.startswith(("lib/", "include/", "daemon/"))
            allowed = not inside or path.startswith(places)
            return None if allowed else "belongs in %s only" % " or ".join(places)
    if path.startswith(("lib/", "include/", "daemon/")) and not SYSTEM.match(name):
        return "an outside library that the table does not name"
    if module_of(path) in PURE and FORBIDDEN_HEADERS.match(name):
        return "no socket, thread, clock, file or random call here"
    return None


def includes(text):
    """(line number, quote, name) of each include, comments left out, literals kept."""
    kept = re.sub(r"/\*.*?\*/|//[^\n]*", lambda m: "\n" * m.group(0).count("\n"), text, flags=re.S)
    for match in INCLUDE.finditer(kept):
        yield kept.count("\n", 0, match.start()) + 1, match.group(1), match.group(2)


def check_file(path, text):
    for line, quote, name in includes(text):
        wrong = wrong_inside(path, name) if quote == '"' else wrong_outside(path, name)
        if "../" in name:
            wrong = 'no "../": the include root is lib'
        if wrong:
            yield "%s:%d: includes %s: %s" % (path, line, name, wrong)
    if module_of(path) in PURE:
        code = without_comments(text)
        for match in FORBIDDEN_CALLS.finditer(code):
            line = code.count("\n", 0, match.start()) + 1
            yield "%s:%d: calls %s: not in a module that decides" % (path, line, match.group(1))


def check(root):
    return [finding for path in c_files(root) for finding in check_file(path, read(root, path))]


if __name__ == "__main__":
    main(check)

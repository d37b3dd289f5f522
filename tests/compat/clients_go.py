# SPDX-License-Identifier: Apache-2.0
"""The client libraries of Go, through go/main.go."""
import os
import re

import install
import versions
from stories import cases, tell
from suite import HERE, Client

SOURCE = os.path.join(HERE, "go")


def telling(library):
    return lambda story: lambda arena, program: tell(
        arena, story, program, library, arena.address, story)


def go(name):
    """Its version is that of go.mod."""
    def find(_):
        with open(os.path.join(SOURCE, "go.mod"), encoding="utf-8") as file:
            version = re.search(r"^\t%s v(\S+)" % re.escape(versions.GO[name]), file.read(), re.M)
        return install.go("go-stories", SOURCE), version.group(1)
    return find


CLIENTS = (
    Client("sarama", go("sarama"), cases(telling("sarama"), tier="long",
                                         untold=("several_topics",))),
    Client("franz-go", go("franz-go"), cases(telling("franz"), tier="long")),
)

# SPDX-License-Identifier: Apache-2.0
"""The client libraries of Node, through node/stories.js. All their reading is done in groups."""
import os

import install
import versions
from stories import cases
from suite import HERE, Client

PROGRAM = os.path.join(HERE, "node", "stories.js")
QUIET = {"KAFKAJS_NO_PARTITIONER_WARNING": "1"}


def telling(module):
    def of(story):
        return lambda arena, packages: arena.run(
            "node", PROGRAM, module, arena.address, story,
            environment={**QUIET, "NODE_PATH": packages})
    return of


def npm(name):
    def find(_):
        packages = versions.NPM[name]
        version = packages[0].rsplit("@", 1)[1]
        return install.node("%s-%s" % (name, version), *packages), version
    return find


# No library has a cooperative assignor that it says so of, static members or patterns alike.
UNTOLD = ("cooperative", "static_member", "several_topics", "restarted")
CLIENTS = (
    Client("kafkajs", npm("kafkajs"), cases(
        telling("kafkajs"), untold=UNTOLD, long=("many", "more_partitions", "records_deleted",
                                                 "group_offsets_altered", "group_deleted"))),
    Client("@platformatic/kafka", npm("platformatic"), cases(
        telling("platformatic"), untold=UNTOLD + ("transactions",))),
)

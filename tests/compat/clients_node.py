# SPDX-License-Identifier: Apache-2.0
"""The client libraries of Node, through node/stories.js. All their reading is done in groups."""
import os
import shutil

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


# What @confluentinc/kafka-javascript is built with from its source, librdkafka among it, since its
# binaries are in no registry: the libraries and the headers of Node that are here.
BUILD_LIMIT_S = 1200
BUILDING = {"npm_config_build_from_source": "true", "CKJS_LINKING": "dynamic"}


def confluent(may_build):
    package = versions.NPM["confluent-javascript"][0]
    version = package.rsplit("@", 1)[1]
    prefix = os.path.dirname(os.path.dirname(os.path.realpath(shutil.which("node") or "node")))
    headers = os.path.join(prefix, "include", "node", "node.h")
    more = {"npm_config_nodedir": prefix} if os.path.exists(headers) else {}
    return install.node("confluent-javascript-" + version, package, may_fill=may_build,
                        environment={**BUILDING, **more}, limit_s=BUILD_LIMIT_S), version


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
    # Nor has this one words for more partitions, configurations and offsets of others.
    Client("@confluentinc/kafka-javascript", confluent, cases(
        telling("confluent"), tier="long",
        untold=UNTOLD + ("more_partitions", "configs", "group_offsets_altered"))),
)

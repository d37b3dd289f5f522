#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Ten records to a topic, and back in a consumer group: kcat.
set -e
address=${1:-127.0.0.1:9092}
seq -f "order %g" 0 9 | kcat -b "$address" -P -t orders
kcat -b "$address" -G billing -q -e -X auto.offset.reset=earliest orders

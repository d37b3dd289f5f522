/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration file: key=value lines as in Kafka's server.properties. Spaces around key and
 * value don't count, lines that are empty or begin with # or ! are skipped. Of two lines with one
 * key the later counts.
 */
#ifndef KAFSCALED_CONFIG_FILE_H
#define KAFSCALED_CONFIG_FILE_H

#include "problem.h"

#define CONFIG_LINE_BYTES_MAX 4096

/*
 * Sets what the file says. Each problem names file and line; lines after a bad one are read all the
 * same, until it is clear that this is no configuration.
 */
void config_file_apply(const char *path, struct kafscale_options *options,
                       struct problems *problems);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration file: key=value lines as in Kafka's server.properties. Spaces around key and
 * value don't count, lines that are empty or begin with # or ! are skipped. Of two lines with one
 * key the later counts.
 */
#ifndef KAFSCALED_CONFIG_FILE_H
#define KAFSCALED_CONFIG_FILE_H

#include <kafscale/options.h>

#define CONFIG_LINE_BYTES_MAX 4096

/* The error names file and line. Options before the bad line are set then. */
KAFSCALE_MUST_CHECK enum kafscale_status config_file_apply(const char *path,
                                                           struct kafscale_options *options,
                                                           struct kafscale_error *error);

#endif

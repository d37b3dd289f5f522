/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptions (kafscale/describe.h) on stdout, as indented text or as JSON. */
#ifndef KAFSCALE_CLI_SHOW_H
#define KAFSCALE_CLI_SHOW_H

#include <kafscale/describe.h>

struct show;

/* NULL: no memory. */
struct show *show_new(bool is_json);
const struct kafscale_describe *show_describe(struct show *show);

/* Ends the output; false when it could not all be written. Accepts NULL. */
bool show_free(struct show *show);

#endif

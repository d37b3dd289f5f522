/* SPDX-License-Identifier: Apache-2.0 */
#include "store/s3/event.h"

#include <string.h>

void
ks_s3_log(struct kafscale_loop loop, enum kafscale_log_level level, const char *message,
          const char *name, const char *value)
{
    struct kafscale_log_field field = { .name = name, .value = value, .size = strlen(value) };

    loop.ops->log(loop.self, level, message, &field, 1);
}

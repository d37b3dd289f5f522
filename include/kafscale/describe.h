/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the library tells what is in an object of the store: as a tree of named values, given to a
 * visitor that shows it as text, as JSON or in any other way.
 *
 * A tree is begun and ended like brackets. Inside a list the names are NULL. Names and texts are
 * borrowed for the call; texts are valid UTF-8 or were made printable.
 */
#ifndef KAFSCALE_DESCRIBE_H
#define KAFSCALE_DESCRIBE_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All six are there. They are called on the thread that asked for the description. */
struct kafscale_describe {
    void *arg;
    void (*begin)(void *arg, const char *name);
    void (*begin_list)(void *arg, const char *name);
    void (*end)(void *arg); /* of the struct or list begun last */
    void (*text)(void *arg, const char *name, const char *value);
    void (*number)(void *arg, const char *name, int64_t value);
    void (*boolean)(void *arg, const char *name, bool value);
};

#ifdef __cplusplus
}
#endif

#endif

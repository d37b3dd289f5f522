/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON of what is described (kafscale/describe.h): one line for each value, indented. What is not
 * UTF-8 becomes U+FFFD, so it is JSON whatever comes.
 */
#ifndef KS_OPS_JSON_H
#define KS_OPS_JSON_H

#include "base/base.h"

#define KS_JSON_DEPTH_MAX 8

struct ks_json {
    struct ks_buffer *out;
    struct {
        bool is_list;
        bool has_values;
    } levels[KS_JSON_DEPTH_MAX];
    int depth;
};

/*
 * Begins the document, a struct without a name; what `describe_out` is told goes into it, until
 * ks_json_end. Both stay where they are meanwhile; `out` is the caller's, and says whether memory
 * was short.
 */
void ks_json_begin(struct ks_json *json, struct ks_buffer *out,
                   struct kafscale_describe *describe_out);
void ks_json_end(struct ks_json *json);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where metadata is a log in the store itself, a witness applies each entry when its first PUT
 * acts: entries are made in order, without gaps, and what comes again is one that was trimmed.
 */
#include "sim/witness_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void
on_changed(void *arg, const struct kafscale_meta_entry *entry, bool is_delete)
{
    witness_changed(arg, entry, is_delete);
}

void
witness_see_entry(struct witness *witness, const struct witness_object *object)
{
    struct ks_meta_decoded decoded = { 0 };
    struct kafscale_error error = { 0 };
    struct ks_meta_writer record;

    if (object->first <= witness->state.seq) {
        return;
    }
    if (object->first > witness->state.seq + 1) {
        witness_broken(witness, "an entry of the metadata log after a gap", object->key);
    } else if (ks_meta_entry_decode(kafscale_blob_slice(object->bytes), object->first, &decoded,
                                    &error) != KAFSCALE_OK ||
               ks_meta_state_apply(&witness->state, &decoded.batch, on_changed, witness, &record) !=
                   KAFSCALE_OK) {
        witness_broken(witness, "an entry of the metadata log can't be read", object->key);
    }
    ks_meta_decoded_deinit(&decoded);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One look into a table. */
#include "handlers/named_once.h"

bool
ks_named_once_note(struct ks_table *names, struct ks_named_once *thing, struct kafscale_slice name)
{
    struct ks_table_node *earlier = ks_table_find(names, name);

    if (earlier != NULL) {
        KS_CONTAINER(earlier, struct ks_named_once, by_name)->is_repeated = true;
        thing->is_repeated = true;
        return true;
    }
    return ks_table_insert(names, &thing->by_name, name) == KAFSCALE_OK;
}

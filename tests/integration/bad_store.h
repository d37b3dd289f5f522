/* SPDX-License-Identifier: Apache-2.0 */
/* The memory store of the library, behind a store that breaks its contract in one way. */
#ifndef KS_TESTS_INTEGRATION_BAD_STORE_H
#define KS_TESTS_INTEGRATION_BAD_STORE_H

#include <kafscale/kafscale.h>

enum fault {
    FAULT_NONE,
    FAULT_OVERWRITES,      /* PUT if absent replaces what is there */
    FAULT_RACY,            /* PUT if absent looks first and then puts */
    FAULT_LOSES,           /* a PUT is acknowledged and forgotten */
    FAULT_EARLY,           /* a PUT is answered before the call has returned */
    FAULT_TWICE,           /* a PUT is answered twice */
    FAULT_ODD_EXISTS,      /* a PUT of any kind finds the key taken */
    FAULT_UNAVAILABLE,     /* no PUT goes through */
    FAULT_WHOLE,           /* ranges are ignored */
    FAULT_SHORT,           /* a byte is missing at the end */
    FAULT_EMPTY,           /* a key that isn't there reads as nothing */
    FAULT_STALE,           /* one key's first answer for ever */
    FAULT_LIST_ORDER,      /* the last key comes first */
    FAULT_LIST_FORGETS,    /* the last key is left out */
    FAULT_LIST_ENDLESS,    /* the start is ignored */
    FAULT_LIST_UNENDING,   /* there is always more */
    FAULT_LIST_ABRIDGED,   /* there is never more */
    FAULT_REMOVES_NOTHING, /* a DELETE is acknowledged and forgotten */
    FAULT_REMOVE_COMPLAINS,
    FAULT_CLOSES_EARLY,
    FAULT_COUNT
};

/* An open function whose `arg` is an enum fault. */
enum kafscale_status bad_store_open(void *arg, struct kafscale_loop loop,
                                    struct kafscale_store *store_out, struct kafscale_error *error);

#endif

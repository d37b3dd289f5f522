/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory account says how many bytes of requests may be in the process at once. Who needs
 * bytes reserves them and, when there is no room, waits in line: first come first served, so a
 * large frame isn't starved by small ones. A reserve beside the account serves small frames
 * when it is full: heartbeats go on whatever producers do.
 *
 * Belongs to one loop thread. Knows nothing of sockets.
 */
#ifndef KS_NET_MEMORY_ACCOUNT_H
#define KS_NET_MEMORY_ACCOUNT_H

#include "base/base.h"

/* The largest reservation that the reserve serves. */
#define KS_MEMORY_SMALL_BYTES_MAX ((size_t) 16 * 1024)

struct ks_memory_account {
    size_t bytes;
    size_t bytes_max;
    size_t reserve_bytes;
    size_t reserve_bytes_max;
    struct ks_list large; /* struct ks_reservation that wait, oldest first */
    struct ks_list small;
};

enum ks_reservation_state {
    KS_RESERVATION_NONE,
    KS_RESERVATION_WAITING,
    KS_RESERVATION_ACCOUNT, /* granted, from the account */
    KS_RESERVATION_RESERVE  /* granted, from the reserve */
};

/*
 * Zeroed: none. `on_granted` is called once when a reservation that had to wait is granted,
 * from within somebody else's release: it takes a note and does its work later. A granted
 * reservation may be moved to another place.
 */
struct ks_reservation {
    struct ks_list link;
    enum ks_reservation_state state;
    size_t bytes;
    void (*on_granted)(void *arg);
    void *arg;
};

void ks_memory_account_init(struct ks_memory_account *account, size_t bytes_max,
                            size_t reserve_bytes_max);

/*
 * True: granted now. False: it waits. `bytes` is at most bytes_max, or it would wait for ever;
 * the caller has checked. The reservation must be in state NONE with on_granted set.
 */
bool ks_memory_account_reserve(struct ks_memory_account *account,
                               struct ks_reservation *reservation, size_t bytes);

/* Gives the bytes back, or leaves the line; does nothing in state NONE. */
void ks_memory_account_release(struct ks_memory_account *account,
                               struct ks_reservation *reservation);

static inline bool
ks_reservation_is_granted(const struct ks_reservation *reservation)
{
    return reservation->state == KS_RESERVATION_ACCOUNT ||
           reservation->state == KS_RESERVATION_RESERVE;
}

/*
 * Bytes that are there already and bounded otherwise. They may take the account past its limit:
 * others wait then.
 */
void ks_memory_account_charge(struct ks_memory_account *account, size_t bytes);
void ks_memory_account_discharge(struct ks_memory_account *account, size_t bytes);

#endif

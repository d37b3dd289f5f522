/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory account says how many bytes of requests and answers may be in a broker at once. Who
 * needs bytes reserves them and, when there is no room, waits in the line for their size: first
 * come first served. A reserve beside the account serves small frames and answers when it is
 * full: heartbeats go on whatever producers do.
 *
 * Belongs to one loop thread. Knows nothing of sockets.
 */
#ifndef KS_NET_MEMORY_ACCOUNT_H
#define KS_NET_MEMORY_ACCOUNT_H

#include "base/base.h"

/* What a request costs beside its frame: what the network, handlers and their arena begin with. */
#define KS_MEMORY_REQUEST_BYTES ((size_t) 8 * 1024)

/* The largest reservation that the reserve serves: a frame of 16 KiB. */
#define KS_MEMORY_SMALL_BYTES_MAX ((size_t) 16 * 1024 + KS_MEMORY_REQUEST_BYTES)

/* Up to here a reservation is one of an ordinary producer; larger ones wait in a line of their own.
 */
#define KS_MEMORY_LARGE_BYTES_MAX ((size_t) 1024 * 1024 + 64 * 1024)

enum ks_memory_line {
    KS_MEMORY_LINE_SMALL,
    KS_MEMORY_LINE_LARGE,
    KS_MEMORY_LINE_HUGE,
    KS_MEMORY_LINE_COUNT
};

struct ks_memory_account {
    size_t bytes;
    size_t bytes_max;
    size_t huge_bytes; /* of these, by huge reservations */
    size_t kept_bytes; /* beside these */
    size_t reserve_bytes;
    size_t reserve_bytes_max;
    struct ks_list lines[KS_MEMORY_LINE_COUNT]; /* struct ks_reservation, oldest first */
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
 * Another limit, while the account is used. What is there stays, also beyond it; a reservation that
 * waits for more than all waits for all.
 */
void ks_memory_account_resize(struct ks_memory_account *account, size_t bytes_max);

/* What is left; 0 also when charges have taken it past its limit. */
size_t ks_memory_account_room(const struct ks_memory_account *account);

/* How much of it is used; 100 also when charges have taken it past its limit. */
unsigned ks_memory_account_percent(const struct ks_memory_account *account);

/* Whether anybody waits: then there is less patience with those who hold memory idly. */
bool ks_memory_account_is_contended(const struct ks_memory_account *account);

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
 * Bytes that were received and belong to no request yet. They count beside the account, or those
 * who wait for it could fill it with what they wait with, and wait for ever. Nobody keeps more
 * than a few once there is a quarter of the account of them.
 */
void ks_memory_account_keep(struct ks_memory_account *account, size_t bytes);
void ks_memory_account_drop(struct ks_memory_account *account, size_t bytes);

static inline bool
ks_memory_account_may_keep(const struct ks_memory_account *account, size_t bytes)
{
    return account->kept_bytes + bytes <= account->bytes_max / 4;
}

/*
 * Bytes that are there already and bounded otherwise. They may take the account past its limit:
 * others wait then.
 */
void ks_memory_account_charge(struct ks_memory_account *account, size_t bytes);
void ks_memory_account_discharge(struct ks_memory_account *account, size_t bytes);

/* What an answer may bring into memory. Zeroed: nothing. */
struct ks_memory_claim {
    size_t bytes;
    bool is_from_reserve;
};

/*
 * Takes memory for an answer that could use `wanted_bytes`, and can't use less than `least_bytes`;
 * returns how much. 0: there is not enough now, and nobody will call. Never waits, so it can't hold
 * up those who do.
 */
size_t ks_memory_account_claim(struct ks_memory_account *account, struct ks_memory_claim *claim,
                               size_t least_bytes, size_t wanted_bytes);
void ks_memory_account_release_claim(struct ks_memory_account *account,
                                     struct ks_memory_claim *claim);

#endif

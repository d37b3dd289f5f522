/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three lines wait for the account, by size, so that nobody who needs little waits for somebody
 * who needs much. The huge never have more than one half, or one of them more than that; while
 * none waits the others may have all. A small one that comes while others wait goes to the
 * reserve, or a stream of them would starve these.
 */
#include "net/memory_account.h"

#include <assert.h>

void
ks_memory_account_init(struct ks_memory_account *account, size_t bytes_max,
                       size_t reserve_bytes_max)
{
    assert(reserve_bytes_max >= KS_MEMORY_SMALL_BYTES_MAX);

    *account = (struct ks_memory_account){ .bytes_max = bytes_max,
                                           .reserve_bytes_max = reserve_bytes_max };
    for (int i = 0; i < KS_MEMORY_LINE_COUNT; i++) {
        ks_list_init(&account->lines[i]);
    }
}

static enum ks_memory_line
line_of(size_t bytes)
{
    if (bytes <= KS_MEMORY_SMALL_BYTES_MAX) {
        return KS_MEMORY_LINE_SMALL;
    }
    return bytes <= KS_MEMORY_LARGE_BYTES_MAX ? KS_MEMORY_LINE_LARGE : KS_MEMORY_LINE_HUGE;
}

static struct ks_reservation *
first(const struct ks_memory_account *account, enum ks_memory_line line)
{
    const struct ks_list *list = &account->lines[line];

    return ks_list_is_empty(list) ? NULL : KS_CONTAINER(list->next, struct ks_reservation, link);
}

size_t
ks_memory_account_room(const struct ks_memory_account *account)
{
    return account->bytes < account->bytes_max ? account->bytes_max - account->bytes : 0;
}

unsigned
ks_memory_account_percent(const struct ks_memory_account *account)
{
    return account->bytes < account->bytes_max
               ? (unsigned) (account->bytes * 100 / account->bytes_max)
               : 100;
}

bool
ks_memory_account_is_contended(const struct ks_memory_account *account)
{
    for (int i = 0; i < KS_MEMORY_LINE_COUNT; i++) {
        if (!ks_list_is_empty(&account->lines[i])) {
            return true;
        }
    }
    return false;
}

static size_t
half_of(const struct ks_memory_account *account)
{
    return account->bytes_max / 2;
}

/* What all but the huge may have: everything, or what the first huge one that waits leaves. */
static size_t
ordinary_bytes_max(const struct ks_memory_account *account)
{
    const struct ks_reservation *huge = first(account, KS_MEMORY_LINE_HUGE);

    if (huge == NULL) {
        return account->bytes_max;
    }
    return account->bytes_max - (huge->bytes > half_of(account) ? huge->bytes : half_of(account));
}

static bool
has_share(const struct ks_memory_account *account, size_t bytes)
{
    size_t ordinary_bytes = account->bytes - account->huge_bytes;

    if (line_of(bytes) == KS_MEMORY_LINE_HUGE) {
        return account->huge_bytes == 0 || account->huge_bytes + bytes <= half_of(account);
    }
    return ordinary_bytes + bytes <= ordinary_bytes_max(account);
}

static bool
take_from_account(struct ks_memory_account *account, struct ks_reservation *reservation)
{
    if (reservation->bytes > ks_memory_account_room(account) ||
        !has_share(account, reservation->bytes)) {
        return false;
    }
    account->bytes += reservation->bytes;
    if (line_of(reservation->bytes) == KS_MEMORY_LINE_HUGE) {
        account->huge_bytes += reservation->bytes;
    }
    reservation->state = KS_RESERVATION_ACCOUNT;
    return true;
}

static bool
take_from_reserve(struct ks_memory_account *account, struct ks_reservation *reservation)
{
    if (reservation->bytes > account->reserve_bytes_max - account->reserve_bytes) {
        return false;
    }
    account->reserve_bytes += reservation->bytes;
    reservation->state = KS_RESERVATION_RESERVE;
    return true;
}

static bool
take(struct ks_memory_account *account, struct ks_reservation *reservation)
{
    enum ks_memory_line line = line_of(reservation->bytes);

    if (first(account, line) != NULL) {
        return false;
    }
    if (line != KS_MEMORY_LINE_SMALL) {
        return take_from_account(account, reservation);
    }
    if (!ks_memory_account_is_contended(account) && take_from_account(account, reservation)) {
        return true;
    }
    return take_from_reserve(account, reservation);
}

bool
ks_memory_account_reserve(struct ks_memory_account *account, struct ks_reservation *reservation,
                          size_t bytes)
{
    assert(reservation->state == KS_RESERVATION_NONE);
    assert(reservation->on_granted != NULL);
    assert(bytes <= account->bytes_max);

    reservation->bytes = bytes;
    if (take(account, reservation)) {
        return true;
    }
    reservation->state = KS_RESERVATION_WAITING;
    ks_list_append(&account->lines[line_of(bytes)], &reservation->link);
    return false;
}

static void
grant(struct ks_reservation *reservation)
{
    ks_list_remove(&reservation->link);
    reservation->on_granted(reservation->arg);
}

static void
grant_line(struct ks_memory_account *account, enum ks_memory_line line)
{
    struct ks_reservation *waiting;

    while ((waiting = first(account, line)) != NULL && take_from_account(account, waiting)) {
        grant(waiting);
    }
}

static void
grant_small(struct ks_memory_account *account)
{
    struct ks_reservation *waiting;

    while ((waiting = first(account, KS_MEMORY_LINE_SMALL)) != NULL) {
        bool may_use_account = first(account, KS_MEMORY_LINE_LARGE) == NULL &&
                               first(account, KS_MEMORY_LINE_HUGE) == NULL;

        if (!(may_use_account && take_from_account(account, waiting)) &&
            !take_from_reserve(account, waiting)) {
            return;
        }
        grant(waiting);
    }
}

static void
grant_waiting(struct ks_memory_account *account)
{
    grant_line(account, KS_MEMORY_LINE_LARGE);
    grant_line(account, KS_MEMORY_LINE_HUGE);
    grant_small(account);
}

void
ks_memory_account_resize(struct ks_memory_account *account, size_t bytes_max)
{
    struct ks_list *huge = &account->lines[KS_MEMORY_LINE_HUGE];

    assert(bytes_max > KS_MEMORY_LARGE_BYTES_MAX);

    account->bytes_max = bytes_max;
    for (struct ks_list *node = huge->next; node != huge; node = node->next) {
        struct ks_reservation *waiting = KS_CONTAINER(node, struct ks_reservation, link);

        if (waiting->bytes > bytes_max) {
            waiting->bytes = bytes_max;
        }
    }
    grant_waiting(account);
}

void
ks_memory_account_release(struct ks_memory_account *account, struct ks_reservation *reservation)
{
    switch (reservation->state) {
    case KS_RESERVATION_NONE:
        return;
    case KS_RESERVATION_WAITING:
        ks_list_remove(&reservation->link);
        break;
    case KS_RESERVATION_ACCOUNT:
        assert(account->bytes >= reservation->bytes);
        account->bytes -= reservation->bytes;
        if (line_of(reservation->bytes) == KS_MEMORY_LINE_HUGE) {
            account->huge_bytes -= reservation->bytes;
        }
        break;
    case KS_RESERVATION_RESERVE:
        assert(account->reserve_bytes >= reservation->bytes);
        account->reserve_bytes -= reservation->bytes;
        break;
    }
    reservation->state = KS_RESERVATION_NONE;
    reservation->bytes = 0;
    grant_waiting(account);
}

void
ks_memory_account_charge(struct ks_memory_account *account, size_t bytes)
{
    account->bytes += bytes;
}

void
ks_memory_account_discharge(struct ks_memory_account *account, size_t bytes)
{
    assert(account->bytes >= bytes);

    account->bytes -= bytes;
    if (bytes > 0 && ks_memory_account_is_contended(account)) {
        grant_waiting(account);
    }
}

void
ks_memory_account_keep(struct ks_memory_account *account, size_t bytes)
{
    account->kept_bytes += bytes;
}

void
ks_memory_account_drop(struct ks_memory_account *account, size_t bytes)
{
    assert(account->kept_bytes >= bytes);

    account->kept_bytes -= bytes;
}

/* --- Answers ---------------------------------------------------------------------------------- */

static size_t
smaller_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/*
 * Nobody takes more than a quarter of what is left, if that is of use, so that many slow readers
 * share it.
 */
static size_t
share_of(size_t room_bytes, size_t least_bytes, size_t wanted_bytes)
{
    size_t bytes = smaller_of(wanted_bytes, room_bytes / 4);

    return bytes < least_bytes ? least_bytes : bytes;
}

size_t
ks_memory_account_claim(struct ks_memory_account *account, struct ks_memory_claim *claim,
                        size_t least_bytes, size_t wanted_bytes)
{
    size_t room_bytes = ks_memory_account_room(account);
    size_t bytes = share_of(room_bytes, least_bytes, wanted_bytes);

    assert(claim->bytes == 0);
    assert(least_bytes <= wanted_bytes);

    if (bytes <= room_bytes) {
        account->bytes += bytes;
        *claim = (struct ks_memory_claim){ .bytes = bytes };
        return bytes;
    }
    bytes = smaller_of(wanted_bytes, KS_MEMORY_SMALL_BYTES_MAX);
    if (bytes < least_bytes || bytes > account->reserve_bytes_max - account->reserve_bytes) {
        return 0;
    }
    account->reserve_bytes += bytes;
    *claim = (struct ks_memory_claim){ .bytes = bytes, .is_from_reserve = true };
    return bytes;
}

void
ks_memory_account_release_claim(struct ks_memory_account *account, struct ks_memory_claim *claim)
{
    size_t *bytes = claim->is_from_reserve ? &account->reserve_bytes : &account->bytes;

    if (claim->bytes == 0) {
        return;
    }
    assert(*bytes >= claim->bytes);
    *bytes -= claim->bytes;
    *claim = (struct ks_memory_claim){ 0 };
    grant_waiting(account);
}

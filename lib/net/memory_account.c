/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large reservations have the account before small ones that wait, for the small ones have the
 * reserve as well. A small one that comes while a large one waits goes to the reserve too, or a
 * stream of them would starve it.
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
    ks_list_init(&account->large);
    ks_list_init(&account->small);
}

static bool
take_from_account(struct ks_memory_account *account, struct ks_reservation *reservation)
{
    if (account->bytes > account->bytes_max ||
        reservation->bytes > account->bytes_max - account->bytes) {
        return false;
    }
    account->bytes += reservation->bytes;
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
    bool is_small = reservation->bytes <= KS_MEMORY_SMALL_BYTES_MAX;

    if (!is_small) {
        return ks_list_is_empty(&account->large) && take_from_account(account, reservation);
    }
    if (!ks_list_is_empty(&account->small)) {
        return false;
    }
    if (ks_list_is_empty(&account->large) && take_from_account(account, reservation)) {
        return true;
    }
    return take_from_reserve(account, reservation);
}

bool
ks_memory_account_reserve(struct ks_memory_account *account, struct ks_reservation *reservation,
                          size_t bytes)
{
    bool is_small = bytes <= KS_MEMORY_SMALL_BYTES_MAX;

    assert(reservation->state == KS_RESERVATION_NONE);
    assert(reservation->on_granted != NULL);
    assert(bytes <= account->bytes_max);

    reservation->bytes = bytes;
    if (take(account, reservation)) {
        return true;
    }
    reservation->state = KS_RESERVATION_WAITING;
    ks_list_append(is_small ? &account->small : &account->large, &reservation->link);
    return false;
}

static struct ks_reservation *
first(const struct ks_list *list)
{
    return ks_list_is_empty(list) ? NULL : KS_CONTAINER(list->next, struct ks_reservation, link);
}

static void
grant(struct ks_reservation *reservation)
{
    ks_list_remove(&reservation->link);
    reservation->on_granted(reservation->arg);
}

static void
grant_waiting(struct ks_memory_account *account)
{
    struct ks_reservation *waiting;

    while ((waiting = first(&account->large)) != NULL && take_from_account(account, waiting)) {
        grant(waiting);
    }
    while ((waiting = first(&account->small)) != NULL) {
        bool may_use_account = ks_list_is_empty(&account->large);

        if (!(may_use_account && take_from_account(account, waiting)) &&
            !take_from_reserve(account, waiting)) {
            return;
        }
        grant(waiting);
    }
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
    grant_waiting(account);
}

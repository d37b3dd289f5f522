/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as people write them, as they are shown, and how connections are counted by them. */
#include "net/address.h"
#include "support/main.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static struct ks_address
parse(const char *text)
{
    struct ks_address address;
    struct kafscale_error error = { 0 };

    if (ks_address_parse(text, &address, &error) != KAFSCALE_OK) {
        ck_abort_msg("%s: %s", text, error.text);
    }
    return address;
}

static void
expect(const char *text, const char *host, uint16_t port)
{
    struct ks_address address = parse(text);
    const struct sockaddr *socket_address = (const struct sockaddr *) &address.storage;
    char host_text[KS_ADDRESS_TEXT_BYTES];

    ks_address_host_text(socket_address, host_text);
    ck_assert_str_eq(host_text, host);
    ck_assert_uint_eq(ks_address_port(socket_address), port);
}

START_TEST(written_addresses_are_understood)
{
    expect("127.0.0.1:9092", "127.0.0.1", 9092);
    expect("[::1]:0", "::1", 0);
    expect("localhost:65535", "127.0.0.1", 65535);
    expect("LocalHost:1", "127.0.0.1", 1);
    expect(":9092", "::", 9092);
    ck_assert(parse(":9092").is_dual);
    ck_assert(!parse("[::]:9092").is_dual);
}
END_TEST

START_TEST(nonsense_is_refused)
{
    static const char *const texts[] = {
        "",     "9092",     "host",    "127.0.0.1:", "1.2.3.4:65536", "::1:80", "a:b",      "h:-1",
        "h: 1", "h:123456", "[::1:80", "[x y]:900",  "256.1.1.1:1",   ":+5",    "tcp://h:x"
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct ks_address address;
        struct kafscale_error error = { 0 };

        ck_assert_msg(ks_address_parse(texts[i], &address, &error) == KAFSCALE_INVALID, "'%s'",
                      texts[i]);
        ck_assert_str_ne(error.text, "");
    }
}
END_TEST

static struct sockaddr_in6
ipv6(const char *text)
{
    struct sockaddr_in6 address = { .sin6_family = AF_INET6 };

    ck_assert_int_eq(inet_pton(AF_INET6, text, &address.sin6_addr), 1);
    return address;
}

static enum kafscale_status
add(struct ks_address_counts *counts, const char *text, struct ks_address_count **count_out)
{
    struct sockaddr_in6 address = ipv6(text);

    return ks_address_counts_add(counts, (const struct sockaddr *) &address, 2, count_out);
}

START_TEST(mapped_ipv4_is_shown_as_ipv4)
{
    struct sockaddr_in6 address = ipv6("::ffff:10.1.2.3");
    char text[KS_ADDRESS_TEXT_BYTES];

    ks_address_host_text((const struct sockaddr *) &address, text);
    ck_assert_str_eq(text, "10.1.2.3");
}
END_TEST

START_TEST(connections_are_counted_by_address_and_by_ipv6_network)
{
    struct ks_address_counts counts;
    struct ks_address_count *a, *b, *c, *d, *none;

    ks_address_counts_init(&counts, 1);
    ck_assert_int_eq(add(&counts, "2001:db8::1", &a), KAFSCALE_OK);
    ck_assert_int_eq(add(&counts, "2001:db8::ffff:2", &b), KAFSCALE_OK);
    ck_assert_int_eq(add(&counts, "2001:db8::3", &none), KAFSCALE_FULL);
    ck_assert_int_eq(add(&counts, "2001:db8:0:1::1", &c), KAFSCALE_OK);
    ck_assert_int_eq(add(&counts, "::ffff:10.1.2.3", &d), KAFSCALE_OK);
    ck_assert_ptr_ne(c, d);
    ks_address_counts_remove(&counts, a);
    ck_assert_int_eq(add(&counts, "2001:db8::3", &a), KAFSCALE_OK);
    ks_address_counts_remove(&counts, a);
    ks_address_counts_remove(&counts, b);
    ks_address_counts_remove(&counts, c);
    ks_address_counts_remove(&counts, d);
    ks_address_counts_remove(&counts, NULL);
    ks_address_counts_deinit(&counts);
}
END_TEST

START_TEST(local_sockets_are_not_counted)
{
    struct ks_address_counts counts;
    struct sockaddr local = { .sa_family = AF_UNIX };

    ks_address_counts_init(&counts, 1);
    for (int i = 0; i < 5; i++) {
        struct ks_address_count *count;

        ck_assert_int_eq(ks_address_counts_add(&counts, &local, 1, &count), KAFSCALE_OK);
        ck_assert_ptr_null(count);
    }
    ks_address_counts_deinit(&counts);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("net address");
    TCase *cases = tcase_create("address");

    tcase_add_test(cases, written_addresses_are_understood);
    tcase_add_test(cases, nonsense_is_refused);
    tcase_add_test(cases, mapped_ipv4_is_shown_as_ipv4);
    tcase_add_test(cases, connections_are_counted_by_address_and_by_ipv6_network);
    tcase_add_test(cases, local_sockets_are_not_counted);
    suite_add_tcase(suite, cases);
    return suite;
}

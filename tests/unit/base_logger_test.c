/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of a call: message and fields, a line for people and one for programs, whatever
 * clients have put into the values.
 */
#include "base/base.h"
#include "base/log_line.h"
#include "support/main.h"
#include "support/virtual_env.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct heard {
    int count;
    char line[6000];
    char text[KAFSCALE_LOG_LINE_BYTES];
    char json[KAFSCALE_LOG_LINE_BYTES];
    size_t field_count;
    size_t last_size;
};

static void
hear(void *arg, const struct kafscale_log_event *event)
{
    struct heard *heard = arg;

    heard->count++;
    heard->field_count = event->field_count;
    heard->last_size = event->field_count == 0 ? 0 : event->fields[event->field_count - 1].size;
    (void) snprintf(heard->line, sizeof heard->line, "%s", event->line);
    ck_assert_uint_eq(strlen(event->message) > 0, 1);
    ck_assert_uint_eq(kafscale_log_line(event, KAFSCALE_LOG_AS_TEXT, 1772366400007, heard->text,
                                        sizeof heard->text),
                      strlen(heard->text));
    ck_assert_uint_eq(kafscale_log_line(event, KAFSCALE_LOG_AS_JSON, 1772366400007, heard->json,
                                        sizeof heard->json),
                      strlen(heard->json));
}

static struct ks_logger
logger_of(struct heard *heard)
{
    return (struct ks_logger){ .write = hear, .arg = heard, .level = KAFSCALE_LOG_INFO };
}

START_TEST(a_call_is_a_message_with_fields_for_people_and_for_programs)
{
    struct heard heard = { 0 };
    struct ks_logger logger = logger_of(&heard);

    ks_log(&logger, KAFSCALE_LOG_WARN,
           "connection refused client=%s port=%u left=%zu age_ms=%lld id=%.*s way=in reason=%s",
           "127.0.0.1", 65535u, (size_t) 3, -5LL, 2, "abc", "too many");
    ck_assert_str_eq(heard.line, "connection refused client=127.0.0.1 port=65535 left=3 age_ms=-5 "
                                 "id=ab way=in reason=\"too many\"");
    ck_assert_str_eq(heard.text, "2026-03-01T12:00:00.007Z warn connection refused "
                                 "client=127.0.0.1 port=65535 left=3 age_ms=-5 id=ab way=in "
                                 "reason=\"too many\"");
    ck_assert_str_eq(heard.json,
                     "{\"time\":\"2026-03-01T12:00:00.007Z\",\"level\":\"warn\","
                     "\"message\":\"connection refused\",\"client\":\"127.0.0.1\",\"port\":65535,"
                     "\"left\":3,\"age_ms\":-5,\"id\":\"ab\",\"way\":\"in\","
                     "\"reason\":\"too many\"}");
    ck_assert_uint_eq(heard.field_count, 7);
}
END_TEST

START_TEST(every_conversion_of_a_number_has_its_whole_range)
{
    struct heard heard = { 0 };
    struct ks_logger logger = logger_of(&heard);

    ks_log(&logger, KAFSCALE_LOG_INFO,
           "numbers a=%d b=%u c=%ld d=%lu e=%lld f=%llu g=%zu h=%" PRId64 " i=%d", INT32_MIN,
           UINT32_MAX, LONG_MIN, ULONG_MAX, LLONG_MIN, ULLONG_MAX, SIZE_MAX, INT64_MAX, 0);
    ck_assert_str_eq(heard.line,
                     "numbers a=-2147483648 b=4294967295 c=-9223372036854775808 "
                     "d=18446744073709551615 e=-9223372036854775808 f=18446744073709551615 "
                     "g=18446744073709551615 h=9223372036854775807 i=0");
    ck_assert_ptr_nonnull(strstr(heard.json, "\"e\":-9223372036854775808,"));
}
END_TEST

/* What a client sends as its id, and what is told of it. */
START_TEST(what_clients_send_makes_no_lines_and_speaks_to_no_terminal)
{
    static const struct {
        const char *sent;
        size_t size;
        const char *text;
        const char *json;
    } ids[] = {
#define ID(sent, text, json) { sent, sizeof(sent) - 1, text, json }
        ID("", "\"\"", ""),
        ID("a b", "\"a b\"", "a b"),
        ID("a=b", "\"a=b\"", "a=b"),
        ID("a\"b\\", "\"a\\\"b\\\\\"", "a\\\"b\\\\"),
        ID("\" level=error x=\"", "\"\\\" level=error x=\\\"\"", "\\\" level=error x=\\\""),
        ID("a\nb\r\tc", "a?b??c", "a\\u000ab\\u000d\\u0009c"),
        ID("\033[2J", "?[2J", "\\u001b[2J"),
        ID("a\0b", "\"a?b\"", "a\\u0000b"),
        ID("\x7f", "?", "\\u007f"),
        ID("\xc2\x9b"
           "2J",
           "?2J", "\\u009b2J"),
        ID("gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"),
        ID("\xe2\x82\xac\xf0\x9f\x98\x80", "\xe2\x82\xac\xf0\x9f\x98\x80",
           "\xe2\x82\xac\xf0\x9f\x98\x80"),
        ID("\xe2\x80\xae"
           "gpj",
           "?gpj", "\\u202egpj"),
        ID("\x80", "?", "\\ufffd"),
        ID("\xff\xfe", "??", "\\ufffd\\ufffd"),
        ID("a\xc3", "a?", "a\\ufffd"),
        ID("\xc3(", "?(", "\\ufffd("),
        ID("\xc0\xaf", "??", "\\ufffd\\ufffd"),
        ID("\xe0\x80\xaf", "???", "\\ufffd\\ufffd\\ufffd"),
        ID("\xed\xa0\x80", "???", "\\ufffd\\ufffd\\ufffd"),
        ID("\xf4\x90\x80\x80", "????", "\\ufffd\\ufffd\\ufffd\\ufffd"),
        ID("\xf0\x9f\x98", "???", "\\ufffd\\ufffd\\ufffd"),
#undef ID
    };

    for (size_t i = 0; i < COUNT(ids); i++) {
        struct heard heard = { 0 };
        struct ks_logger logger = logger_of(&heard);
        char wanted[256];

        ks_log(&logger, KAFSCALE_LOG_INFO, "seen id=%.*s next=%d", (int) ids[i].size, ids[i].sent,
               1);
        (void) snprintf(wanted, sizeof wanted, "seen id=%s next=1", ids[i].text);
        ck_assert_str_eq(heard.line, wanted);
        (void) snprintf(wanted, sizeof wanted, "\"message\":\"seen\",\"id\":\"%s\",\"next\":1}",
                        ids[i].json);
        ck_assert_msg(strstr(heard.json, wanted) != NULL, "%s lacks %s", heard.json, wanted);
    }
}
END_TEST

START_TEST(what_is_less_urgent_than_the_level_is_left_out)
{
    struct heard heard = { 0 };
    struct ks_logger logger = logger_of(&heard);
    struct ks_logger silent = { 0 };

    ks_log(&logger, KAFSCALE_LOG_DEBUG, "unheard id=%s", "x");
    ck_assert_int_eq(heard.count, 0);
    ck_assert(!ks_log_is_wanted(&logger, KAFSCALE_LOG_DEBUG));
    ck_assert(ks_log_is_wanted(&logger, KAFSCALE_LOG_INFO));
    ck_assert(!ks_log_is_wanted(&silent, KAFSCALE_LOG_ERROR));
    ks_log(&silent, KAFSCALE_LOG_ERROR, "unheard");
}
END_TEST

/* Long values are cut, at the end of a character, and leave room for what comes after them. */
START_TEST(long_values_are_cut_and_the_fields_behind_them_stay)
{
    struct heard heard = { 0 };
    struct ks_logger logger = logger_of(&heard);
    char value[3002];

    for (size_t i = 0; i < sizeof value; i += 2) {
        memcpy(value + i, "\xc3\xbc", 2);
    }
    ks_log(&logger, KAFSCALE_LOG_INFO, "long id=x%.*s", 1, "y");
    ks_log(&logger, KAFSCALE_LOG_INFO, "long id=%.*s end=1", 3001, value + 1);
    ck_assert_ptr_nonnull(strstr(heard.json, "\"end\":\"1\"}"));
    ks_log(&logger, KAFSCALE_LOG_INFO, "long id=%.*s", 3001, value + 1);
    ck_assert_uint_eq(heard.last_size, KS_LOG_VALUE_BYTES - 1);
    ks_log(&logger, KAFSCALE_LOG_INFO, "long a=%.*s b=%.*s c=%.*s d=%.*s e=%.*s f=%.*s g=%.*s",
           3000, value, 3000, value, 3000, value, 3000, value, 3000, value, 3000, value, 3000,
           value);
    ck_assert_uint_ge(heard.field_count, 5);
    ck_assert_uint_lt(heard.field_count, 7);
}
END_TEST

/* The worst that an event can hold still is one whole line. */
START_TEST(any_event_fits_into_the_line_that_the_header_promises)
{
    struct heard heard = { 0 };
    struct ks_logger logger = logger_of(&heard);
    struct kafscale_log_field fields[KS_LOG_FIELDS_MAX + 5];
    char name[KS_LOG_NAME_BYTES * 2];
    char value[KS_LOG_VALUE_BYTES * 2];
    char message[KS_LOG_MESSAGE_BYTES * 2];

    memset(name, '\001', sizeof name - 1);
    memset(value, '\001', sizeof value - 1);
    memset(message, '\001', sizeof message - 1);
    name[sizeof name - 1] = value[sizeof value - 1] = message[sizeof message - 1] = '\0';
    for (size_t size = 1; size < sizeof value; size += 7) {
        for (size_t i = 0; i < COUNT(fields); i++) {
            fields[i] = (struct kafscale_log_field){ .name = name, .value = value, .size = size };
        }
        ks_log_fields(&logger, KAFSCALE_LOG_ERROR, message, fields, COUNT(fields));
        ck_assert_uint_gt(heard.field_count, 1);
        ck_assert_int_eq(heard.json[strlen(heard.json) - 1], '}');
        ck_assert_int_eq(heard.json[strlen(heard.json) - 2], '"');
    }
}
END_TEST

/* An embedder's buffer may be of any size; what it gets is whole or less, never broken. */
START_TEST(a_short_buffer_gets_fewer_fields_or_nothing)
{
    struct kafscale_log_field fields[] = {
        { .name = "a", .value = "12", .size = 2, .kind = KAFSCALE_LOG_NUMBER },
        { .name = "b", .value = "0x1", .size = 3, .kind = KAFSCALE_LOG_NUMBER },
        { .name = "c", .value = "01", .size = 2, .kind = KAFSCALE_LOG_NUMBER },
        { .name = "d", .value = "-", .size = 1, .kind = KAFSCALE_LOG_NUMBER },
    };
    struct kafscale_log_event event = {
        .level = KAFSCALE_LOG_ERROR, .message = "m", .fields = fields, .field_count = COUNT(fields)
    };
    static const char head[] =
        "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"error\",\"message\":\"m\"";
    static const char rest[] = ",\"a\":12,\"b\":\"0x1\",\"c\":\"01\",\"d\":\"-\"}";

    for (size_t size = 0; size <= sizeof head + sizeof rest; size++) {
        char *out = malloc(size + 1);
        size_t used = kafscale_log_line(&event, KAFSCALE_LOG_AS_JSON, 0, out, size);

        ck_assert(size < 2 || strlen(out) == used);
        if (size < sizeof head + 1) {
            ck_assert_uint_eq(used, 0);
        } else {
            ck_assert_int_eq(memcmp(out, head, sizeof head - 1), 0);
            ck_assert_int_eq(out[used - 1], '}');
            ck_assert_int_eq(memcmp(out + sizeof head - 1, rest, used - sizeof head), 0);
        }
        if (size == sizeof head + sizeof rest) {
            ck_assert_uint_eq(used, sizeof head + sizeof rest - 2);
        }
        ck_assert_uint_lt(kafscale_log_line(&event, KAFSCALE_LOG_AS_TEXT, -1, out, size), size + 1);
        free(out);
    }
}
END_TEST

START_TEST(a_flood_is_so_many_events_in_a_while_and_the_number_of_the_rest)
{
    struct virtual_env v;
    struct ks_log_quota quota = { 0 };
    struct heard heard = { 0 };

    virtual_env_init(&v, 1);
    v.env.logger = logger_of(&heard);
    for (int i = 0; i < 100; i++) {
        ks_log_some(&v.env, &quota, 3, KAFSCALE_LOG_DEBUG, "unheard i=%d", i);
        ks_log_some(&v.env, &quota, 3, KAFSCALE_LOG_INFO, "refused i=%d", i);
    }
    ck_assert_int_eq(heard.count, 3);
    ck_assert_str_eq(heard.line, "refused i=2 left_out=0");
    v.now_ms += KS_LOG_QUOTA_INTERVAL_MS;
    ks_log_some(&v.env, &quota, 3, KAFSCALE_LOG_INFO, "refused i=%d", 5);
    ck_assert_str_eq(heard.line, "refused i=5 left_out=97");
    ks_log_some(&v.env, &quota, 3, KAFSCALE_LOG_INFO, "refused i=%d", 6);
    ck_assert_str_eq(heard.line, "refused i=6 left_out=0");
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("logger");
    TCase *events = tcase_create("events");

    tcase_add_test(events, a_call_is_a_message_with_fields_for_people_and_for_programs);
    tcase_add_test(events, every_conversion_of_a_number_has_its_whole_range);
    tcase_add_test(events, what_clients_send_makes_no_lines_and_speaks_to_no_terminal);
    tcase_add_test(events, what_is_less_urgent_than_the_level_is_left_out);
    tcase_add_test(events, long_values_are_cut_and_the_fields_behind_them_stay);
    tcase_add_test(events, any_event_fits_into_the_line_that_the_header_promises);
    tcase_add_test(events, a_short_buffer_gets_fewer_fields_or_nothing);
    tcase_add_test(events, a_flood_is_so_many_events_in_a_while_and_the_number_of_the_rest);
    suite_add_tcase(suite, events);
    return suite;
}

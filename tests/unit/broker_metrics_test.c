/* SPDX-License-Identifier: Apache-2.0 */
/* A reading of metrics, and the text that scrapers get of it. */
#include "broker/broker.h"
#include "support/main.h"

static struct ks_metrics metrics;
static struct ks_buffer text;

static void
set_up(void)
{
    ks_metrics_init(&metrics);
    ks_buffer_init(&text, 1u << 20);
}

static void
tear_down(void)
{
    ks_alloc_fail_after(UINT64_MAX);
    ks_metrics_deinit(&metrics);
    ks_buffer_deinit(&text);
}

/* The whole text without its comments. */
static const char *
samples(void)
{
    struct ks_buffer all;
    char *rest;

    ks_buffer_init(&all, 1u << 20);
    ks_metrics_write(&metrics, &all);
    ks_buffer_append_u8(&all, '\0');
    ck_assert(!ks_buffer_failed(&all));
    rest = (char *) all.data;
    for (char *line = strtok_r(rest, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        if (*line != '#') {
            ks_buffer_append(&text, line, strlen(line));
            ks_buffer_append_u8(&text, '\n');
        }
    }
    ks_buffer_append_u8(&text, '\0');
    ks_buffer_deinit(&all);
    return (const char *) text.data;
}

START_TEST(samples_stand_by_metric_whoever_came_first)
{
    ks_metrics_add_of(&metrics, KS_METRIC_requests_total, "Fetch", 3);
    ks_metrics_add(&metrics, KS_METRIC_topics, 2);
    ks_metrics_add_of(&metrics, KS_METRIC_requests_total, "Produce", 4);
    ck_assert_str_eq(samples(), "kafscale_topics 2\n"
                                "kafscale_requests_total{api=\"Fetch\"} 3\n"
                                "kafscale_requests_total{api=\"Produce\"} 4\n");
}
END_TEST

START_TEST(a_metric_says_once_what_it_is)
{
    ks_metrics_add_of(&metrics, KS_METRIC_store_errors_total, "PUT", 0);
    ks_metrics_add_of(&metrics, KS_METRIC_store_errors_total, "GET", 1);
    ks_metrics_write(&metrics, &text);
    ks_buffer_append_u8(&text, '\0');
    ck_assert_str_eq((const char *) text.data,
                     "# HELP kafscale_store_errors_total requests that failed; not counted: an "
                     "object that should not exist does, or one that may be gone is\n"
                     "# TYPE kafscale_store_errors_total counter\n"
                     "kafscale_store_errors_total{operation=\"PUT\"} 0\n"
                     "kafscale_store_errors_total{operation=\"GET\"} 1\n");
}
END_TEST

START_TEST(labels_can_say_anything)
{
    ks_metrics_add_of_two(&metrics, KS_METRIC_request_errors_total, "a\\b\"c\nd", "", 1);
    ck_assert_str_eq(samples(),
                     "kafscale_request_errors_total{api=\"a\\\\b\\\"c\\nd\",error=\"\"} 1\n");
}
END_TEST

START_TEST(numbers_are_whole_where_they_can_be)
{
    ks_metrics_add(&metrics, KS_METRIC_received_bytes_total, 9007199254740991.0);
    ks_metrics_add(&metrics, KS_METRIC_sent_bytes_total, 1e300);
    ks_metrics_add(&metrics, KS_METRIC_flush_behind_seconds, 0.25);
    ck_assert_str_eq(samples(), "kafscale_received_bytes_total 9007199254740991\n"
                                "kafscale_sent_bytes_total 1e+300\n"
                                "kafscale_flush_behind_seconds 0.25\n");
}
END_TEST

/* A program may have set a locale whose point is a comma. */
START_TEST(fractions_are_written_with_a_point)
{
    ks_metrics_add(&metrics, KS_METRIC_flush_behind_seconds, 12.000001);
    ks_metrics_add(&metrics, KS_METRIC_s3_latency_ms_avg, 0.9999999);
    ks_metrics_add(&metrics, KS_METRIC_s3_error_rate, 0.0625);
    ks_metrics_add(&metrics, KS_METRIC_produce_rps, -1.5);
    ck_assert_str_eq(samples(), "kafscale_produce_rps -1.5\n"
                                "kafscale_flush_behind_seconds 12.000001\n"
                                "kafscale_s3_latency_ms_avg 1\n"
                                "kafscale_s3_error_rate 0.0625\n");
}
END_TEST

START_TEST(a_time_is_counted_in_the_first_bucket_that_holds_it)
{
    struct ks_histogram histogram = { 0 };
    const uint64_t expected[KS_HISTOGRAM_BUCKETS + 1] = { 3, 1, [KS_HISTOGRAM_BUCKETS - 1] = 1, 1 };

    ks_histogram_add(&histogram, -5);
    ks_histogram_add(&histogram, 0);
    ks_histogram_add(&histogram, 1);
    ks_histogram_add(&histogram, 2);
    ks_histogram_add(&histogram, 5000);
    ks_histogram_add(&histogram, 5001);
    ck_assert_mem_eq(histogram.counts, expected, sizeof expected);
    ck_assert_uint_eq(histogram.count, 6);
    ck_assert_int_eq(histogram.sum_ms, 10004);
}
END_TEST

START_TEST(a_histogram_adds_up_in_the_unit_of_its_name)
{
    struct ks_histogram histogram = { 0 };
    const char *said;

    ks_histogram_add(&histogram, 1);
    ks_histogram_add(&histogram, 3);
    ks_histogram_add(&histogram, 9000);
    ks_metrics_add_histogram(&metrics, KS_METRIC_request_duration_seconds, "Fetch", &histogram);
    ks_metrics_add_histogram(&metrics, KS_METRIC_produce_latency_ms, NULL, &histogram);
    said = samples();
#define SECONDS "kafscale_request_duration_seconds_"
#define MS "kafscale_produce_latency_ms_"
    ck_assert_ptr_nonnull(strstr(said, SECONDS "bucket{api=\"Fetch\",le=\"0.001\"} 1\n" SECONDS
                                               "bucket{api=\"Fetch\",le=\"0.002\"} 1\n" SECONDS
                                               "bucket{api=\"Fetch\",le=\"0.005\"} 2\n"));
    ck_assert_ptr_nonnull(strstr(said, SECONDS "bucket{api=\"Fetch\",le=\"5\"} 2\n" SECONDS
                                               "bucket{api=\"Fetch\",le=\"+Inf\"} 3\n" SECONDS
                                               "sum{api=\"Fetch\"} 9.004\n" SECONDS
                                               "count{api=\"Fetch\"} 3\n"));
    ck_assert_ptr_nonnull(strstr(said, MS "bucket{le=\"5000\"} 2\n" MS "bucket{le=\"+Inf\"} 3\n" MS
                                          "sum 9004\n" MS "count 3\n"));
}
END_TEST

static const char *
label_of(const char *bytes, size_t size)
{
    static char label[KS_METRIC_LABEL_BYTES];

    ks_metric_label(ks_slice(bytes, size), label);
    return label;
}

/* Whatever a client calls its group, scrapers get text, and two groups stay two. */
START_TEST(names_of_clients_become_text)
{
    char longest[300];
    char first[KS_METRIC_LABEL_BYTES];

    ck_assert_str_eq(label_of("orders", 6), "orders");
    ck_assert_str_eq(label_of("", 0), "");
    ck_assert_str_eq(label_of("gr\xc3\xbc\xc3\x9f"
                              "e \xf0\x9f\x90\x9f",
                              12),
                     "gr\xc3\xbc\xc3\x9f"
                     "e \xf0\x9f\x90\x9f");
    ck_assert_int_eq(strncmp(label_of("a\0b\nc\x7f", 6), "a?b?c?~", 7), 0);
    ck_assert_int_eq(strncmp(label_of("\xc3", 1), "?~", 2), 0);
    ck_assert_int_eq(strncmp(label_of("\xed\xa0\x80", 3), "???~", 4), 0);
    ck_assert_int_eq(strncmp(label_of("\xc0\xaf", 2), "??~", 3), 0);
    ck_assert_int_eq(strncmp(label_of("\xf4\x90\x80\x80", 4), "????~", 5), 0);
    strcpy(first, label_of("\x01", 1));
    ck_assert_str_ne(first, label_of("\x02", 1));
    for (size_t i = 0; i < sizeof longest; i += 3) {
        memcpy(longest + i, "\xe2\x82\xac", 3);
    }
    strcpy(first, label_of(longest, sizeof longest));
    ck_assert_uint_lt(strlen(first), KS_METRIC_LABEL_BYTES);
    ck_assert_uint_eq((strlen(first) - 9) % 3, 0);
    longest[299] = '\xad';
    ck_assert_str_ne(first, label_of(longest, sizeof longest));
}
END_TEST

START_TEST(names_follow_the_rules_for_their_types)
{
    struct kafscale_metric metric;
    size_t count = 0;

    while (kafscale_metric_at(count, &metric) == KAFSCALE_OK) {
        size_t size = strlen(metric.name);
        bool is_total = size > 6 && strcmp(metric.name + size - 6, "_total") == 0;

        ck_assert_msg(is_total == (metric.type == KAFSCALE_METRIC_COUNTER), "%s", metric.name);
        ck_assert_int_eq(strncmp(metric.name, "kafscale_", 9), 0);
        ck_assert_uint_eq(strspn(metric.name, "abcdefghijklmnopqrstuvwxyz0123456789_"), size);
        ck_assert_uint_gt(strlen(metric.help), 0);
        count++;
    }
    ck_assert_uint_eq(count, KS_METRIC_COUNT);
    ck_assert_int_eq(kafscale_metric_at(SIZE_MAX, &metric), KAFSCALE_NOT_FOUND);
}
END_TEST

struct expected {
    const char *name;
    enum kafscale_metric_type type;
};

static bool
is_in_table(const struct expected *expected)
{
    struct kafscale_metric metric;

    for (size_t i = 0; kafscale_metric_at(i, &metric) == KAFSCALE_OK; i++) {
        if (strcmp(metric.name, expected->name) == 0) {
            return metric.type == expected->type;
        }
    }
    return false;
}

/* What its brokers tell, or its documents say that they do; the types are theirs. */
START_TEST(every_metric_of_kafscale_is_in_the_table)
{
    static const struct expected all[] = {
        { "kafscale_s3_health_state", KAFSCALE_METRIC_GAUGE },
        { "kafscale_s3_latency_ms_avg", KAFSCALE_METRIC_GAUGE },
        { "kafscale_s3_error_rate", KAFSCALE_METRIC_GAUGE },
        { "kafscale_s3_state_duration_seconds", KAFSCALE_METRIC_GAUGE },
        { "kafscale_s3_upload_duration_ms", KAFSCALE_METRIC_HISTOGRAM },
        { "kafscale_produce_rps", KAFSCALE_METRIC_GAUGE },
        { "kafscale_fetch_rps", KAFSCALE_METRIC_GAUGE },
        { "kafscale_produce_latency_ms", KAFSCALE_METRIC_HISTOGRAM },
        { "kafscale_produce_requests_total", KAFSCALE_METRIC_COUNTER },
        { "kafscale_fetch_requests_total", KAFSCALE_METRIC_COUNTER },
        { "kafscale_cache_hit_ratio", KAFSCALE_METRIC_GAUGE },
        { "kafscale_consumer_lag", KAFSCALE_METRIC_HISTOGRAM },
        { "kafscale_consumer_lag_max", KAFSCALE_METRIC_GAUGE },
        { "kafscale_broker_uptime_seconds", KAFSCALE_METRIC_GAUGE },
        { "kafscale_broker_mem_alloc_bytes", KAFSCALE_METRIC_GAUGE },
        { "kafscale_broker_mem_sys_bytes", KAFSCALE_METRIC_GAUGE },
        { "kafscale_broker_heap_inuse_bytes", KAFSCALE_METRIC_GAUGE },
        { "kafscale_broker_cpu_percent", KAFSCALE_METRIC_GAUGE },
        { "kafscale_broker_goroutines", KAFSCALE_METRIC_GAUGE },
        { "kafscale_admin_requests_total", KAFSCALE_METRIC_COUNTER },
        { "kafscale_admin_request_errors_total", KAFSCALE_METRIC_COUNTER },
        { "kafscale_admin_request_latency_ms_avg", KAFSCALE_METRIC_GAUGE },
        { "kafscale_authz_denied_total", KAFSCALE_METRIC_COUNTER },
    };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ck_assert_msg(is_in_table(&all[i]), "%s", all[i].name);
    }
}
END_TEST

START_TEST(without_memory_a_reading_says_that_it_is_of_no_use)
{
    ks_alloc_fail_after((uint64_t) _i);
    for (int i = 0; i < 1000; i++) {
        ks_metrics_add(&metrics, KS_METRIC_topics, i);
    }
    ks_alloc_fail_after(UINT64_MAX);
    ck_assert(metrics.failed);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("broker metrics");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, samples_stand_by_metric_whoever_came_first);
    tcase_add_test(tests, a_metric_says_once_what_it_is);
    tcase_add_test(tests, labels_can_say_anything);
    tcase_add_test(tests, numbers_are_whole_where_they_can_be);
    tcase_add_test(tests, fractions_are_written_with_a_point);
    tcase_add_test(tests, a_time_is_counted_in_the_first_bucket_that_holds_it);
    tcase_add_test(tests, a_histogram_adds_up_in_the_unit_of_its_name);
    tcase_add_test(tests, names_of_clients_become_text);
    tcase_add_test(tests, every_metric_of_kafscale_is_in_the_table);
    tcase_add_test(tests, names_follow_the_rules_for_their_types);
    tcase_add_loop_test(tests, without_memory_a_reading_says_that_it_is_of_no_use, 0, 8);
    suite_add_tcase(suite, tests);
    return suite;
}

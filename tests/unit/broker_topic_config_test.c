/* SPDX-License-Identifier: Apache-2.0 */
/* The table of topic configurations: what is accepted, what not, and whose value counts. */
#include "broker/broker.h"
#include "support/main.h"

static enum kafscale_status
check(const char *key, const char *value)
{
    int name = ks_topic_config_find(ks_slice_of_text(key));

    ck_assert_msg(name >= 0, "no key %s", key);
    return ks_topic_config_check((enum ks_topic_config_name) name, ks_slice_of_text(value),
                                 &(struct kafscale_error){ 0 });
}

START_TEST(every_default_is_a_legal_value)
{
    for (int i = 0; i < KS_TOPIC_CONFIG_COUNT; i++) {
        const struct ks_topic_config_key *key = &ks_topic_config_keys[i];

        ck_assert_msg(check(key->key, key->default_text) == KAFSCALE_OK, "%s", key->key);
        ck_assert_int_eq(ks_topic_config_find(ks_slice_of_text(key->key)), i);
    }
}
END_TEST

START_TEST(unknown_keys_are_not_found)
{
    ck_assert_int_eq(ks_topic_config_find(ks_slice_of_text("cleanup.polic")), -1);
    ck_assert_int_eq(ks_topic_config_find(ks_slice_of_text("")), -1);
}
END_TEST

struct value_case {
    const char *key;
    const char *value;
    enum kafscale_status status;
};

static const struct value_case value_cases[] = {
    { "cleanup.policy", "compact", KAFSCALE_OK },
    { "cleanup.policy", "compact,delete", KAFSCALE_OK },
    { "cleanup.policy", "compact, delete", KAFSCALE_OK },
    { "cleanup.policy", "", KAFSCALE_INVALID },
    { "cleanup.policy", "compact,", KAFSCALE_INVALID },
    { "cleanup.policy", "remove", KAFSCALE_INVALID },
    { "compression.type", "zstd", KAFSCALE_OK },
    { "compression.type", "lzma", KAFSCALE_INVALID },
    { "compression.gzip.level", "-1", KAFSCALE_OK },
    { "compression.gzip.level", "0", KAFSCALE_INVALID },
    { "compression.gzip.level", "1", KAFSCALE_OK },
    { "compression.lz4.level", "17", KAFSCALE_OK },
    { "compression.lz4.level", "18", KAFSCALE_INVALID },
    { "compression.zstd.level", "-131072", KAFSCALE_OK },
    { "compression.zstd.level", "0", KAFSCALE_OK },
    { "max.message.bytes", "0", KAFSCALE_OK },
    { "max.message.bytes", "-1", KAFSCALE_INVALID },
    { "max.message.bytes", "2147483648", KAFSCALE_INVALID },
    { "max.message.bytes", "1e3", KAFSCALE_INVALID },
    { "max.message.bytes", " 5", KAFSCALE_INVALID },
    { "max.message.bytes", "", KAFSCALE_INVALID },
    { "retention.ms", "-1", KAFSCALE_OK },
    { "retention.ms", "-2", KAFSCALE_INVALID },
    { "retention.ms", "9223372036854775807", KAFSCALE_OK },
    { "retention.ms", "9223372036854775808", KAFSCALE_INVALID },
    { "min.cleanable.dirty.ratio", "0.25", KAFSCALE_OK },
    { "min.cleanable.dirty.ratio", "1.5", KAFSCALE_INVALID },
    { "min.cleanable.dirty.ratio", "nan", KAFSCALE_INVALID },
    { "preallocate", "True", KAFSCALE_OK },
    { "preallocate", "yes", KAFSCALE_INVALID },
    { "message.timestamp.type", "LogAppendTime", KAFSCALE_OK },
    { "message.timestamp.type", "logappendtime", KAFSCALE_INVALID },
    { "leader.replication.throttled.replicas", "*", KAFSCALE_OK },
};

START_TEST(values_are_checked_by_type_and_range)
{
    const struct value_case *c = &value_cases[_i];

    ck_assert_msg(check(c->key, c->value) == c->status, "%s = '%s'", c->key, c->value);
}
END_TEST

START_TEST(values_with_a_zero_byte_or_too_long_are_refused)
{
    static const uint8_t with_zero[] = { 'a', 0, 'b' };
    static uint8_t long_text[10000];

    memset(long_text, '1', sizeof long_text);
    ck_assert_int_eq(ks_topic_config_check(KS_TOPIC_CONFIG_MESSAGE_FORMAT,
                                           ks_slice(with_zero, sizeof with_zero),
                                           &(struct kafscale_error){ 0 }),
                     KAFSCALE_INVALID);
    ck_assert_int_eq(ks_topic_config_check(KS_TOPIC_CONFIG_MESSAGE_FORMAT,
                                           ks_slice(long_text, sizeof long_text),
                                           &(struct kafscale_error){ 0 }),
                     KAFSCALE_INVALID);
}
END_TEST

START_TEST(a_topic_counts_before_the_broker_and_the_broker_before_the_table)
{
    struct ks_topic_config topic = { 0 };
    struct ks_topic_config broker = { 0 };
    enum ks_topic_config_name name = KS_TOPIC_CONFIG_MAX_MESSAGE_BYTES;

    ck_assert_int_eq(ks_topic_config_number(&topic, &broker, name), 1048588);
    ck_assert_int_eq(ks_topic_config_set(&broker, name, ks_slice_of_text("200")), KAFSCALE_OK);
    ck_assert_int_eq(ks_topic_config_number(&topic, &broker, name), 200);
    ck_assert_int_eq(ks_topic_config_set(&topic, name, ks_slice_of_text("100")), KAFSCALE_OK);
    ck_assert_int_eq(ks_topic_config_set(&topic, name, ks_slice_of_text("101")), KAFSCALE_OK);
    ck_assert_int_eq(ks_topic_config_number(&topic, &broker, name), 101);
    ks_topic_config_deinit(&topic);
    ks_topic_config_deinit(&broker);
}
END_TEST

START_TEST(each_life_of_a_name_has_a_prefix_of_its_own)
{
    struct ks_id id = { .bytes = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab } };
    char longest[KS_TOPIC_NAME_BYTES_MAX + 1];
    char prefix[KS_TOPIC_PREFIX_BYTES];

    ks_topic_prefix("orders", &id, false, prefix);
    ck_assert_str_eq(prefix, "orders");
    ks_topic_prefix("orders", &id, true, prefix);
    ck_assert_str_eq(prefix, "orders@01234567");
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    ks_topic_prefix(longest, &id, true, prefix);
    ck_assert_str_eq(prefix + sizeof longest - 1, "@01234567");
}
END_TEST

START_TEST(records_of_deleted_topics_survive_encoding)
{
    struct ks_gone_record record = { .name = "a.b", .is_later_life = true, .buried_ms = 12345 };
    struct ks_gone_record back = { 0 };
    uint8_t bytes[KS_GONE_RECORD_BYTES_MAX];
    size_t size = ks_gone_record_encode(&record, bytes);
    char key[KS_TOPIC_KEY_BYTES];
    struct ks_id id = { .bytes = { 7 } };
    struct ks_id parsed;

    ck_assert_int_eq(
        ks_gone_record_decode(ks_slice(bytes, size), &back, &(struct kafscale_error){ 0 }),
        KAFSCALE_OK);
    ck_assert_str_eq(back.name, "a.b");
    ck_assert(back.is_later_life);
    ck_assert_int_eq(back.buried_ms, 12345);
    for (size_t cut = 0; cut < size; cut++) {
        ck_assert_int_eq(
            ks_gone_record_decode(ks_slice(bytes, cut), &back, &(struct kafscale_error){ 0 }),
            KAFSCALE_CORRUPT);
    }
    ks_gone_record_key(&id, key);
    ck_assert(ks_gone_record_key_parse(key, &parsed));
    ck_assert(ks_id_equals(&id, &parsed));
    ck_assert(!ks_topic_record_key_parse(key, &parsed));
    ck_assert(!ks_gone_record_key_parse("gone/12", &parsed));
}
END_TEST

/* A topic record must come back as it was stored, also by a broker with another table. */
START_TEST(topic_records_survive_encoding)
{
    struct ks_topic_record record = { .partition_count = 12, .is_later_life = true, .name = "a.b" };
    struct ks_topic_record back = { 0 };
    struct ks_buffer bytes;

    ks_buffer_init(&bytes, 10000);
    ck_assert_int_eq(
        ks_topic_config_set(&record.config, KS_TOPIC_CONFIG_RETENTION_MS, ks_slice_of_text("5")),
        KAFSCALE_OK);
    ks_topic_record_encode(&record, &bytes);
    ck_assert_int_eq(
        ks_topic_record_decode(ks_buffer_slice(&bytes), &back, &(struct kafscale_error){ 0 }),
        KAFSCALE_OK);
    ck_assert_str_eq(back.name, "a.b");
    ck_assert_int_eq(back.partition_count, 12);
    ck_assert(back.is_later_life);
    ck_assert_str_eq(back.config.values[KS_TOPIC_CONFIG_RETENTION_MS], "5");
    ks_topic_record_deinit(&back);
    for (size_t size = 0; size < bytes.size; size++) {
        struct ks_topic_record cut = { 0 };

        ck_assert_int_eq(
            ks_topic_record_decode(ks_slice(bytes.data, size), &cut, &(struct kafscale_error){ 0 }),
            KAFSCALE_CORRUPT);
        ks_topic_record_deinit(&cut);
    }
    ks_topic_record_deinit(&record);
    ks_buffer_deinit(&bytes);
}
END_TEST

/* What a newer broker has configured stays when this one changes something else. */
START_TEST(keys_of_newer_brokers_stay_in_a_record)
{
    static const char future[] = "\0\6future\0\1x";
    struct kafscale_error error = { 0 };
    struct ks_topic_record record = { .partition_count = 1, .name = "a", .others_count = 1 };
    struct ks_topic_record back = { 0 };
    struct ks_buffer first;
    struct ks_buffer second;

    ks_buffer_init(&first, 1000);
    ks_buffer_init(&second, 1000);
    ks_buffer_init(&record.others, 1000);
    ks_buffer_append(&record.others, future, sizeof future - 1);
    ks_topic_record_encode(&record, &first);
    ck_assert_int_eq(ks_topic_record_decode(ks_buffer_slice(&first), &back, &error), KAFSCALE_OK);
    ks_topic_record_encode(&back, &second);
    ck_assert(ks_slice_equals(ks_buffer_slice(&second), ks_buffer_slice(&first)));
    /* Except when all of it is replaced. */
    ks_topic_record_clear_config(&back);
    ks_buffer_clear(&second);
    ks_topic_record_encode(&back, &second);
    ck_assert_uint_eq(second.size, first.size - (sizeof future - 1));
    ks_topic_record_deinit(&back);
    ks_topic_record_deinit(&record);
    ks_buffer_deinit(&first);
    ks_buffer_deinit(&second);
}
END_TEST

START_TEST(topic_names_are_checked)
{
    static const char *const good[] = { "a", "A-z_0.9", "__consumer_offsets", "..." };
    static const char *const bad[] = { "",    ".",        "..",         "a b",         "a/b",
                                       "a@b", "\xc3\xa4", "__kafscale", "__kafscale_x" };
    char name[260];

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ck_assert(ks_topic_name_is_legal(ks_slice_of_text(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert(!ks_topic_name_is_legal(ks_slice_of_text(bad[i])));
    }
    memset(name, 'a', sizeof name);
    ck_assert(ks_topic_name_is_legal(ks_slice(name, 249)));
    ck_assert(!ks_topic_name_is_legal(ks_slice(name, 250)));
}
END_TEST

START_TEST(states_move_only_as_the_table_says)
{
    ck_assert(ks_broker_state_can_move(KS_BROKER_STARTING, KS_BROKER_READY));
    ck_assert(ks_broker_state_can_move(KS_BROKER_READY, KS_BROKER_FENCED));
    ck_assert(!ks_broker_state_can_move(KS_BROKER_FENCED, KS_BROKER_READY));
    ck_assert(!ks_broker_state_can_move(KS_BROKER_FAILED, KS_BROKER_READY));
    ck_assert(!ks_broker_state_can_move(KS_BROKER_STOPPED, KS_BROKER_STARTING));
    for (int state = 0; state < KS_BROKER_STATE_COUNT; state++) {
        bool can_stop = ks_broker_state_can_move((enum ks_broker_state) state, KS_BROKER_STOPPING);

        ck_assert_int_eq(can_stop, state != KS_BROKER_STOPPING && state != KS_BROKER_STOPPED);
    }
}
END_TEST

START_TEST(settings_become_defaults_of_topics)
{
    struct kafscale_options *settings = kafscale_options_new();
    struct ks_broker_options options;

    ck_assert_ptr_nonnull(settings);
    ck_assert_int_eq(kafscale_options_set(settings, "message.max.bytes", "5000", NULL),
                     KAFSCALE_OK);
    ck_assert_int_eq(kafscale_options_set(settings, "log.retention.hours", "2", NULL), KAFSCALE_OK);
    ck_assert_int_eq(kafscale_options_set(settings, "num.partitions", "7", NULL), KAFSCALE_OK);
    ck_assert_int_eq(ks_broker_options_from(settings, &options), KAFSCALE_OK);
    ck_assert_int_eq(options.partitions_default, 7);
    ck_assert_str_eq(options.topic_defaults.values[KS_TOPIC_CONFIG_MAX_MESSAGE_BYTES], "5000");
    ck_assert_str_eq(options.topic_defaults.values[KS_TOPIC_CONFIG_RETENTION_MS], "7200000");
    ks_broker_options_deinit(&options);
    kafscale_options_free(settings);
}
END_TEST

START_TEST(of_the_units_of_retention_the_smallest_counts)
{
    struct kafscale_options *settings = kafscale_options_new();
    static const char *const steps[][3] = { { "log.retention.hours", "-1", "-1" },
                                            { "log.retention.minutes", "3", "180000" },
                                            { "log.retention.ms", "5", "5" } };

    ck_assert_ptr_nonnull(settings);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct ks_broker_options options;

        ck_assert_int_eq(kafscale_options_set(settings, steps[i][0], steps[i][1], NULL),
                         KAFSCALE_OK);
        ck_assert_int_eq(ks_broker_options_from(settings, &options), KAFSCALE_OK);
        ck_assert_str_eq(options.topic_defaults.values[KS_TOPIC_CONFIG_RETENTION_MS], steps[i][2]);
        ks_broker_options_deinit(&options);
    }
    kafscale_options_free(settings);
}
END_TEST

START_TEST(only_a_policy_that_names_delete_deletes)
{
    static const struct {
        const char *policy;
        bool deletes;
    } cases[] = { { "delete", true },
                  { "compact", false },
                  { "compact,delete", true },
                  { "delete , compact", true } };
    struct ks_topic_config config = { 0 };

    ck_assert(ks_topic_config_deletes(&config, NULL));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_int_eq(ks_topic_config_set(&config, KS_TOPIC_CONFIG_CLEANUP_POLICY,
                                             ks_slice_of_text(cases[i].policy)),
                         KAFSCALE_OK);
        ck_assert(ks_topic_config_deletes(&config, NULL) == cases[i].deletes);
    }
    ks_topic_config_deinit(&config);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("broker topic configuration");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, every_default_is_a_legal_value);
    tcase_add_test(tests, unknown_keys_are_not_found);
    tcase_add_loop_test(tests, values_are_checked_by_type_and_range, 0,
                        (int) (sizeof value_cases / sizeof value_cases[0]));
    tcase_add_test(tests, values_with_a_zero_byte_or_too_long_are_refused);
    tcase_add_test(tests, a_topic_counts_before_the_broker_and_the_broker_before_the_table);
    tcase_add_test(tests, each_life_of_a_name_has_a_prefix_of_its_own);
    tcase_add_test(tests, records_of_deleted_topics_survive_encoding);
    tcase_add_test(tests, topic_records_survive_encoding);
    tcase_add_test(tests, keys_of_newer_brokers_stay_in_a_record);
    tcase_add_test(tests, topic_names_are_checked);
    tcase_add_test(tests, states_move_only_as_the_table_says);
    tcase_add_test(tests, settings_become_defaults_of_topics);
    tcase_add_test(tests, of_the_units_of_retention_the_smallest_counts);
    tcase_add_test(tests, only_a_policy_that_names_delete_deletes);
    suite_add_tcase(suite, tests);
    return suite;
}

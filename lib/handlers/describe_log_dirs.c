/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DescribeLogDirs: one directory, the store, with what this broker knows of the sizes without
 * asking it. Nobody knows how much room a store has.
 */
#include "handlers/api.h"
#include "handlers/internal.h"

#include <assert.h>
#include <stdio.h>

#define LABEL_BYTES 1024

struct describe {
    struct ks_request *request;
    struct kafka_describe_log_dirs_response_result *out;
};

/* The name of the directory: a path, s3://bucket/namespace, or a word for what has no name. */
static void
write_label(const struct ks_broker_options *options, char out[LABEL_BYTES])
{
    const struct kafscale_options *settings = options->settings;
    const char *directory;

    if (settings == NULL) {
        snprintf(out, LABEL_BYTES, "store");
        return;
    }
    if (ks_options_store_is_s3(settings)) {
        snprintf(out, LABEL_BYTES, "s3://%s/%s", ks_option_text(settings, KS_OPTION_s3_bucket),
                 options->ns);
        return;
    }
    directory = ks_options_store_directory(settings);
    snprintf(out, LABEL_BYTES, "%s", directory == NULL ? "memory" : directory);
}

static struct kafka_describe_log_dirs_response_result_topic *
add_topic(struct describe *describe, const struct ks_topic *topic, int32_t partitions_max)
{
    struct kafka_describe_log_dirs_response_result_topic *out =
        &describe->out->topics[describe->out->topics_count++];

    out->name = ks_slice_of_text(topic->record.name);
    out->partitions = kafka_array_new(
        &describe->request->arena, &kafka_describe_log_dirs_response_result_topic_partition_message,
        (size_t) partitions_max);
    return out;
}

static void
add_partition(struct describe *describe, const struct ks_topic_partition *partition,
              struct kafka_describe_log_dirs_response_result_topic *topic)
{
    struct kafka_describe_log_dirs_response_result_topic_partition *out;

    if (partition == NULL || partition->log == NULL || topic->partitions == NULL) {
        return;
    }
    out = &topic->partitions[topic->partitions_count++];
    out->partition_index = partition->index;
    out->partition_size =
        ks_log_partition_bytes(ks_broker_log(describe->request->broker), partition->log);
}

static void
describe_all(struct describe *describe)
{
    struct ks_topics *topics = ks_broker_topics(describe->request->broker);
    struct ks_topic *topic = NULL;

    while ((topic = ks_topics_next(topics, topic)) != NULL) {
        int32_t count = topic->record.partition_count;
        struct kafka_describe_log_dirs_response_result_topic *out =
            add_topic(describe, topic, count);

        for (int32_t i = 0; i < count; i++) {
            add_partition(describe, ks_topic_partition(topic, i), out);
        }
    }
}

/* What isn't there is left out, as in Kafka. */
static void
describe_asked(struct describe *describe, const struct kafka_describe_log_dirs_request *asked)
{
    for (int32_t i = 0; i < asked->topics_count; i++) {
        const struct kafka_describe_log_dirs_request_topic *wanted = &asked->topics[i];
        struct ks_topic *topic = ks_find_topic(describe->request, wanted->topic, NULL, false);
        struct kafka_describe_log_dirs_response_result_topic *out;

        if (topic == NULL) {
            continue;
        }
        out = add_topic(describe, topic, wanted->partitions_count);
        for (int32_t j = 0; j < wanted->partitions_count; j++) {
            add_partition(describe, ks_topic_partition(topic, wanted->partitions[j]), out);
        }
    }
}

static void
fill(struct describe *describe)
{
    const struct kafka_describe_log_dirs_request *asked = describe->request->body;
    size_t count = asked->topics_count < 0
                       ? ks_topics_count(ks_broker_topics(describe->request->broker))
                       : (size_t) asked->topics_count;

    describe->out->topics = kafka_array_new(
        &describe->request->arena, &kafka_describe_log_dirs_response_result_topic_message, count);
    if (describe->out->topics == NULL) {
        return;
    }
    if (asked->topics_count < 0) {
        describe_all(describe);
    } else {
        describe_asked(describe, asked);
    }
}

void
ks_handle_describe_log_dirs(struct ks_request *request)
{
    struct kafka_describe_log_dirs_response_result result;
    struct kafka_describe_log_dirs_response response;
    struct describe describe = { .request = request, .out = &result };
    enum ks_broker_error error = ks_serving_error(request->broker);
    char label[LABEL_BYTES];

    kafka_message_init(&kafka_describe_log_dirs_response_message, &response);
    kafka_message_init(&kafka_describe_log_dirs_response_result_message, &result);
    write_label(ks_broker_options(request->broker), label);
    result.log_dir = ks_slice_of_text(label);
    response.results = &result;
    response.results_count = 1;
    if (error == KS_BROKER_ERROR_NONE) {
        fill(&describe);
    } else {
        result.error_code = KAFKA_ERROR_KAFKA_STORAGE_ERROR;
    }
    ks_request_answer(request, &response);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers as brokers would have left them. The key `cluster` is written last: until then no
 * broker starts on what is there, and a rebuild that died can be seen.
 */
#include "tools/rebuild.h"

#include "broker/formats.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * Claims that never wrote leave no trace but in the register, so epochs and producer ids go on well
 * above what is seen.
 */
#define EPOCHS_SKIPPED 1000
#define PRODUCER_IDS_SKIPPED 100000
#define OPERATIONS_PER_TXN 1000

/* The values on their way, a few at a time. */
struct rebuild {
    struct ks_session *session;
    struct ks_found found;
    struct ks_arena arena; /* of the transaction at hand */
    struct kafscale_meta_operation *operations;
    size_t operation_count;
    bool is_dry_run;
};

/* --- Writing --- */

static enum kafscale_status
flush(struct rebuild *rebuild, struct kafscale_error *error)
{
    struct kafscale_meta_txn txn = { .operations = rebuild->operations,
                                     .operation_count = rebuild->operation_count };
    enum kafscale_status status = KAFSCALE_OK;

    if (ks_arena_failed(&rebuild->arena)) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "not enough memory to rebuild");
    }
    if (rebuild->operation_count > 0 && !rebuild->is_dry_run) {
        status = ks_session_txn(rebuild->session, &txn, error);
    }
    ks_arena_deinit(&rebuild->arena);
    rebuild->operations = NULL;
    rebuild->operation_count = 0;
    return status;
}

static enum kafscale_status
put(struct rebuild *rebuild, const char *key, struct kafscale_slice value,
    struct kafscale_error *error)
{
    struct kafscale_meta_operation *operation;

    if (rebuild->operations == NULL) {
        rebuild->operations =
            ks_arena_alloc_array(&rebuild->arena, OPERATIONS_PER_TXN, sizeof *rebuild->operations);
    }
    if (rebuild->operations == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "not enough memory to rebuild");
    }
    operation = &rebuild->operations[rebuild->operation_count++];
    operation->key = ks_arena_copy_text(&rebuild->arena, key, strlen(key));
    operation->value = ks_arena_copy_slice(&rebuild->arena, value);
    return rebuild->operation_count == OPERATIONS_PER_TXN ? flush(rebuild, error) : KAFSCALE_OK;
}

/* --- Partitions --- */

static int
by_epoch(const void *a, const void *b)
{
    const struct ks_found_part *left = a;
    const struct ks_found_part *right = b;

    return (left->epoch > right->epoch) - (left->epoch < right->epoch);
}

/*
 * Where the records in logs begin that no segment holds. A hole before them was cut by a start that
 * moved: what counts is never missing otherwise.
 */
static int64_t
first_in_logs(const struct ks_found_partition *partition)
{
    int64_t first = INT64_MAX;

    for (size_t i = 0; i < partition->part_count; i++) {
        const struct ks_found_part *part = &partition->parts[i];

        if (part->end_offset > partition->segments_end && part->base_offset < first) {
            first = part->base_offset;
        }
    }
    return first;
}

static enum kafscale_status
make_register(const struct ks_found_partition *partition, struct ks_register *reg_out,
              struct kafscale_error *error)
{
    struct ks_register reg = { .epoch = partition->epoch_max + EPOCHS_SKIPPED,
                               .log_start = partition->log_start,
                               .compacted_upto = partition->segments_end,
                               .segment_base = partition->segment_base };
    int64_t first = first_in_logs(partition);
    int64_t next_offset = first;
    enum kafscale_status status;

    if (first != INT64_MAX && (first > reg.compacted_upto || !partition->has_segments)) {
        reg.log_start = first;
        reg.compacted_upto = first;
    }
    for (size_t i = 0; i < partition->part_count; i++) {
        const struct ks_found_part *part = &partition->parts[i];
        struct ks_chain_element element = { .epoch = part->epoch,
                                            .incarnation = part->incarnation,
                                            .is_activated = true,
                                            .base_offset = part->base_offset,
                                            .closed_end = KS_END_OPEN };

        if (part->end_offset <= reg.compacted_upto) {
            continue;
        }
        if (part->base_offset > next_offset) {
            ks_register_deinit(&reg);
            return ks_error_set(error, KAFSCALE_CORRUPT,
                                "offsets %" PRId64 " to %" PRId64 " are missing", next_offset,
                                part->base_offset - 1);
        }
        next_offset = part->end_offset;
        status = ks_register_add(&reg, &element);
        if (status != KAFSCALE_OK) {
            ks_register_deinit(&reg);
            return ks_error_set(error, status, "%s",
                                status == KAFSCALE_FULL
                                    ? "more owners have written to it than a register has room for"
                                    : "not enough memory to rebuild");
        }
    }
    *reg_out = reg;
    return KAFSCALE_OK;
}

static enum kafscale_status
write_partition(struct rebuild *rebuild, struct ks_found_partition *partition,
                struct kafscale_error *error)
{
    char key[KS_REGISTER_KEY_BYTES];
    struct ks_register reg;
    struct ks_buffer bytes;
    enum kafscale_status status;

    ks_register_key(&partition->name, key);
    if (partition->part_count > 0) {
        qsort(partition->parts, partition->part_count, sizeof *partition->parts, by_epoch);
    }
    status = make_register(partition, &reg, error);
    if (status != KAFSCALE_OK) {
        ks_error_wrap(error, "'%s'", key);
        return status;
    }
    ks_buffer_init(&bytes, KAFSCALE_META_VALUE_BYTES_MAX);
    ks_register_encode(&reg, &bytes);
    status = ks_buffer_failed(&bytes)
                 ? ks_error_set(error, KAFSCALE_NO_MEMORY, "not enough memory to rebuild")
                 : put(rebuild, key, ks_buffer_slice(&bytes), error);
    ks_buffer_deinit(&bytes);
    ks_register_deinit(&reg);
    return status;
}

/* --- Topics --- */

/* The name of a topic that stood nowhere but in its prefix: {topic} or {topic}@{8 digits}. */
static void
take_name_of_prefix(struct rebuild *rebuild, struct ks_found_topic *topic)
{
    if (topic->name == NULL && topic->prefix != NULL) {
        topic->name = ks_arena_copy_text(&rebuild->found.survey.arena, topic->prefix,
                                         strcspn(topic->prefix, "@"));
    }
}

/* Of two that were written to last at the same time, always the same one. */
static bool
is_later(const struct ks_found_topic *topic, const struct ks_found_topic *other)
{
    if (topic->newest_ms != other->newest_ms) {
        return topic->newest_ms > other->newest_ms;
    }
    return memcmp(topic->id.bytes, other->id.bytes, KS_ID_BYTES) > 0;
}

/* Of several topics of one name the one that was written to last is the one that lived. */
static const struct ks_found_topic *
last_of_name(const struct rebuild *rebuild, const struct ks_found_topic *topic)
{
    const struct ks_list *topics = &rebuild->found.topics;
    const struct ks_found_topic *last = topic;

    for (const struct ks_list *node = topics->next; node != topics; node = node->next) {
        const struct ks_found_topic *other = KS_CONTAINER(node, struct ks_found_topic, link);

        if (other->name != NULL && strcmp(other->name, topic->name) == 0 && is_later(other, last)) {
            last = other;
        }
    }
    return last;
}

static void
tell_left_out(const struct rebuild *rebuild, const struct ks_found_topic *topic,
              const struct ks_found_topic *last)
{
    char id[KS_ID_HEX_BYTES];
    char last_id[KS_ID_HEX_BYTES];

    ks_id_to_hex(&topic->id, id);
    ks_id_to_hex(&last->id, last_id);
    ks_log(&rebuild->session->env->logger, KAFSCALE_LOG_WARN,
           "what was written under an earlier id of a topic is left out topic=%s id=%s newer=%s "
           "newer_was_written=%s",
           topic->name, id, last_id,
           topic->newest_ms == last->newest_ms ? "at the same time" : "later");
}

static enum kafscale_status
write_topic(struct rebuild *rebuild, const struct ks_found_topic *topic,
            struct kafscale_error *error)
{
    struct ks_topic_record record = { .id = topic->id, .partition_count = topic->partition_count };
    struct ks_name_record name = { .is_alive = true, .id = topic->id };
    uint8_t name_bytes[KS_NAME_RECORD_BYTES];
    char key[KS_NAME_KEY_BYTES];
    struct ks_buffer bytes;
    enum kafscale_status status;

    snprintf(record.name, sizeof record.name, "%s", topic->name);
    /* Without segments any prefix will do; that of a later life is nobody else's. */
    record.is_later_life = topic->prefix == NULL || strchr(topic->prefix, '@') != NULL;
    ks_name_record_encode(&name, name_bytes);
    ks_name_record_key(topic->name, key);
    status = put(rebuild, key, ks_slice(name_bytes, sizeof name_bytes), error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    ks_buffer_init(&bytes, KAFSCALE_META_VALUE_BYTES_MAX);
    ks_topic_record_encode(&record, &bytes);
    ks_topic_record_key(&topic->id, key);
    status = ks_buffer_failed(&bytes)
                 ? ks_error_set(error, KAFSCALE_NO_MEMORY, "not enough memory to rebuild")
                 : put(rebuild, key, ks_buffer_slice(&bytes), error);
    ks_buffer_deinit(&bytes);
    return status;
}

static enum kafscale_status
write_partitions(struct rebuild *rebuild, const struct ks_found_topic *topic,
                 struct kafscale_error *error)
{
    struct ks_list *partitions = &rebuild->found.partitions;
    enum kafscale_status status = KAFSCALE_OK;

    for (struct ks_list *node = partitions->next; status == KAFSCALE_OK && node != partitions;
         node = node->next) {
        struct ks_found_partition *partition = KS_CONTAINER(node, struct ks_found_partition, link);

        if (ks_id_equals(&partition->name.topic, &topic->id)) {
            status = write_partition(rebuild, partition, error);
        }
    }
    return status;
}

static enum kafscale_status
write_topics(struct rebuild *rebuild, kafscale_tools_rebuilt *rebuilt, void *arg,
             struct kafscale_error *error)
{
    struct ks_list *topics = &rebuild->found.topics;
    enum kafscale_status status = KAFSCALE_OK;

    for (struct ks_list *node = topics->next; node != topics; node = node->next) {
        take_name_of_prefix(rebuild, KS_CONTAINER(node, struct ks_found_topic, link));
    }
    for (struct ks_list *node = topics->next; status == KAFSCALE_OK && node != topics;
         node = node->next) {
        const struct ks_found_topic *topic = KS_CONTAINER(node, struct ks_found_topic, link);
        struct kafscale_rebuilt told = { .topic = topic->name,
                                         .partitions = topic->partition_count,
                                         .segments = topic->segment_count };
        const struct ks_found_topic *last;

        if (topic->name == NULL || !ks_topic_name_is_legal(ks_slice_of_text(topic->name))) {
            continue;
        }
        last = last_of_name(rebuild, topic);
        if (last != topic) {
            tell_left_out(rebuild, topic, last);
            continue;
        }
        status = write_topic(rebuild, topic, error);
        if (status == KAFSCALE_OK) {
            status = write_partitions(rebuild, topic, error);
        }
        if (status == KAFSCALE_OK) {
            rebuilt(arg, &told);
        }
    }
    return status;
}

/* --- Logs, ids and the cluster --- */

static enum kafscale_status
size_bundle(struct rebuild *rebuild, const struct ks_survey_log *log,
            const struct ks_survey_slots *slots, struct ks_bundle_size *size_out,
            struct kafscale_error *error)
{
    char key[KS_BUNDLE_KEY_BYTES];
    struct kafscale_get get = { .key = key, .size_max = KS_BUNDLE_HEADER_BYTES };
    struct kafscale_blob *body;
    enum kafscale_status status;
    size_t head_bytes;

    ks_bundle_key(rebuild->session->ns, &log->incarnation, &slots->name, key);
    status = ks_session_get(rebuild->session, &get, &body, &size_out->object_bytes, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    status = ks_bundle_head_bytes(kafscale_blob_slice(body), &head_bytes, error);
    kafscale_blob_unref(body);
    if (status == KAFSCALE_OK) {
        size_out->head_bytes = (uint32_t) head_bytes;
    }
    return status;
}

static enum kafscale_status
append_register(struct rebuild *rebuild, const struct ks_survey_log *log,
                const struct ks_survey_slots *parts, struct ks_buffer *value,
                struct kafscale_error *error)
{
    struct ks_bundle_register reg = { .last = parts->last,
                                      .attempt = parts->name.attempt,
                                      .level = 1,
                                      .part_count = parts->part_count };
    uint8_t plain[KS_BUNDLE_REGISTER_BYTES];
    enum kafscale_status status = KAFSCALE_OK;

    if (reg.attempt == 0) {
        status = size_bundle(rebuild, log, parts, &reg.size, error);
        ks_bundle_register_encode(&reg, plain);
        ks_buffer_append(value, plain, sizeof plain);
        return status;
    }
    ks_merged_register_append(&reg, value);
    for (uint32_t i = 0; i < reg.part_count && status == KAFSCALE_OK; i++) {
        struct ks_bundle_size size = { 0 };

        status = size_bundle(rebuild, log, &parts[i], &size, error);
        ks_merged_register_append_size(&size, value);
    }
    return status;
}

/* Of the parts of a bundle that stand side by side. */
static enum kafscale_status
write_bundle(struct rebuild *rebuild, const struct ks_survey_log *log,
             const struct ks_survey_slots *parts, struct kafscale_error *error)
{
    char key[KS_BUNDLE_REGISTER_KEY_BYTES];
    struct ks_buffer value;
    enum kafscale_status status;

    ks_buffer_init(&value, KS_MERGED_REGISTER_BYTES_MAX);
    ks_bundle_register_key(&log->incarnation, parts->first, key);
    status = append_register(rebuild, log, parts, &value, error);
    if (status == KAFSCALE_OK && ks_buffer_failed(&value)) {
        status = ks_error_set(error, KAFSCALE_NO_MEMORY, "out of memory for a register");
    }
    if (status == KAFSCALE_OK) {
        status = put(rebuild, key, ks_buffer_slice(&value), error);
    }
    ks_buffer_deinit(&value);
    return status;
}

static enum kafscale_status
write_logs(struct rebuild *rebuild, struct kafscale_error *error)
{
    struct ks_list *logs = &rebuild->found.survey.logs;
    enum kafscale_status status = KAFSCALE_OK;

    for (struct ks_list *node = logs->next; status == KAFSCALE_OK && node != logs;
         node = node->next) {
        const struct ks_survey_log *log = KS_CONTAINER(node, struct ks_survey_log, link);
        char key[KS_REGISTER_KEY_BYTES];
        uint8_t value[8];

        for (size_t i = 0; i < log->bundle_count && status == KAFSCALE_OK;
             i += log->bundles[i].part_count) {
            status = write_bundle(rebuild, log, &log->bundles[i], error);
        }
        if (status == KAFSCALE_OK && log->trim > 0) {
            ks_trim_key(&log->incarnation, key);
            ks_put_u64(value, log->trim);
            status = put(rebuild, key, ks_slice(value, sizeof value), error);
        }
    }
    return status;
}

static enum kafscale_status
write_producer_ids(struct rebuild *rebuild, struct kafscale_error *error)
{
    uint8_t value[KS_PRODUCER_ID_BYTES];

    ks_producer_ids_encode(rebuild->found.producer_id_max + PRODUCER_IDS_SKIPPED, value);
    return put(rebuild, "producer_ids", ks_slice(value, sizeof value), error);
}

/* The key holds what the object holds. */
static enum kafscale_status
write_cluster(struct rebuild *rebuild, struct kafscale_slice record, struct kafscale_error *error)
{
    enum kafscale_status status = flush(rebuild, error);

    if (status == KAFSCALE_OK) {
        status = put(rebuild, "cluster", record, error);
    }
    return status == KAFSCALE_OK ? flush(rebuild, error) : status;
}

/* --- The whole --- */

/* Damage that a survey came upon would become registers that promise what is not there. */
static enum kafscale_status
check_findings(const struct rebuild *rebuild, struct kafscale_error *error)
{
    const struct ks_list *findings = &rebuild->found.survey.findings;

    for (const struct ks_list *node = findings->next; node != findings; node = node->next) {
        const struct kafscale_finding *finding =
            &KS_CONTAINER(node, struct ks_survey_finding, link)->finding;

        if (finding->weight == KAFSCALE_FINDING_DAMAGE) {
            return ks_error_set(error, KAFSCALE_CORRUPT, "'%s': %s", finding->key, finding->text);
        }
    }
    return KAFSCALE_OK;
}

static enum kafscale_status
check_empty(struct rebuild *rebuild, struct kafscale_error *error)
{
    struct ks_session_entries entries = { 0 };
    enum kafscale_status status = ks_session_read(rebuild->session, "cluster", &entries, error);
    bool is_there = status == KAFSCALE_OK && entries.count > 0;

    if (status == KAFSCALE_OK) {
        ks_session_entries_free(&entries);
    }
    return is_there ? ks_error_set(error, KAFSCALE_EXISTS, "there is metadata: nothing to rebuild")
                    : status;
}

static enum kafscale_status
read_cluster(struct rebuild *rebuild, struct kafscale_blob **body_out, struct kafscale_error *error)
{
    char key[KAFSCALE_STORE_KEY_BYTES_MAX + 1];
    struct kafscale_get get = { .key = key, .size_max = SIZE_MAX };
    struct ks_identity_record record = { 0 };
    struct kafscale_blob *body;
    enum kafscale_status status;
    uint64_t object_bytes;

    snprintf(key, sizeof key, "%s/__kafscale/cluster", rebuild->session->ns);
    status = ks_session_get(rebuild->session, &get, &body, &object_bytes, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    status = ks_identity_decode(kafscale_blob_slice(body), &record, error);
    if (status != KAFSCALE_OK) {
        kafscale_blob_unref(body);
        return status;
    }
    *body_out = body;
    return KAFSCALE_OK;
}

static enum kafscale_status
write_all(struct rebuild *rebuild, struct kafscale_slice cluster, kafscale_tools_rebuilt *rebuilt,
          void *arg, struct kafscale_error *error)
{
    enum kafscale_status status = write_topics(rebuild, rebuilt, arg, error);

    if (status == KAFSCALE_OK) {
        status = write_logs(rebuild, error);
    }
    if (status == KAFSCALE_OK) {
        status = write_producer_ids(rebuild, error);
    }
    return status == KAFSCALE_OK ? write_cluster(rebuild, cluster, error) : status;
}

enum kafscale_status
ks_tools_rebuild(struct ks_session *session, bool is_dry_run, kafscale_tools_rebuilt *rebuilt,
                 void *arg, struct kafscale_error *error)
{
    struct rebuild rebuild = { .session = session, .is_dry_run = is_dry_run };
    struct kafscale_blob *cluster = NULL;
    enum kafscale_status status = check_empty(&rebuild, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    ks_arena_init(&rebuild.arena, SIZE_MAX);
    status = ks_found_scan(&rebuild.found, session, error);
    if (status == KAFSCALE_OK) {
        status = check_findings(&rebuild, error);
    }
    if (status == KAFSCALE_OK) {
        status = read_cluster(&rebuild, &cluster, error);
    }
    if (status == KAFSCALE_OK) {
        status = write_all(&rebuild, kafscale_blob_slice(cluster), rebuilt, arg, error);
    }
    kafscale_blob_unref(cluster);
    ks_arena_deinit(&rebuild.arena);
    ks_found_deinit(&rebuild.found);
    return status;
}

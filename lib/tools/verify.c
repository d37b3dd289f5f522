/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passes, until one has no damage to tell or the registers stood still during it: what changes
 * under one's eyes can't be told from damage.
 */
#include "tools/verify_pass.h"

#include <stdarg.h>
#include <stdio.h>

#define PASSES_MAX 4
#define TEXT_BYTES_MAX 512

/* --- What the files of verify share --- */

void
verify_find(struct verify_pass *pass, enum kafscale_finding_weight weight, const char *key,
            const char *format, ...)
{
    struct verify_finding *finding = ks_arena_alloc(&pass->arena, sizeof *finding);
    char text[TEXT_BYTES_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    pass->summary.findings[weight]++;
    if (finding == NULL) {
        pass->is_short = true;
        return;
    }
    finding->finding.weight = weight;
    finding->finding.key = ks_arena_copy_text(&pass->arena, key, strlen(key));
    finding->finding.text = ks_arena_copy_text(&pass->arena, text, strlen(text));
    ks_list_append(&pass->findings, &finding->link);
}

void *
verify_add(struct verify_pass *pass, void **array, size_t *count, size_t *capacity,
           size_t element_bytes)
{
    if (*count == *capacity) {
        size_t larger = *capacity == 0 ? 8 : *capacity * 2;
        void *moved = ks_arena_alloc_array(&pass->arena, larger, element_bytes);

        if (moved == NULL) {
            pass->is_short = true;
            return NULL;
        }
        if (*count > 0) {
            memcpy(moved, *array, *count * element_bytes);
        }
        *array = moved;
        *capacity = larger;
    }
    return (uint8_t *) *array + (*count)++ * element_bytes;
}

struct verify_log *
verify_log_of(struct verify_pass *pass, const struct ks_id *incarnation)
{
    struct ks_table_node *node =
        ks_table_find(&pass->logs_by_incarnation, ks_slice(incarnation, sizeof *incarnation));
    struct verify_log *log;

    if (node != NULL) {
        return KS_CONTAINER(node, struct verify_log, node);
    }
    log = ks_arena_alloc(&pass->arena, sizeof *log);
    if (log == NULL) {
        pass->is_short = true;
        return NULL;
    }
    log->incarnation = *incarnation;
    if (ks_table_insert(&pass->logs_by_incarnation, &log->node,
                        ks_slice(&log->incarnation, sizeof log->incarnation)) != KAFSCALE_OK) {
        pass->is_short = true;
        return NULL;
    }
    ks_list_append(&pass->logs, &log->link);
    return log;
}

struct verify_partition *
verify_partition_of(struct verify_pass *pass, const struct ks_partition_name *name)
{
    struct ks_table_node *node =
        ks_table_find(&pass->partitions_by_name, ks_slice(name, sizeof *name));

    return node == NULL ? NULL : KS_CONTAINER(node, struct verify_partition, by_name);
}

/* --- One pass --- */

static void
pass_init(struct verify_pass *pass, struct ks_session *session, bool is_quick)
{
    *pass = (struct verify_pass){ .session = session, .is_quick = is_quick };
    ks_arena_init(&pass->arena, SIZE_MAX);
    ks_table_init(&pass->partitions_by_name, ks_env_random_u64(session->env));
    ks_table_init(&pass->partitions_by_home, ks_env_random_u64(session->env));
    ks_table_init(&pass->logs_by_incarnation, ks_env_random_u64(session->env));
    ks_list_init(&pass->partitions);
    ks_list_init(&pass->logs);
    ks_list_init(&pass->findings);
}

static void
pass_deinit(struct verify_pass *pass)
{
    for (struct ks_list *node = pass->partitions.next; node != &pass->partitions;
         node = node->next) {
        ks_register_deinit(&KS_CONTAINER(node, struct verify_partition, link)->reg);
    }
    ks_table_deinit(&pass->partitions_by_name);
    ks_table_deinit(&pass->partitions_by_home);
    ks_table_deinit(&pass->logs_by_incarnation);
    ks_session_entries_free(&pass->registers);
    ks_arena_deinit(&pass->arena);
}

static enum kafscale_status
pass_run(struct verify_pass *pass, struct kafscale_error *error)
{
    enum kafscale_status status = verify_read_registers(pass, error);

    if (status == KAFSCALE_OK) {
        status = verify_list_objects(pass, error);
    }
    if (status == KAFSCALE_OK) {
        status = verify_logs(pass, error);
    }
    if (status == KAFSCALE_OK) {
        status = verify_partitions(pass, error);
    }
    if (status == KAFSCALE_OK && pass->is_short) {
        status = ks_error_set(error, KAFSCALE_NO_MEMORY, "not enough memory to check the store");
    }
    return status;
}

/* Whether the registers are as they were when the pass began. */
static enum kafscale_status
has_changed(const struct verify_pass *pass, bool *has_changed_out, struct kafscale_error *error)
{
    struct ks_session_entries now = { 0 };
    enum kafscale_status status = ks_session_read(pass->session, "", &now, error);
    bool is_same = now.count == pass->registers.count;

    if (status != KAFSCALE_OK) {
        return status;
    }
    for (size_t i = 0; is_same && i < now.count; i++) {
        is_same = now.entries[i].version == pass->registers.entries[i].version &&
                  strcmp(now.entries[i].key, pass->registers.entries[i].key) == 0;
    }
    ks_session_entries_free(&now);
    *has_changed_out = !is_same;
    return KAFSCALE_OK;
}

static void
tell(const struct verify_pass *pass, kafscale_tools_found *found, void *arg,
     struct kafscale_verify_summary *summary_out)
{
    for (const struct ks_list *node = pass->findings.next; node != &pass->findings;
         node = node->next) {
        found(arg, &KS_CONTAINER(node, struct verify_finding, link)->finding);
    }
    *summary_out = pass->summary;
}

enum kafscale_status
ks_tools_verify(struct ks_session *session, bool is_quick, kafscale_tools_found *found, void *arg,
                struct kafscale_verify_summary *summary_out, struct kafscale_error *error)
{
    enum kafscale_status status = KAFSCALE_OK;
    bool must_repeat = true;

    for (int i = 0; status == KAFSCALE_OK && must_repeat; i++) {
        struct verify_pass pass;

        pass_init(&pass, session, is_quick);
        status = pass_run(&pass, error);
        must_repeat = false;
        if (status == KAFSCALE_OK && pass.summary.findings[KAFSCALE_FINDING_DAMAGE] > 0) {
            status = has_changed(&pass, &must_repeat, error);
        }
        if (status == KAFSCALE_OK && must_repeat && i + 1 == PASSES_MAX) {
            verify_find(&pass, KAFSCALE_FINDING_ODD, session->ns,
                        "the store changes too fast: what looks damaged may have moved");
            must_repeat = false;
        }
        if (status == KAFSCALE_OK && !must_repeat) {
            tell(&pass, found, arg, summary_out);
        }
        pass_deinit(&pass);
    }
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a survey share. */
#include "tools/survey.h"

#include <stdarg.h>
#include <stdio.h>

#define TEXT_BYTES_MAX 512

void
ks_survey_init(struct ks_survey *survey, struct ks_session *session)
{
    *survey = (struct ks_survey){ .session = session };
    ks_arena_init(&survey->arena, SIZE_MAX);
    ks_table_init(&survey->partitions_by_name, ks_env_random_u64(session->env));
    ks_table_init(&survey->partitions_by_home, ks_env_random_u64(session->env));
    ks_table_init(&survey->logs_by_incarnation, ks_env_random_u64(session->env));
    ks_list_init(&survey->partitions);
    ks_list_init(&survey->logs);
    ks_list_init(&survey->findings);
}

void
ks_survey_deinit(struct ks_survey *survey)
{
    for (struct ks_list *node = survey->partitions.next; node != &survey->partitions;
         node = node->next) {
        ks_register_deinit(&KS_CONTAINER(node, struct ks_survey_partition, link)->reg);
    }
    ks_table_deinit(&survey->partitions_by_name);
    ks_table_deinit(&survey->partitions_by_home);
    ks_table_deinit(&survey->logs_by_incarnation);
    ks_session_entries_free(&survey->registers);
    ks_arena_deinit(&survey->arena);
}

void
ks_survey_find(struct ks_survey *survey, enum kafscale_finding_weight weight, const char *key,
               const char *format, ...)
{
    struct ks_survey_finding *finding = ks_arena_alloc(&survey->arena, sizeof *finding);
    char text[TEXT_BYTES_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    survey->summary.findings[weight]++;
    if (finding == NULL) {
        survey->is_short = true;
        return;
    }
    finding->finding.weight = weight;
    finding->finding.key = ks_arena_copy_text(&survey->arena, key, strlen(key));
    finding->finding.text = ks_arena_copy_text(&survey->arena, text, strlen(text));
    survey->is_short |= ks_arena_failed(&survey->arena);
    ks_list_append(&survey->findings, &finding->link);
}

void *
ks_survey_add(struct ks_survey *survey, void *array, size_t *count, size_t *capacity,
              size_t element_bytes)
{
    void *elements;

    if (!ks_arena_reserve(&survey->arena, array, capacity, *count + 1, element_bytes)) {
        survey->is_short = true;
        return NULL;
    }
    memcpy(&elements, array, sizeof elements);
    return (uint8_t *) elements + (*count)++ * element_bytes;
}

struct ks_survey_log *
ks_survey_log(struct ks_survey *survey, const struct ks_id *incarnation)
{
    struct ks_table_node *node =
        ks_table_find(&survey->logs_by_incarnation, ks_slice(incarnation, sizeof *incarnation));
    struct ks_survey_log *log;

    if (node != NULL) {
        return KS_CONTAINER(node, struct ks_survey_log, node);
    }
    log = ks_arena_alloc(&survey->arena, sizeof *log);
    if (log == NULL) {
        survey->is_short = true;
        return NULL;
    }
    log->incarnation = *incarnation;
    if (ks_table_insert(&survey->logs_by_incarnation, &log->node,
                        ks_slice(&log->incarnation, sizeof log->incarnation)) != KAFSCALE_OK) {
        survey->is_short = true;
        return NULL;
    }
    ks_list_append(&survey->logs, &log->link);
    return log;
}

struct ks_survey_partition *
ks_survey_partition(struct ks_survey *survey, const struct ks_partition_name *name)
{
    struct ks_table_node *node =
        ks_table_find(&survey->partitions_by_name, ks_slice(name, sizeof *name));

    return node == NULL ? NULL : KS_CONTAINER(node, struct ks_survey_partition, by_name);
}

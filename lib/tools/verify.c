/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passes, until one has no damage to tell or the registers stood still during it: what changes
 * under one's eyes can't be told from damage.
 */
#include "tools/verify.h"

#include "tools/verify_partitions.h"

#define PASSES_MAX 4

/* --- One pass --- */

static enum kafscale_status
pass_run(struct ks_survey *survey, bool is_quick, struct kafscale_error *error)
{
    enum kafscale_status status = ks_survey_read_registers(survey, error);

    if (status == KAFSCALE_OK) {
        status = ks_survey_list_objects(survey, error);
    }
    if (status == KAFSCALE_OK) {
        status = ks_survey_read_logs(survey, error);
    }
    if (status == KAFSCALE_OK) {
        ks_verify_partitions(survey, is_quick);
    }
    if (status == KAFSCALE_OK && survey->is_short) {
        status = ks_error_set(error, KAFSCALE_NO_MEMORY, "not enough memory to check the store");
    }
    return status;
}

/* Whether the registers are as they were when the pass began. */
static enum kafscale_status
has_changed(const struct ks_survey *survey, bool *has_changed_out, struct kafscale_error *error)
{
    struct ks_session_entries now = { 0 };
    enum kafscale_status status = ks_session_read(survey->session, "", &now, error);
    bool is_same = now.count == survey->registers.count;

    if (status != KAFSCALE_OK) {
        return status;
    }
    for (size_t i = 0; is_same && i < now.count; i++) {
        is_same = now.entries[i].version == survey->registers.entries[i].version &&
                  strcmp(now.entries[i].key, survey->registers.entries[i].key) == 0;
    }
    ks_session_entries_free(&now);
    *has_changed_out = !is_same;
    return KAFSCALE_OK;
}

static void
tell(const struct ks_survey *survey, kafscale_tools_found *found, void *arg,
     struct kafscale_verify_summary *summary_out)
{
    for (const struct ks_list *node = survey->findings.next; node != &survey->findings;
         node = node->next) {
        found(arg, &KS_CONTAINER(node, struct ks_survey_finding, link)->finding);
    }
    *summary_out = survey->summary;
}

enum kafscale_status
ks_tools_verify(struct ks_session *session, bool is_quick, kafscale_tools_found *found, void *arg,
                struct kafscale_verify_summary *summary_out, struct kafscale_error *error)
{
    enum kafscale_status status = KAFSCALE_OK;
    bool must_repeat = true;

    for (int i = 0; status == KAFSCALE_OK && must_repeat; i++) {
        struct ks_survey survey;

        ks_survey_init(&survey, session);
        status = pass_run(&survey, is_quick, error);
        must_repeat = false;
        if (status == KAFSCALE_OK && survey.summary.findings[KAFSCALE_FINDING_DAMAGE] > 0) {
            status = has_changed(&survey, &must_repeat, error);
        }
        if (status == KAFSCALE_OK && must_repeat && i + 1 == PASSES_MAX) {
            ks_survey_find(&survey, KAFSCALE_FINDING_ODD, session->ns,
                           "the store changes too fast: what looks damaged may have moved");
            must_repeat = false;
        }
        if (status == KAFSCALE_OK && !must_repeat) {
            tell(&survey, found, arg, summary_out);
        }
        ks_survey_deinit(&survey);
    }
    return status;
}

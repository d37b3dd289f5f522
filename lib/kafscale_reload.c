/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other options for a broker that runs. Everything that can fail is done before anything changes:
 * half of a configuration is none.
 */
#include "kafscale_call.h"

struct reload {
    struct ks_call call;
    struct kafscale_options *wanted;
};

/* --- What has changed is told ----------------------------------------------------------------- */

static void
tell_change(struct kafscale_broker *broker, const struct kafscale_options *earlier,
            enum ks_option_name name)
{
    const char *administered = ks_broker_administered(broker->core, ks_option_key(name));

    if (administered != NULL) {
        ks_log(&broker->logger, KAFSCALE_LOG_WARN,
               "option changed, but an administrator has set another value key=%s value=%s was=%s "
               "in_force=%s",
               ks_option_key(name), ks_option_shown(broker->options, name),
               ks_option_shown(earlier, name), administered);
        return;
    }
    ks_log(&broker->logger, KAFSCALE_LOG_INFO, "option changed key=%s value=%s was=%s",
           ks_option_key(name), ks_option_shown(broker->options, name),
           ks_option_shown(earlier, name));
}

static void
tell(struct kafscale_broker *broker, const struct kafscale_options *earlier,
     const struct kafscale_options *wanted)
{
    unsigned changed_count = 0;
    unsigned restart_count = 0;

    for (int i = 0; i < KS_OPTION_COUNT; i++) {
        enum ks_option_name name = (enum ks_option_name) i;

        if (!ks_option_equals(broker->options, earlier, name)) {
            tell_change(broker, earlier, name);
            changed_count++;
        } else if (!ks_option_equals(broker->options, wanted, name)) {
            ks_log(&broker->logger, KAFSCALE_LOG_WARN,
                   "option needs a restart key=%s wanted=%s in_force=%s", ks_option_key(name),
                   ks_option_shown(wanted, name), ks_option_shown(broker->options, name));
            restart_count++;
        }
    }
    ks_log(&broker->logger, KAFSCALE_LOG_INFO,
           "configuration read again changed=%u restart_needed=%u", changed_count, restart_count);
}

/* --- The change ------------------------------------------------------------------------------- */

static void
set_level(struct kafscale_broker *broker)
{
    broker->logger.level = ks_options_log_level(broker->options);
    ks_loop_env(broker->loop)->logger.level = broker->logger.level;
}

/* `merged` is what shall be in force; it is left with what was. */
static enum kafscale_status
put_into_force(struct kafscale_broker *broker, struct kafscale_options *merged,
               struct kafscale_error *error)
{
    struct ks_net_limits limits = ks_limits_of(merged);
    struct ks_broker_options core_options;
    enum kafscale_status status = ks_net_limits_check(&limits, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    if (ks_broker_options_from(merged, &core_options) != KAFSCALE_OK) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "options: no memory");
    }
    status = ks_broker_reload(broker->core, &core_options);
    ks_broker_options_deinit(&core_options);
    if (status != KAFSCALE_OK) {
        return ks_error_set(error, status, "options: %s", kafscale_status_text(status));
    }
    ks_options_swap(broker->options, merged);
    ks_server_set_limits(broker->server, &limits);
    set_level(broker);
    return KAFSCALE_OK;
}

static enum kafscale_status
apply(struct kafscale_broker *broker, const struct kafscale_options *wanted,
      struct kafscale_error *error)
{
    struct kafscale_options *merged;
    enum kafscale_status status;

    if (broker->core == NULL || broker->is_tearing_down || broker->restart.is_ending) {
        return ks_error_set(error, KAFSCALE_INVALID, "the broker doesn't run");
    }
    status = kafscale_options_check(wanted, broker->logger.write, broker->logger.arg, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    merged = ks_options_merge(broker->options, wanted);
    if (merged == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "options: no memory");
    }
    status = kafscale_options_check(merged, NULL, NULL, error);
    if (status != KAFSCALE_OK) {
        ks_error_wrap(error, "beside what needs a restart");
    } else {
        status = put_into_force(broker, merged, error);
    }
    if (status == KAFSCALE_OK) {
        tell(broker, merged, wanted);
    }
    kafscale_options_free(merged);
    return status;
}

static void
run(struct ks_call *call)
{
    const struct reload *reload = KS_CONTAINER(call, struct reload, call);
    struct kafscale_error error = { 0 };
    enum kafscale_status status = apply(call->broker, reload->wanted, &error);

    ks_call_finish(call, status, &error);
}

static void
deinit(struct ks_call *call)
{
    kafscale_options_free(KS_CONTAINER(call, struct reload, call)->wanted);
}

enum kafscale_status
kafscale_broker_reload(struct kafscale_broker *broker, const struct kafscale_options *options,
                       struct kafscale_error *error)
{
    struct kafscale_error unused = { 0 };
    struct reload *reload;
    enum kafscale_status status;

    error = error == NULL ? &unused : error;
    if (options == NULL) {
        return ks_error_set(error, KAFSCALE_INVALID, "broker: no options");
    }
    reload = ks_alloc_zero(1, sizeof *reload);
    if (reload == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "options: no memory");
    }
    reload->call = (struct ks_call){ .run = run, .deinit = deinit, .is_short = true };
    reload->wanted = ks_options_copy(options);
    if (reload->wanted == NULL) {
        ks_free(reload);
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "options: no memory");
    }
    status = ks_call_make(&reload->call, broker, -1, error);
    ks_call_unref(&reload->call);
    return status;
}

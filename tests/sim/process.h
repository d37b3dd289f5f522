/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of a broker in a simulated world, from the handlers down. It has an environment and
 * thereby a clock of its own, which stands still while the process is paused (SIGSTOP), and a
 * link to the store. A killed process is cut off from the store and from its clients at once, so
 * that the world sees no more of it than of a dead one; what is left of it ends out of sight.
 */
#ifndef KS_TESTS_SIM_PROCESS_H
#define KS_TESTS_SIM_PROCESS_H

#include "handlers/handlers.h"
#include "protocol/protocol.h"
#include "sim/store_link.h"

struct process;
struct line;

struct process_options {
    struct virtual_env *world;
    struct ks_store *store; /* in the world's environment */
    struct ks_broker_options broker;
    uint32_t meta_chunk_entries;
    size_t meta_operations_max;
    bool is_lax; /* the store takes no conditions */
    uint64_t seed;
};

enum process_state {
    PROCESS_RUNS,
    PROCESS_STOPS, /* in order */
    PROCESS_ENDS,  /* killed */
    PROCESS_ENDED  /* to be freed */
};

struct process *process_new(const struct process_options *options);

/* Only in state PROCESS_ENDED. */
void process_free(struct process *process);

enum process_state process_state(const struct process *process);
bool process_is_paused(const struct process *process);

/* NULL once it has ended. */
struct ks_broker *process_broker(struct process *process);

/* See ks_meta_log_counts; valid while it runs. */
const uint64_t *process_meta_counts(const struct process *process);

void process_kill(struct process *process);
void process_stop(struct process *process, int64_t give_up_ms);
void process_pause(struct process *process);
void process_resume(struct process *process);

/* The store is out of its reach, and comes back. */
void process_cut_off(struct process *process);
void process_mend(struct process *process);

/* One event of this process that is due now; false when there is none. */
bool process_step(struct process *process);

/* INT64_MAX: never. The clock is the world's. */
int64_t process_next_due_ms(const struct process *process);

/* The world's time has gone on. */
void process_set_now(struct process *process, int64_t now_ms);

/* --- Clients ---------------------------------------------------------------------------------- */

/* One connection: requests arrive in order, and so do their answers. */
struct line_events {
    void *arg;
    /* `response` is the struct of this API, in memory that lasts until the return. */
    void (*answered)(void *arg, void *tag, const void *response);
    /* The connection is gone, and with it what was under way. The line has been freed. */
    void (*lost)(void *arg);
};

struct line *line_open(struct process *process, const struct line_events *events);

/* `tag` is the client's own. The request is encoded before this returns. */
void line_send(struct line *line, int16_t key, int16_t version, const void *request, void *tag);

/*
 * The client hangs up and hears nothing more; the line is freed. Half open: the broker is not
 * told. Accepts NULL.
 */
void line_close(struct line *line, bool is_half_open);

#endif

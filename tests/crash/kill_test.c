/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill_test DAEMON CLI [--kills N] [--seed S] [--seconds N] [--keep] [--set key=value]...: loads a
 * broker through librdkafka, kills it with SIGKILL at random moments, also while it recovers,
 * restarts it on the same store, has the history judged (history.h), and the store verified by
 * kafscale-cli. The store is a directory or, with S3_TEST_ENDPOINT and its like in the environment
 * (tests/support/s3_servers.py), a bucket. Prints TAP.
 *
 * Beside the topic that keeps everything there are two that keep as little as can be, by time and
 * by size: what lies below their start may be gone, nothing else, and no start may go too far.
 *
 * The seed decides when and how each kill comes and what is sent; the machine's own timing stays
 * its own. So a seed that failed is worth trying again, and may take several tries.
 */
#include "clients.h"
#include "daemon_process.h"

#include <dirent.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    ACKNOWLEDGED_PER_KILL = 10000,
    READY_MS = 30000,
    PROGRESS_MS = 60000,
    DRAIN_MS = 120000,
    STOP_MS = 10000
};

static const struct clients_plan plans[] = {
    { .topic = "all", .producer_count = 3, .queue_messages = "5000" },
    { .topic = "young", .producer_count = 1, .queue_messages = "500", .retention_ms = 1000 },
    { .topic = "few", .producer_count = 1, .queue_messages = "500", .retention_bytes = 65536 },
};

#define TOPICS (sizeof(plans) / sizeof(*plans))

struct run {
    const char *binary;
    const char *cli;
    const char *settings[DAEMON_SETTINGS_MAX];
    size_t setting_count;
    bool is_bucket;
    int64_t kill_count;
    uint64_t seed;
    int64_t second_count;
    bool keeps_files;
    uint64_t random;
    int64_t deadline_ms;
    int64_t ready_ms;    /* what the last complete start took */
    int64_t early_count; /* kills that came before the ready line */
    char directory[PATH_MAX];
    char store_path[PATH_MAX + 16];
    char log_path[PATH_MAX + 16];
    struct daemon_process daemon;
    struct clients *clients; /* of the topic that keeps everything */
    struct clients *all[TOPICS];
    int test_number;
    int failed_count;
};

static void
report(struct run *run, bool is_good, const char *what, const char *why)
{
    run->test_number++;
    printf("%s %d - %s\n", is_good ? "ok" : "not ok", run->test_number, what);
    if (!is_good) {
        run->failed_count++;
        printf("# %s\n", why);
    }
    fflush(stdout);
}

static uint64_t
draw(struct run *run, uint64_t below)
{
    run->random ^= run->random >> 12;
    run->random ^= run->random << 25;
    run->random ^= run->random >> 27;
    return run->random * UINT64_C(2685821657736338717) % below;
}

static bool
start_and_wait(struct run *run)
{
    int64_t begin_ms = daemon_now_ms();
    bool is_ready;

    daemon_start(&run->daemon);
    is_ready = daemon_wait_ready(&run->daemon, READY_MS);
    run->ready_ms = daemon_now_ms() - begin_ms;
    return is_ready;
}

/* A kill under load: after a random number of acknowledgements of this life, and a moment more. */
static bool
kill_under_load(struct run *run)
{
    uint64_t target =
        clients_acknowledged_count(run->clients) + 1 + draw(run, 4 * ACKNOWLEDGED_PER_KILL);
    int64_t moment_ms = (int64_t) draw(run, 20);
    bool has_progress;

    if (!start_and_wait(run)) {
        return false;
    }
    has_progress = clients_wait_acknowledged(run->clients, target, PROGRESS_MS);
    clients_wait_acknowledged(run->clients, UINT64_MAX, moment_ms);
    daemon_kill(&run->daemon);
    return has_progress;
}

/* A kill while the broker starts, mostly before it is ready. */
static bool
kill_in_recovery(struct run *run)
{
    int64_t delay_ms = (int64_t) draw(run, (uint64_t) (run->ready_ms + run->ready_ms / 4 + 2));

    daemon_start(&run->daemon);
    clients_wait_acknowledged(run->clients, UINT64_MAX, delay_ms);
    run->early_count += daemon_wait_ready(&run->daemon, 0) ? 0 : 1;
    daemon_kill(&run->daemon);
    return true;
}

/* All kills. False: a broker did not start again, or clients made no progress. */
static bool
run_kills(struct run *run)
{
    for (int64_t i = 0; i < run->kill_count; i++) {
        bool in_recovery = i > 0 && draw(run, 10) < 3;
        bool is_good = in_recovery ? kill_in_recovery(run) : kill_under_load(run);

        printf("# kill %" PRId64 " %s, %" PRIu64 " acknowledged\n", i + 1,
               in_recovery ? "in recovery" : "under load",
               clients_acknowledged_count(run->clients));
        fflush(stdout);
        if (!is_good || daemon_now_ms() > run->deadline_ms) {
            return false;
        }
    }
    return true;
}

static void
finish_topic(struct run *run, size_t topic, bool is_ready)
{
    struct clients *clients = run->all[topic];
    const char *name = plans[topic].topic;
    char what[100];

    if (topic > 0) {
        snprintf(what, sizeof(what), "%s: it is told where partitions begin", name);
        report(run, is_ready && clients_note_starts(clients), what, "it is not");
    }
    snprintf(what, sizeof(what), "%s: producers get an answer for every record", name);
    report(run, clients_stop_producers(clients, is_ready ? DRAIN_MS : 0), what,
           "records are still open");
    snprintf(what, sizeof(what), "%s: the live reader comes to the end", name);
    report(run, clients_stop_reader(clients, is_ready ? DRAIN_MS : 0), what, "it did not");
    snprintf(what, sizeof(what), "%s: a fresh reader comes to the end", name);
    report(run, is_ready && clients_read_all(clients, DRAIN_MS), what, "it did not");
}

/* After the last kill: the load goes on to its due, then everything is drained and read. */
static void
finish_load(struct run *run)
{
    uint64_t due = (uint64_t) run->kill_count * ACKNOWLEDGED_PER_KILL;
    bool is_ready = start_and_wait(run);

    report(run, is_ready, "the broker starts after the last kill", "no ready line");
    report(run, clients_wait_acknowledged(run->clients, due, PROGRESS_MS),
           "the due number of records is acknowledged", "too few");
    for (size_t i = 0; i < TOPICS; i++) {
        finish_topic(run, i, is_ready);
    }
}

static void
report_verdict(struct run *run, size_t topic)
{
    struct history_verdict verdict;
    struct clients *clients = run->all[topic];
    const char *complaint = clients_complaint(clients);
    const char *name = plans[topic].topic;
    char what[200];

    history_check(clients_history(clients), &verdict);
    for (int i = 0; i < HISTORY_FAULT_COUNT; i++) {
        enum history_fault fault = (enum history_fault) i;

        snprintf(what, sizeof(what), "%s: no value is %s (%s): %" PRIu64, name,
                 history_fault_name(fault), history_fault_text(fault), verdict.counts[i]);
        report(run, verdict.counts[i] == 0, what, verdict.examples[i]);
    }
    snprintf(what, sizeof(what), "%s: no client gives up", name);
    report(run, complaint == NULL, what, complaint);
    if (topic > 0) {
        snprintf(what, sizeof(what), "%s: old values are gone", name);
        report(run, verdict.expired_count > 0, what, "none is");
    }
    printf("# %s: %" PRIu64 " records acknowledged, %" PRIu64 " stored, %" PRIu64
           " let go, %" PRId64 " kills, %" PRId64 " of them before the broker was ready\n",
           name, verdict.acknowledged_count, verdict.stored_count, verdict.expired_count,
           run->kill_count, run->early_count);
}

static int
remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void) status;
    (void) type;
    (void) place;
    return remove(path);
}

static void
print_log_tail(const struct run *run)
{
    char line[512];
    FILE *file = fopen(run->log_path, "r");

    if (file == NULL) {
        return;
    }
    fseek(file, -4000, SEEK_END);
    while (fgets(line, sizeof(line), file) != NULL) {
        printf("# kafscaled: %s", line);
    }
    fclose(file);
}

static void
prepare(struct run *run)
{
    const char *base = getenv("TMPDIR");

    snprintf(run->directory, sizeof(run->directory), "%s/kafscale-crash-XXXXXX",
             base != NULL ? base : "/tmp");
    if (mkdtemp(run->directory) == NULL) {
        perror(run->directory);
        exit(EXIT_FAILURE);
    }
    snprintf(run->store_path, sizeof(run->store_path), "%s/store", run->directory);
    snprintf(run->log_path, sizeof(run->log_path), "%s/log", run->directory);
    run->daemon = (struct daemon_process){
        .binary = run->binary,
        .directory = run->is_bucket ? NULL : run->store_path,
        .settings = run->settings,
        .setting_count = run->setting_count,
        .log_path = run->log_path,
        .port = daemon_free_port(),
    };
    run->random = run->seed * 2 + 1;
    run->deadline_ms = daemon_now_ms() + run->second_count * 1000;
    for (size_t i = 0; i < TOPICS; i++) {
        struct clients_plan plan = plans[i];

        plan.seed = run->seed + i;
        run->all[i] = clients_new(run->daemon.port, &plan);
    }
    run->clients = run->all[0];
}

/* What the environment says of a server becomes what daemon and tool read from theirs. */
static void
take_server(struct run *run)
{
    static const char *const names[][2] = {
        { "S3_TEST_ENDPOINT", "KAFSCALE_S3_ENDPOINT" },
        { "S3_TEST_REGION", "KAFSCALE_S3_REGION" },
        { "S3_TEST_BUCKET", "KAFSCALE_S3_BUCKET" },
        { "S3_TEST_ACCESS_KEY", "KAFSCALE_S3_ACCESS_KEY" },
        { "S3_TEST_SECRET_KEY", "KAFSCALE_S3_SECRET_KEY" },
        { "S3_TEST_AUTHORITY", "KAFSCALE_S3_CA_FILE" },
    };
    char namespace[64];

    run->is_bucket = getenv("S3_TEST_ENDPOINT") != NULL;
    for (size_t i = 0; run->is_bucket && i < sizeof(names) / sizeof(*names); i++) {
        const char *value = getenv(names[i][0]);

        if (value != NULL) {
            setenv(names[i][1], value, 1);
        }
    }
    if (run->is_bucket) {
        snprintf(namespace, sizeof(namespace), "kill-%" PRIu64, run->seed);
        setenv("KAFSCALE_S3_NAMESPACE", namespace, 1);
    }
}

/* Whether the tool finds every record where brokers would. */
static bool
is_verified(const struct run *run)
{
    char store[PATH_MAX + 64];
    int status;
    pid_t pid;

    snprintf(store, sizeof(store), "store=dir:%s", run->store_path);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        dup2(STDERR_FILENO, STDOUT_FILENO);
        if (run->is_bucket) {
            execl(run->cli, run->cli, "verify", (char *) NULL);
        } else {
            execl(run->cli, run->cli, "--set", store, "verify", (char *) NULL);
        }
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

static void
clean_up(struct run *run)
{
    daemon_kill(&run->daemon);
    if (run->failed_count > 0) {
        print_log_tail(run);
        printf("# again: --seed %" PRIu64 " --kills %" PRId64 "\n", run->seed, run->kill_count);
    }
    for (size_t i = 0; i < TOPICS; i++) {
        clients_free(run->all[i]);
    }
    if (run->keeps_files) {
        printf("# files kept in %s\n", run->directory);
    } else {
        nftw(run->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    }
}

static bool
start_and_make_topics(struct run *run)
{
    bool is_good = start_and_wait(run);

    for (size_t i = 0; is_good && i < TOPICS; i++) {
        is_good = clients_create_topic(run->all[i], READY_MS);
    }
    return is_good;
}

static int
run_all(struct run *run)
{
    printf("# seed %" PRIu64 "\n", run->seed);
    prepare(run);
    report(run, start_and_make_topics(run), "the broker starts and makes topics", "it did not");
    if (run->failed_count == 0) {
        daemon_kill(&run->daemon);
        for (size_t i = 0; i < TOPICS; i++) {
            clients_start(run->all[i]);
        }
        report(run, run_kills(run), "the broker comes back after every kill", "it did not in time");
        finish_load(run);
        for (size_t i = 0; i < TOPICS; i++) {
            report_verdict(run, i);
        }
        report(run, run->daemon.pid != 0 && daemon_stop(&run->daemon, STOP_MS),
               "the broker stops when asked to", "it had to be killed");
        report(run, is_verified(run), "every record is where brokers look for it",
               "kafscale-cli verify says otherwise");
    }
    clean_up(run);
    printf("1..%d\n", run->test_number);
    return run->failed_count == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int64_t
parse_number(const char *text)
{
    char *end;
    long long number = strtoll(text, &end, 10);

    if (*text == '\0' || *end != '\0' || number < 0) {
        fprintf(stderr, "not a number: %s\n", text);
        exit(EXIT_FAILURE);
    }
    return number;
}

static void
parse_argument(struct run *run, int argc, char **argv, int *i)
{
    const char *name = argv[*i];

    if (strcmp(name, "--keep") == 0) {
        run->keeps_files = true;
        return;
    }
    if (*i + 1 < argc && strcmp(name, "--kills") == 0) {
        run->kill_count = parse_number(argv[++*i]);
    } else if (*i + 1 < argc && strcmp(name, "--seed") == 0) {
        run->seed = (uint64_t) parse_number(argv[++*i]);
    } else if (*i + 1 < argc && strcmp(name, "--set") == 0 &&
               run->setting_count < DAEMON_SETTINGS_MAX) {
        run->settings[run->setting_count++] = argv[++*i];
    } else if (*i + 1 < argc && strcmp(name, "--seconds") == 0) {
        run->second_count = parse_number(argv[++*i]);
    } else {
        fprintf(stderr, "usage: kill_test DAEMON CLI [--kills N] [--seed S] [--seconds N] [--keep] "
                        "[--set key=value]...\n");
        exit(EXIT_FAILURE);
    }
}

int
main(int argc, char **argv)
{
    static struct run run = { .kill_count = 10,
                              .second_count = 300,
                              .settings = { "log.retention.check.interval.ms=100" },
                              .setting_count = 1 };

    run.seed = (uint64_t) time(NULL) % 1000000;
    run.binary = argc > 1 ? argv[1] : "kafscaled";
    run.cli = argc > 2 ? argv[2] : "kafscale-cli";
    for (int i = 3; i < argc; i++) {
        parse_argument(&run, argc, argv, &i);
    }
    take_server(&run);
    return run_all(&run);
}

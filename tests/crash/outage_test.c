/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outage_test DAEMON refuse|silent|slow_down [--seconds N] [--memory-mib N] [--first-ms N]: takes
 * the store away from a broker under full load for so many seconds, gives it back, and has the
 * history judged (history.h). The store is the stub of tests/s3stub, which s3_servers.py has
 * started: it refuses connections, or takes them and never answers, or answers everything with
 * SlowDown.
 *
 * Meanwhile memory must stay within what the options of the broker allow, and clients must be told
 * to try again and to hold back; afterwards the first acknowledgement has to come soon. Producers
 * have default settings but for idempotence; one beside them never tries again, so that it hears
 * what the broker says. Prints TAP, and figures.
 */
#include "clients.h"
#include "daemon_process.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    PRODUCERS = 12,
    READY_MS = 30000,
    WARM_RECORDS = 50000,
    WARM_MS = 60000,
    AFTER_MS_MAX = 5000,
    DRAIN_MS = 240000,
    STOP_MS = 15000,
    SAMPLE_MS = 50,
    CODES_MAX = 32
};

#define MEMORY_MIB 32
#define UNFLUSHED_MIB 8
#define CACHE_MIB 8

/* Of records on their way into a bundle and two segments, at most. */
#define BACKGROUND_MIB 48

static const char *const settings[] = { "memory.bytes=33554432", "socket.request.max.bytes=8388608",
                                        "unflushed.bytes=8388608", "cache.bytes=8388608" };

/* What the one that never tries again hears. */
struct probe {
    rd_kafka_t *handle;
    pthread_t thread;
    atomic_bool stop;
    atomic_uint_fast64_t counts[CODES_MAX]; /* by Kafka's code; the last: any other */
    uint64_t throttled_count;
    int throttle_ms_max;
};

struct run {
    const char *kind;
    int64_t away_ms;
    int64_t memory_mib_more; /* than the options say; 0: not looked at */
    int64_t first_ms_max;
    struct daemon_process daemon;
    struct clients *clients;
    struct probe probe;
    int64_t idle_kib;
    int64_t most_kib; /* of this phase */
    int test_number;
    int failed_count;
};

static void
report(struct run *run, bool is_good, const char *what, const char *why)
{
    run->test_number++;
    printf("%s %d - %s: %s\n", is_good ? "ok" : "not ok", run->test_number, run->kind, what);
    if (!is_good) {
        run->failed_count++;
        printf("# %s\n", why);
    }
    fflush(stdout);
}

/* --- The stub --------------------------------------------------------------------------------- */

static int
connect_to_stub(void)
{
    const char *place = getenv("S3_TEST_ADMIN");
    struct sockaddr_in address = { .sin_family = AF_INET };
    char host[64];
    unsigned port;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (place == NULL || sscanf(place, "%63[^:]:%u", host, &port) != 2 ||
        inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        fprintf(stderr, "S3_TEST_ADMIN names no stub\n");
        exit(EXIT_FAILURE);
    }
    address.sin_port = htons((uint16_t) port);
    if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof(address)) != 0) {
        perror("the stub");
        exit(EXIT_FAILURE);
    }
    return fd;
}

static void
tell_stub(const char *method, const char *path, const char *text)
{
    int fd = connect_to_stub();
    char request[512];
    char answer[512] = "";
    int size = snprintf(request, sizeof(request),
                        "%s %s HTTP/1.1\r\nHost: stub\r\nContent-Length: %zu\r\n\r\n%s", method,
                        path, strlen(text), text);

    if (send(fd, request, (size_t) size, 0) != size ||
        recv(fd, answer, sizeof(answer) - 1, 0) <= 0 || strstr(answer, " 200 ") == NULL) {
        fprintf(stderr, "the stub answers '%s'\n", answer);
        exit(EXIT_FAILURE);
    }
    close(fd);
}

static void
take_away(const struct run *run)
{
    char text[100];

    if (strcmp(run->kind, "slow_down") == 0) {
        tell_stub("POST", "/faults", "{\"fault\": \"slow_down\", \"count\": null}");
        return;
    }
    snprintf(text, sizeof(text), "{\"away\": \"%s\"}", run->kind);
    tell_stub("POST", "/settings", text);
}

static void
give_back(const struct run *run)
{
    if (strcmp(run->kind, "slow_down") == 0) {
        tell_stub("DELETE", "/faults", "");
    } else {
        tell_stub("POST", "/settings", "{\"away\": null}");
    }
}

/* --- The probe -------------------------------------------------------------------------------- */

static void
on_delivery(rd_kafka_t *handle, const rd_kafka_message_t *message, void *arg)
{
    struct probe *probe = arg;
    int code = message->err >= 0 && message->err < CODES_MAX - 1 ? message->err : CODES_MAX - 1;

    (void) handle;
    atomic_fetch_add(&probe->counts[code], 1);
}

static void
on_throttle(rd_kafka_t *handle, const char *broker, int32_t number, int throttle_ms, void *arg)
{
    struct probe *probe = arg;

    (void) handle;
    (void) broker;
    (void) number;
    probe->throttled_count += throttle_ms > 0;
    if (throttle_ms > probe->throttle_ms_max) {
        probe->throttle_ms_max = throttle_ms;
    }
}

static void
on_log(const rd_kafka_t *handle, int level, const char *facility, const char *text)
{
    (void) handle;
    (void) level;
    (void) facility;
    (void) text;
}

static void *
run_probe(void *arg)
{
    struct probe *probe = arg;

    while (!atomic_load(&probe->stop)) {
        if (rd_kafka_outq_len(probe->handle) < 2) {
            rd_kafka_producev(probe->handle, RD_KAFKA_V_TOPIC("probe"), RD_KAFKA_V_PARTITION(0),
                              RD_KAFKA_V_VALUE("probe", 5), RD_KAFKA_V_END);
        }
        rd_kafka_poll(probe->handle, 100);
    }
    return NULL;
}

static void
start_probe(struct run *run)
{
    static const char *const words[][2] = { { "message.send.max.retries", "0" },
                                            { "request.timeout.ms", "2000" },
                                            { "message.timeout.ms", "20000" },
                                            { "linger.ms", "0" } };
    struct probe *probe = &run->probe;
    rd_kafka_conf_t *configuration = rd_kafka_conf_new();
    char text[200];

    snprintf(text, sizeof(text), "127.0.0.1:%u", run->daemon.port);
    rd_kafka_conf_set(configuration, "bootstrap.servers", text, NULL, 0);
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (rd_kafka_conf_set(configuration, words[i][0], words[i][1], text, sizeof(text)) !=
            RD_KAFKA_CONF_OK) {
            fprintf(stderr, "%s\n", text);
            exit(EXIT_FAILURE);
        }
    }
    rd_kafka_conf_set_dr_msg_cb(configuration, on_delivery);
    rd_kafka_conf_set_throttle_cb(configuration, on_throttle);
    rd_kafka_conf_set_log_cb(configuration, on_log);
    rd_kafka_conf_set_opaque(configuration, probe);
    probe->handle = rd_kafka_new(RD_KAFKA_PRODUCER, configuration, text, sizeof(text));
    if (probe->handle == NULL) {
        fprintf(stderr, "%s\n", text);
        exit(EXIT_FAILURE);
    }
    pthread_create(&probe->thread, NULL, run_probe, probe);
}

static void
stop_probe(struct run *run)
{
    atomic_store(&run->probe.stop, true);
    pthread_join(run->probe.thread, NULL);
    rd_kafka_flush(run->probe.handle, STOP_MS);
    rd_kafka_destroy(run->probe.handle);
}

/* --- Memory ----------------------------------------------------------------------------------- */

static int64_t
memory_kib(const struct run *run)
{
    char path[64];
    char line[200];
    int64_t kib = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/status", run->daemon.pid);
    file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "VmRSS: %" SCNd64, &kib) == 1) {
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return kib;
}

/* What it was at most in a phase, which ends. */
static int64_t
take_most(struct run *run)
{
    int64_t kib = run->most_kib;

    run->most_kib = 0;
    return kib;
}

static void
sample(struct run *run)
{
    int64_t kib = memory_kib(run);

    run->most_kib = kib > run->most_kib ? kib : run->most_kib;
}

/* True: so many records are acknowledged. Looks at memory meanwhile. */
static bool
watch(struct run *run, uint64_t count, int64_t wait_ms)
{
    int64_t deadline_ms = daemon_now_ms() + wait_ms;

    while (daemon_now_ms() < deadline_ms) {
        sample(run);
        if (clients_wait_acknowledged(run->clients, count, SAMPLE_MS)) {
            return true;
        }
    }
    return false;
}

/* --- The story -------------------------------------------------------------------------------- */

/* True: its topic is there, and it has been served once. */
static bool
watch_probe(struct run *run)
{
    const atomic_uint_fast64_t *count = &run->probe.counts[RD_KAFKA_RESP_ERR_NO_ERROR];
    int64_t deadline_ms = daemon_now_ms() + WARM_MS;

    while (atomic_load(count) == 0 && daemon_now_ms() < deadline_ms) {
        (void) watch(run, UINT64_MAX, SAMPLE_MS);
    }
    return atomic_load(count) > 0;
}

/* What was under way when the store went may still be answered; after that nothing is. */
static uint64_t
settle_away(struct run *run)
{
    uint64_t count;

    do {
        count = clients_acknowledged_count(run->clients);
    } while (watch(run, count + 1, 1000));
    return count;
}

/* The phase that ends here. */
static void
report_memory(struct run *run, const char *phase)
{
    int64_t kib = take_most(run);
    int64_t allowed_mib =
        MEMORY_MIB + UNFLUSHED_MIB + CACHE_MIB + BACKGROUND_MIB + run->memory_mib_more;
    char what[100];

    printf("# memory %s: %" PRId64 " MiB at most, %" PRId64 " MiB at rest; memory.bytes %d MiB, "
           "unflushed.bytes %d MiB, cache.bytes %d MiB\n",
           phase, kib / 1024, run->idle_kib / 1024, MEMORY_MIB, UNFLUSHED_MIB, CACHE_MIB);
    snprintf(what, sizeof(what), "memory stays within its limits %s", phase);
    if (run->memory_mib_more > 0) {
        report(run, (kib - run->idle_kib) / 1024 <= allowed_mib, what, "it does not");
    }
}

static void
report_probe(struct run *run)
{
    const struct probe *probe = &run->probe;
    struct clients_throttling all = clients_throttling(run->clients);
    uint64_t odd_count = 0;

    for (int i = 0; i < CODES_MAX; i++) {
        uint64_t count = atomic_load(&probe->counts[i]);
        bool is_expected = i == RD_KAFKA_RESP_ERR_NO_ERROR || i == CODES_MAX - 1 ||
                           i == RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT ||
                           i == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;

        if (count > 0) {
            printf("# code %s: %" PRIu64 "\n",
                   i == CODES_MAX - 1 ? "of the client itself"
                                      : rd_kafka_err2name((rd_kafka_resp_err_t) i),
                   count);
        }
        odd_count += is_expected ? 0 : count;
    }
    printf("# throttled: %" PRIu64 " answers of the probe, %d ms at most; %" PRIu64
           " of the others, %d ms at most\n",
           probe->throttled_count, probe->throttle_ms_max, all.count, all.ms_max);
    report(run, atomic_load(&probe->counts[RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT]) > 0,
           "who doesn't try again is told that the time is over", "it is not");
    report(run, odd_count == 0, "nobody is told anything else", "somebody is");
    report(run, probe->throttled_count > 0 && probe->throttle_ms_max <= 1000,
           "clients are asked to hold back, for a second at most", "they are not");
}

static void
go_through_outage(struct run *run)
{
    int64_t begun_ms;
    int64_t first_ms;
    uint64_t count;

    report(run, watch_probe(run) && watch(run, WARM_RECORDS, WARM_MS), "load is taken",
           "it is not");
    report_memory(run, "under load");
    begun_ms = daemon_now_ms();
    take_away(run);
    count = settle_away(run);
    report(run, !watch(run, count + 1, run->away_ms - (daemon_now_ms() - begun_ms)),
           "nothing is acknowledged while the store is away", "something is");
    report_memory(run, "while the store is away");
    give_back(run);
    begun_ms = daemon_now_ms();
    count = clients_acknowledged_count(run->clients);
    report(run, watch(run, count + 1, READY_MS), "the store is back, and so is the broker",
           "nothing is acknowledged");
    first_ms = daemon_now_ms() - begun_ms;
    printf("# first acknowledgement after %" PRId64 " ms, %" PRIu64 " records before\n", first_ms,
           count);
    report(run, first_ms <= run->first_ms_max, "the first acknowledgement comes soon",
           "it comes late");
    (void) watch(run, UINT64_MAX,
                 run->away_ms / 10 < AFTER_MS_MAX ? run->away_ms / 10 : AFTER_MS_MAX);
    report_memory(run, "after its return");
}

static void
judge(struct run *run)
{
    struct history_verdict verdict;
    const char *complaint;
    char what[200];

    report(run, clients_stop_producers(run->clients, DRAIN_MS),
           "producers get an answer for every record", "records are still open");
    report(run, clients_stop_reader(run->clients, DRAIN_MS), "the live reader comes to the end",
           "it did not");
    sample(run);
    report(run, clients_read_all(run->clients, DRAIN_MS), "a fresh reader comes to the end",
           "it did not");
    history_check(clients_history(run->clients), &verdict);
    for (int i = 0; i < HISTORY_FAULT_COUNT; i++) {
        snprintf(what, sizeof(what), "no value is %s: %" PRIu64,
                 history_fault_name((enum history_fault) i), verdict.counts[i]);
        report(run, verdict.counts[i] == 0, what, verdict.examples[i]);
    }
    complaint = clients_complaint(run->clients);
    report(run, complaint == NULL, "no client gives up", complaint);
    printf("# %" PRIu64 " records acknowledged, %" PRIu64 " read back\n",
           verdict.acknowledged_count, verdict.stored_count);
}

static void
run_all(struct run *run)
{
    struct clients_plan plan = { .topic = "all",
                                 .seed = (uint64_t) time(NULL),
                                 .producer_count = PRODUCERS,
                                 .queue_messages = "30000" };

    run->clients = clients_new(run->daemon.port, &plan);
    daemon_start(&run->daemon);
    report(run,
           daemon_wait_ready(&run->daemon, READY_MS) &&
               clients_create_topic(run->clients, READY_MS),
           "the broker starts and makes a topic", "it did not");
    run->idle_kib = memory_kib(run);
    if (run->failed_count == 0) {
        start_probe(run);
        clients_start(run->clients);
        go_through_outage(run);
        stop_probe(run);
        judge(run);
        report_memory(run, "while all is read");
        report_probe(run);
        report(run, daemon_stop(&run->daemon, STOP_MS), "the broker stops when asked to",
               "it had to be killed");
    }
    daemon_kill(&run->daemon);
    clients_free(run->clients);
    printf("1..%d\n", run->test_number);
}

/* What the environment says of the stub becomes what the daemon reads from its own. */
static void
take_server(void)
{
    static const char *const names[] = { "ENDPOINT", "REGION", "BUCKET", "ACCESS_KEY",
                                         "SECRET_KEY" };
    char from[64];
    char to[64];

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        snprintf(from, sizeof(from), "S3_TEST_%s", names[i]);
        snprintf(to, sizeof(to), "KAFSCALE_S3_%s", names[i]);
        if (getenv(from) != NULL) {
            setenv(to, getenv(from), 1);
        }
    }
}

int
main(int argc, char **argv)
{
    static struct run run = { .away_ms = 12000, .memory_mib_more = 32, .first_ms_max = 5000 };
    char log_path[PATH_MAX];

    for (int i = 3; i + 1 < argc; i += 2) {
        int64_t number = atoll(argv[i + 1]);

        run.away_ms = strcmp(argv[i], "--seconds") == 0 ? number * 1000 : run.away_ms;
        run.memory_mib_more = strcmp(argv[i], "--memory-mib") == 0 ? number : run.memory_mib_more;
        run.first_ms_max = strcmp(argv[i], "--first-ms") == 0 ? number : run.first_ms_max;
    }
    if (argc < 3) {
        fprintf(stderr, "usage: outage_test DAEMON refuse|silent|slow_down [--seconds N] "
                        "[--memory-mib N] [--first-ms N]\n");
        return EXIT_FAILURE;
    }
    take_server();
    snprintf(log_path, sizeof(log_path), "%s/kafscale-outage-XXXXXX",
             getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    close(mkstemp(log_path));
    run.kind = argv[2];
    run.daemon = (struct daemon_process){ .binary = argv[1],
                                          .settings = settings,
                                          .setting_count = sizeof(settings) / sizeof(*settings),
                                          .log_path = log_path,
                                          .port = daemon_free_port() };
    run_all(&run);
    if (run.failed_count > 0) {
        printf("# the broker's log is %s\n", log_path);
    } else {
        unlink(log_path);
    }
    return run.failed_count == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

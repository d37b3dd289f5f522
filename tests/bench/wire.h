/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Kafka connection for load generators: blocking, pipelined, on the library's own codec, so
 * that the client costs as little as it can. What goes wrong ends the program: a benchmark with
 * an error is none.
 */
#ifndef KS_TESTS_BENCH_WIRE_H
#define KS_TESTS_BENCH_WIRE_H

#include "protocol/protocol.h"

struct wire {
    int fd;
    int32_t next_correlation;
    struct ks_buffer frame; /* of the last answer */
};

/* For the answers' arenas. */
#define WIRE_ARENA_BYTES_MAX ((size_t) 64 << 20)

/* `address` is host:port. */
void wire_connect(struct wire *wire, const char *address);
void wire_close(struct wire *wire);

/* False, with nothing to close, when nobody listens there. */
bool wire_try_connect(struct wire *wire, const char *address);

/* Sends a request; what it borrows may be reused when this returns. */
void wire_send(struct wire *wire, int16_t key, int16_t version, const void *request);

/*
 * Waits for the next answer, which must be one to such a request, and decodes it to `response_out`;
 * valid until the next one and as long as the arena.
 */
void wire_receive(struct wire *wire, int16_t key, int16_t version, struct ks_arena *arena,
                  void *response_out);

/* Waits for the first bytes of an answer; false when none came until `until_us` of now_us(). */
bool wire_wait(struct wire *wire, int64_t until_us);

/* Ends the program with a reason. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Monotonic. */
int64_t now_us(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The callbacks of curl for one exchange. The answer's body gets a block of the length that its
 * headers state, so that it is copied once; an answer that states none grows as it comes.
 */
#include "store/s3/http_transfer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define LARGE_BYTES (64u << 10)
#define LARGE_BUFFER_BYTES (512l << 10)
#define GROWTH_BYTES_MIN (16u << 10)

/* --- The request's body ----------------------------------------------------------------------- */

static size_t
on_read(char *out, size_t unit, size_t count, void *arg)
{
    struct ks_http_transfer *transfer = arg;
    const struct ks_s3_exchange *exchange = transfer->exchange;
    size_t room = unit * count;
    size_t copied = 0;

    while (copied < room && transfer->part_index < exchange->part_count) {
        struct kafscale_slice bytes = exchange->parts[transfer->part_index].bytes;
        size_t left = bytes.size - transfer->part_position;
        size_t n = left < room - copied ? left : room - copied;

        if (n > 0) {
            memcpy(out + copied, bytes.data + transfer->part_position, n);
        }
        copied += n;
        transfer->part_position += n;
        if (transfer->part_position == bytes.size) {
            transfer->part_index++;
            transfer->part_position = 0;
        }
    }
    return copied;
}

/* curl sends again from the start when the server has closed a connection that it had kept. */
static int
on_seek(void *arg, curl_off_t position, int origin)
{
    struct ks_http_transfer *transfer = arg;

    if (position != 0 || origin != SEEK_SET) {
        return CURL_SEEKFUNC_CANTSEEK;
    }
    transfer->part_index = 0;
    transfer->part_position = 0;
    return CURL_SEEKFUNC_OK;
}

/* --- The answer's headers --------------------------------------------------------------------- */

/* Forgets what an earlier answer said: the one to a request that curl had to send again. */
static void
forget_answer(struct ks_http_transfer *transfer)
{
    struct ks_s3_exchange *exchange = transfer->exchange;

    kafscale_blob_unref(transfer->body);
    transfer->body = NULL;
    transfer->received = 0;
    exchange->length = 0;
    exchange->has_length = false;
    exchange->date[0] = '\0';
    exchange->content_range[0] = '\0';
    exchange->checksum[0] = '\0';
    exchange->server[0] = '\0';
    exchange->region[0] = '\0';
}

static void
keep_value(char *out, size_t room, struct kafscale_slice value)
{
    size_t size = value.size < room ? value.size : room - 1;

    memcpy(out, value.data, size);
    out[size] = '\0';
}

static void
note_length(struct ks_http_transfer *transfer, struct kafscale_slice value)
{
    char text[24];
    char *end;

    keep_value(text, sizeof text, value);
    if (text[0] < '0' || text[0] > '9') {
        return;
    }
    transfer->exchange->length = strtoull(text, &end, 10);
    transfer->exchange->has_length = *end == '\0';
}

static void
note_header(struct ks_http_transfer *transfer, struct kafscale_slice name,
            struct kafscale_slice value)
{
    struct ks_s3_exchange *exchange = transfer->exchange;
    const struct {
        const char *name;
        char *out;
        size_t room;
    } kept[] = {
        { "date", exchange->date, sizeof exchange->date },
        { "content-range", exchange->content_range, sizeof exchange->content_range },
        { "x-amz-checksum-crc32c", exchange->checksum, sizeof exchange->checksum },
        { "server", exchange->server, sizeof exchange->server },
        { "x-amz-bucket-region", exchange->region, sizeof exchange->region },
    };

    if (name.size == 14 && strncasecmp((const char *) name.data, "content-length", 14) == 0) {
        note_length(transfer, value);
        return;
    }
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        if (name.size == strlen(kept[i].name) &&
            strncasecmp((const char *) name.data, kept[i].name, name.size) == 0) {
            keep_value(kept[i].out, kept[i].room, value);
            return;
        }
    }
}

static bool
is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static struct kafscale_slice
trim(struct kafscale_slice text)
{
    while (text.size > 0 && is_blank(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && is_blank(text.data[text.size - 1])) {
        text.size--;
    }
    return text;
}

static size_t
on_header(char *line, size_t unit, size_t count, void *arg)
{
    struct ks_http_transfer *transfer = arg;
    size_t size = unit * count;
    const char *colon = memchr(line, ':', size);

    if (size >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        forget_answer(transfer);
    } else if (colon != NULL) {
        size_t name_size = (size_t) (colon - line);

        note_header(transfer, ks_slice(line, name_size),
                    trim(ks_slice(colon + 1, size - name_size - 1)));
    }
    return size;
}

/* --- The answer's body ------------------------------------------------------------------------ */

static size_t
bytes_max(const struct ks_http_transfer *transfer)
{
    long status = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    return status / 100 == 2 ? transfer->exchange->response_bytes_max : KS_S3_ERROR_BODY_BYTES_MAX;
}

/* A block for all that is announced, or for the next `size` bytes and as many again. */
static bool
make_room(struct ks_http_transfer *transfer, size_t size, size_t limit)
{
    size_t wanted = transfer->received + size;
    struct kafscale_blob *larger;

    if (transfer->body != NULL && kafscale_blob_size(transfer->body) >= wanted) {
        return true;
    }
    if (transfer->exchange->has_length && transfer->exchange->length >= wanted) {
        wanted = (size_t) transfer->exchange->length;
    } else {
        wanted = 2 * wanted > GROWTH_BYTES_MIN ? 2 * wanted : GROWTH_BYTES_MIN;
        wanted = wanted > limit ? limit : wanted;
    }
    larger = kafscale_blob_new(wanted);
    if (larger == NULL) {
        transfer->trouble = KS_S3_NO_MEMORY;
        return false;
    }
    if (transfer->received > 0) {
        memcpy(kafscale_blob_data(larger), kafscale_blob_data(transfer->body), transfer->received);
    }
    kafscale_blob_unref(transfer->body);
    transfer->body = larger;
    return true;
}

/* Anything but the full size ends the exchange. */
static size_t
on_write(char *data, size_t unit, size_t count, void *arg)
{
    struct ks_http_transfer *transfer = arg;
    size_t size = unit * count;
    size_t limit = bytes_max(transfer);

    if (transfer->exchange->has_length && transfer->exchange->length > limit) {
        transfer->trouble = KS_S3_TOO_LARGE;
        return 0;
    }
    if (size > limit - transfer->received) {
        transfer->trouble = KS_S3_TOO_LARGE;
        return 0;
    }
    if (size == 0) {
        return 0;
    }
    if (!make_room(transfer, size, limit)) {
        return 0;
    }
    memcpy(kafscale_blob_data(transfer->body) + transfer->received, data, size);
    transfer->received += size;
    return size;
}

/* --- Beginning -------------------------------------------------------------------------------- */

struct ks_http_transfer *
ks_http_transfer_new(void)
{
    struct ks_http_transfer *transfer = ks_alloc_zero(1, sizeof *transfer);

    if (transfer == NULL) {
        return NULL;
    }
    transfer->easy = curl_easy_init();
    if (transfer->easy == NULL) {
        ks_free(transfer);
        return NULL;
    }
    return transfer;
}

void
ks_http_transfer_free(struct ks_http_transfer *transfer)
{
    curl_easy_cleanup(transfer->easy);
    ks_free(transfer);
}

static bool
add_line(struct ks_http_transfer *transfer, const char *line)
{
    struct curl_slist *longer = curl_slist_append(transfer->lines, line);

    if (longer == NULL) {
        return false;
    }
    transfer->lines = longer;
    return true;
}

static bool
add_field(struct ks_http_transfer *transfer, const struct ks_s3_field *field)
{
    size_t size = strlen(field->name) + strlen(field->value) + sizeof ": ";
    char *line = ks_alloc(size);
    bool is_added;

    if (line == NULL) {
        return false;
    }
    (void) snprintf(line, size, "%s: %s", field->name, field->value);
    is_added = add_line(transfer, line);
    ks_free(line);
    return is_added;
}

/* Without the first line, curl would wait for the server's consent before it sends a large body. */
static bool
set_headers(struct ks_http_transfer *transfer)
{
    const struct ks_s3_headers *headers = transfer->exchange->headers;

    if (!add_line(transfer, "Expect:")) {
        return false;
    }
    for (size_t i = 0; i < headers->count; i++) {
        if (!add_field(transfer, &headers->fields[i])) {
            return false;
        }
    }
    return curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->lines) == CURLE_OK;
}

static bool
set_method(const struct ks_http_transfer *transfer)
{
    const struct ks_s3_exchange *exchange = transfer->exchange;
    CURL *easy = transfer->easy;

    if (strcmp(exchange->method, "GET") == 0) {
        return curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L) == CURLE_OK;
    }
    if (strcmp(exchange->method, "HEAD") == 0) {
        return curl_easy_setopt(easy, CURLOPT_NOBODY, 1L) == CURLE_OK;
    }
    if (strcmp(exchange->method, "DELETE") != 0) {
        curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t) exchange->body_bytes);
    }
    return curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, exchange->method) == CURLE_OK;
}

static void
set_callbacks(struct ks_http_transfer *transfer)
{
    CURL *easy = transfer->easy;

    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->reason);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(easy, CURLOPT_READDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
}

/* Large buffers save system calls where much is moved, and cost page faults where little is. */
static void
set_behaviour(const struct ks_http_transfer *transfer)
{
    const struct ks_s3_exchange *exchange = transfer->exchange;
    CURL *easy = transfer->easy;

    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "libkafscale");
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long) exchange->timeout_ms);
    if (exchange->silence_ms > 0) {
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long) (exchange->silence_ms + 999) / 1000);
    }
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, exchange->is_fresh ? 1L : 0L);
    if (exchange->must_bypass_proxy) {
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
    }
    if (exchange->body_bytes > LARGE_BYTES) {
        curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, LARGE_BUFFER_BYTES);
    }
    if (exchange->response_bytes_max > LARGE_BYTES) {
        curl_easy_setopt(easy, CURLOPT_BUFFERSIZE,
                         exchange->is_of_unknown_size ? (long) LARGE_BYTES : LARGE_BUFFER_BYTES);
    }
}

bool
ks_http_transfer_begin(struct ks_http_transfer *transfer, struct ks_s3_exchange *exchange)
{
    assert(transfer->exchange == NULL);

    transfer->exchange = exchange;
    transfer->part_index = 0;
    transfer->part_position = 0;
    transfer->trouble = KS_S3_ANSWERED;
    transfer->reason[0] = '\0';
    forget_answer(transfer);
    set_callbacks(transfer);
    set_behaviour(transfer);
    return curl_easy_setopt(transfer->easy, CURLOPT_URL, exchange->url) == CURLE_OK &&
           set_method(transfer) && set_headers(transfer);
}

void
ks_http_transfer_release(struct ks_http_transfer *transfer)
{
    curl_easy_reset(transfer->easy);
    curl_slist_free_all(transfer->lines);
    transfer->lines = NULL;
    kafscale_blob_unref(transfer->body);
    transfer->body = NULL;
    transfer->exchange = NULL;
}

/* --- What came of it -------------------------------------------------------------------------- */

static bool
is_distrust(CURLcode result)
{
    return result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CACERT_BADFILE ||
           result == CURLE_SSL_ISSUER_ERROR || result == CURLE_SSL_INVALIDCERTSTATUS;
}

/* curl counts the bytes of each request that it has written; none means that nothing was sent. */
static bool
is_sent(const struct ks_http_transfer *transfer)
{
    long request_bytes = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
    return request_bytes > 0;
}

static enum ks_s3_outcome
outcome_of(const struct ks_http_transfer *transfer, CURLcode result)
{
    if (transfer->trouble != KS_S3_ANSWERED) {
        return transfer->trouble;
    }
    if (result == CURLE_OK) {
        return KS_S3_ANSWERED;
    }
    if (!is_sent(transfer)) {
        return is_distrust(result) ? KS_S3_DISTRUST : KS_S3_NOT_SENT;
    }
    return result == CURLE_PARTIAL_FILE ? KS_S3_SHORT : KS_S3_CUT;
}

/* Hands over the body, cut to what was received. */
static void
give_body(struct ks_http_transfer *transfer)
{
    struct ks_s3_exchange *exchange = transfer->exchange;
    struct kafscale_blob *body = transfer->body;

    transfer->body = NULL;
    if (body != NULL && kafscale_blob_size(body) > transfer->received) {
        struct kafscale_blob *view = kafscale_blob_view(body, 0, transfer->received);

        kafscale_blob_unref(body);
        body = view;
        if (view == NULL) {
            exchange->outcome = KS_S3_NO_MEMORY;
            return;
        }
    }
    exchange->body = body;
}

void
ks_http_transfer_end(struct ks_http_transfer *transfer, CURLcode result)
{
    struct ks_s3_exchange *exchange = transfer->exchange;
    long status = 0;

    exchange->outcome = outcome_of(transfer, result);
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    exchange->status = (int) status;
    if (exchange->outcome == KS_S3_ANSWERED) {
        give_body(transfer);
        return;
    }
    (void) snprintf(exchange->reason, sizeof exchange->reason, "%.159s",
                    transfer->reason[0] != '\0' ? transfer->reason : curl_easy_strerror(result));
}

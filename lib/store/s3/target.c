/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bucket stands in the path or before the host's name. A name with dots under TLS has to stand
 * in the path: certificates cover one label only.
 */
#include "store/s3/target.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#define URL_BYTES_MAX (64u << 10)
#define TEXT_BYTES 512

/* --- Where it is ------------------------------------------------------------------------------ */

static char *format_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

static char *
format_text(const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return size < 0 || (size_t) size >= sizeof text ? NULL : ks_copy_text(text);
}

static bool
is_region_or_bucket(const char *text)
{
    size_t size = strlen(text);

    return size > 0 && size <= 63 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
               size;
}

/* Splits "http://host:port/" into its two parts. */
static enum kafscale_status
read_endpoint(struct ks_s3_target *target, const char *endpoint, struct kafscale_slice *host_out,
              struct kafscale_error *error)
{
    bool is_plain = strncasecmp(endpoint, "http://", 7) == 0;
    const char *host = endpoint + (is_plain ? 7 : 8);
    size_t size;

    if (!is_plain && strncasecmp(endpoint, "https://", 8) != 0) {
        return ks_error_set(error, KAFSCALE_INVALID,
                            "endpoint '%.80s' begins with neither http:// nor https://", endpoint);
    }
    size = strcspn(host, "/?#@ \t\r\n");
    if (size == 0 || size > 255 || (host[size] != '\0' && strcmp(host + size, "/") != 0)) {
        return ks_error_set(error, KAFSCALE_INVALID,
                            "endpoint '%.80s' is not of the form http://host:port", endpoint);
    }
    target->is_tls = !is_plain;
    *host_out = ks_slice(host, size);
    return KAFSCALE_OK;
}

/* Cuts off a port that is the default one: no client sends it, so no server signs it. */
static struct kafscale_slice
without_default_port(struct kafscale_slice host, bool is_tls)
{
    const char *port = is_tls ? ":443" : ":80";
    size_t size = strlen(port);

    if (host.size > size && memcmp(host.data + host.size - size, port, size) == 0) {
        host.size -= size;
    }
    return host;
}

static bool
is_loopback(struct kafscale_slice host)
{
    static const char *const names[] = { "localhost", "127.", "[::1]" };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t size = strlen(names[i]);

        if (host.size >= size && strncasecmp((const char *) host.data, names[i], size) == 0) {
            return i == 1 || host.size == size || host.data[size] == ':';
        }
    }
    return false;
}

static enum kafscale_status
set_place(struct ks_s3_target *target, struct kafscale_slice host)
{
    const char *scheme = target->is_tls ? "https" : "http";

    host = without_default_port(host, target->is_tls);
    target->is_loopback = is_loopback(host);
    target->host =
        target->is_path_style
            ? format_text("%.*s", (int) host.size, (const char *) host.data)
            : format_text("%s.%.*s", target->bucket, (int) host.size, (const char *) host.data);
    target->base_url = target->host == NULL ? NULL : format_text("%s://%s", scheme, target->host);
    return target->base_url == NULL ? KAFSCALE_NO_MEMORY : KAFSCALE_OK;
}

static enum kafscale_status
find_place(struct ks_s3_target *target, const char *endpoint, struct kafscale_error *error)
{
    struct kafscale_slice host;
    enum kafscale_status status;
    char aws[160];

    if (endpoint != NULL && endpoint[0] != '\0') {
        status = read_endpoint(target, endpoint, &host, error);
        if (status != KAFSCALE_OK) {
            return status;
        }
    } else {
        (void) snprintf(aws, sizeof aws, "s3.%s.amazonaws.com%s", target->region,
                        strncmp(target->region, "cn-", 3) == 0 ? ".cn" : "");
        target->is_tls = true;
        host = ks_slice_of_text(aws);
    }
    if (target->is_tls && strchr(target->bucket, '.') != NULL) {
        target->is_path_style = true;
    }
    status = set_place(target, host);
    return status == KAFSCALE_OK ? status : ks_error_set(error, status, "S3 store: no memory");
}

static enum kafscale_status
check_names(const struct ks_s3_target_options *options, struct kafscale_error *error)
{
    if (options->bucket == NULL || !is_region_or_bucket(options->bucket)) {
        return ks_error_set(error, KAFSCALE_INVALID, "'%.80s' is no name of a bucket",
                            options->bucket == NULL ? "" : options->bucket);
    }
    if (options->region == NULL || !is_region_or_bucket(options->region)) {
        return ks_error_set(error, KAFSCALE_INVALID, "'%.80s' is no name of a region",
                            options->region == NULL ? "" : options->region);
    }
    return KAFSCALE_OK;
}

enum kafscale_status
ks_s3_target_init(struct ks_s3_target *target, const struct ks_s3_target_options *options,
                  struct kafscale_error *error)
{
    enum kafscale_status status = check_names(options, error);

    *target = (struct ks_s3_target){ .is_path_style = options->is_path_style };
    if (status != KAFSCALE_OK) {
        return status;
    }
    target->bucket = ks_copy_text(options->bucket);
    target->region = ks_copy_text(options->region);
    if (target->bucket == NULL || target->region == NULL ||
        ks_s3_signer_set_region(&target->signer, options->region) != KAFSCALE_OK) {
        status = ks_error_set(error, KAFSCALE_NO_MEMORY, "S3 store: no memory");
    } else {
        status = find_place(target, options->endpoint, error);
    }
    if (status != KAFSCALE_OK) {
        ks_s3_target_deinit(target);
    }
    return status;
}

void
ks_s3_target_deinit(struct ks_s3_target *target)
{
    ks_free(target->base_url);
    ks_free(target->host);
    ks_free(target->bucket);
    ks_free(target->region);
    ks_s3_signer_deinit(&target->signer);
    *target = (struct ks_s3_target){ 0 };
}

/* --- What is asked of it ---------------------------------------------------------------------- */

/* "/bucket/key", as far as it belongs into the path; escaped, with a final NUL. */
static void
write_path(const struct ks_s3_target *target, const char *key, struct ks_buffer *out)
{
    ks_buffer_append(out, "/", 1);
    if (target->is_path_style) {
        ks_s3_append_path(out, target->bucket);
    }
    if (key != NULL) {
        if (target->is_path_style) {
            ks_buffer_append(out, "/", 1);
        }
        ks_s3_append_path(out, key);
    }
    ks_buffer_append(out, "", 1);
}

static void
write_query(const struct ks_s3_ask *ask, struct ks_buffer *out)
{
    ks_s3_append_query(out, ask->parameters, ask->parameter_count);
    ks_buffer_append(out, "", 1);
}

static void
write_url(const struct ks_s3_target *target, const char *path, const char *query,
          struct ks_buffer *out)
{
    ks_buffer_append(out, target->base_url, strlen(target->base_url));
    ks_buffer_append(out, path, strlen(path));
    if (query[0] != '\0') {
        ks_buffer_append(out, "?", 1);
        ks_buffer_append(out, query, strlen(query));
    }
    ks_buffer_append(out, "", 1);
}

static enum kafscale_status
write_headers(struct ks_s3_target *target, const struct ks_s3_ask *ask, const char *path,
              const char *query, int64_t time_s, struct ks_s3_headers *headers,
              struct kafscale_error *error)
{
    struct ks_s3_signable signable = { .method = ask->method,
                                       .path = path,
                                       .query = query,
                                       .payload_hash = ask->payload_hash,
                                       .time_s = time_s };

    ks_s3_headers_init(headers);
    ks_s3_headers_add(headers, "host", target->host);
    for (size_t i = 0; i < ask->header_count; i++) {
        ks_s3_headers_add(headers, ask->headers[i].name, ask->headers[i].value);
    }
    return ks_s3_signer_sign(&target->signer, &signable, headers, error);
}

static enum kafscale_status
write_message(struct ks_s3_target *target, const struct ks_s3_ask *ask, int64_t time_s,
              struct ks_buffer *path, struct ks_buffer *query, struct ks_s3_message *message,
              struct kafscale_error *error)
{
    const char *path_text;
    const char *query_text;

    write_path(target, ask->key, path);
    write_query(ask, query);
    if (ks_buffer_failed(path) || ks_buffer_failed(query)) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "S3 request: no memory");
    }
    path_text = (const char *) path->data;
    query_text = (const char *) query->data;
    write_url(target, path_text, query_text, &message->url);
    if (ks_buffer_failed(&message->url)) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "S3 request: no memory");
    }
    return write_headers(target, ask, path_text, query_text, time_s, &message->headers, error);
}

enum kafscale_status
ks_s3_target_write(struct ks_s3_target *target, const struct ks_s3_ask *ask, int64_t time_s,
                   struct ks_s3_message *message, struct kafscale_error *error)
{
    struct ks_buffer path;
    struct ks_buffer query;
    enum kafscale_status status;

    assert(message->url.data == NULL);

    ks_buffer_init(&path, URL_BYTES_MAX);
    ks_buffer_init(&query, URL_BYTES_MAX);
    ks_buffer_init(&message->url, 2 * URL_BYTES_MAX);
    status = write_message(target, ask, time_s, &path, &query, message, error);
    if (status != KAFSCALE_OK) {
        ks_s3_message_deinit(message);
    }
    ks_buffer_deinit(&path);
    ks_buffer_deinit(&query);
    return status;
}

const char *
ks_s3_message_url(const struct ks_s3_message *message)
{
    return (const char *) message->url.data;
}

void
ks_s3_message_deinit(struct ks_s3_message *message)
{
    ks_buffer_deinit(&message->url);
    ks_s3_headers_deinit(&message->headers);
    *message = (struct ks_s3_message){ 0 };
}

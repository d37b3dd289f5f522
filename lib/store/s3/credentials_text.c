/* SPDX-License-Identifier: Apache-2.0 */
/* Small secrets: how they are read, copied and forgotten, and the form of times. */
#include "store/s3/credentials_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void
ks_s3_key_set_deinit(struct ks_s3_key_set *set)
{
    ks_free(set->access_key);
    ks_s3_free_secret(set->secret_key);
    ks_s3_free_secret(set->session_token);
    *set = (struct ks_s3_key_set){ 0 };
}

enum kafscale_status
ks_s3_copy_secret(struct kafscale_slice text, char **copy_out)
{
    char *copy;

    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < ' ' || text.data[i] == 127) {
            return KAFSCALE_INVALID;
        }
    }
    copy = ks_alloc(text.size + 1);
    if (copy == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    memcpy(copy, text.size > 0 ? text.data : (const uint8_t *) "", text.size);
    copy[text.size] = '\0';
    *copy_out = copy;
    return KAFSCALE_OK;
}

/* An ordinary file of at most the buffer's size; anything else could keep us waiting. */
static enum kafscale_status
read_open_file(int file, struct ks_buffer *out)
{
    struct stat facts;
    uint8_t chunk[4096];
    ssize_t count = 1;

    if (fstat(file, &facts) != 0) {
        return KAFSCALE_IO;
    }
    if (!S_ISREG(facts.st_mode)) {
        errno = EINVAL;
        return KAFSCALE_IO;
    }
    while (count > 0 && !ks_buffer_failed(out)) {
        count = read(file, chunk, sizeof chunk);
        ks_buffer_append(out, chunk, count > 0 ? (size_t) count : 0);
    }
    ks_s3_wipe(chunk, sizeof chunk);
    if (count < 0) {
        return KAFSCALE_IO;
    }
    return ks_buffer_failed(out) ? KAFSCALE_CORRUPT : KAFSCALE_OK;
}

enum kafscale_status
ks_s3_read_small_file(const char *path, struct ks_buffer *out, struct kafscale_error *error)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    enum kafscale_status status = file >= 0 ? read_open_file(file, out) : KAFSCALE_IO;
    int reason = errno;

    if (file >= 0) {
        close(file);
    }
    if (status == KAFSCALE_IO) {
        return ks_error_set(error, status, "can't read '%s': %s", path, strerror(reason));
    }
    if (status == KAFSCALE_CORRUPT) {
        return ks_error_set(error, status, "'%s' is larger than %zu bytes", path, out->size_max);
    }
    return KAFSCALE_OK;
}

static bool
is_white(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

struct kafscale_slice
ks_s3_trim(struct kafscale_slice text)
{
    while (text.size > 0 && is_white(text.data[text.size - 1])) {
        text.size--;
    }
    while (text.size > 0 && is_white(text.data[0])) {
        text = ks_slice(text.data + 1, text.size - 1);
    }
    return text;
}

enum kafscale_status
ks_s3_read_secret_file(const char *path, char **text_out, struct kafscale_error *error)
{
    struct ks_buffer bytes;
    struct kafscale_slice text;
    enum kafscale_status status;

    ks_buffer_init(&bytes, KS_S3_SECRET_FILE_BYTES_MAX);
    status = ks_s3_read_small_file(path, &bytes, error);
    text = ks_s3_trim(ks_buffer_slice(&bytes));
    if (status == KAFSCALE_OK && text.size == 0) {
        status = ks_error_set(error, KAFSCALE_CORRUPT, "'%s' is empty", path);
    }
    if (status == KAFSCALE_OK) {
        status = ks_s3_copy_secret(text, text_out);
        if (status != KAFSCALE_OK) {
            ks_error_set(error, status, "'%s' can't be used", path);
        }
    }
    ks_s3_forget_buffer(&bytes);
    return status;
}

void
ks_s3_forget_buffer(struct ks_buffer *buffer)
{
    if (buffer->size > 0) {
        ks_s3_wipe(buffer->data, buffer->size);
    }
    ks_buffer_deinit(buffer);
}

bool
ks_s3_read_time(const char *text, int64_t *time_s_out)
{
    struct tm parts = { 0 };
    int end = 0;
    int read = sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &parts.tm_year, &parts.tm_mon,
                      &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &end);

    if (read != 6 || parts.tm_year < 1970 || parts.tm_mon < 1 || parts.tm_mon > 12) {
        return false;
    }
    if (text[end] == '.') {
        end += 1 + (int) strspn(text + end + 1, "0123456789");
    }
    if (strcmp(text + end, "Z") != 0 && strcmp(text + end, "+00:00") != 0) {
        return false;
    }
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    *time_s_out = timegm(&parts);
    return *time_s_out >= 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared file of the tools of AWS, ~/.aws/credentials: sections in brackets, lines
 * "name = value". Programs that rotate keys write it anew, so it is read again when the store
 * refuses the keys.
 */
#include "store/s3/credentials_source.h"

#include <strings.h>

struct reading {
    const char *profile;
    bool is_inside;
    struct ks_s3_key_set set;
};

/* Takes the next line off the text. */
static struct kafscale_slice
next_line(struct kafscale_slice *text)
{
    const uint8_t *end = memchr(text->data, '\n', text->size);
    size_t size = end != NULL ? (size_t) (end - text->data) : text->size;
    struct kafscale_slice line = ks_slice(text->data, size);
    size_t taken = end != NULL ? size + 1 : size;

    *text = ks_slice(text->data + taken, text->size - taken);
    return line;
}

static bool
is_name(struct kafscale_slice text, const char *name)
{
    return text.size == strlen(name) && strncasecmp((const char *) text.data, name, text.size) == 0;
}

static void
enter_section(struct reading *reading, struct kafscale_slice line)
{
    struct kafscale_slice name = ks_s3_trim(ks_slice(line.data + 1, line.size - 1));

    if (name.size > 0 && name.data[name.size - 1] == ']') {
        name = ks_s3_trim(ks_slice(name.data, name.size - 1));
    }
    reading->is_inside = ks_slice_equals(name, ks_slice_of_text(reading->profile));
}

static enum kafscale_status
read_setting(struct reading *reading, struct kafscale_slice line)
{
    const uint8_t *equals = memchr(line.data, '=', line.size);
    size_t name_size = equals != NULL ? (size_t) (equals - line.data) : line.size;
    struct kafscale_slice name = ks_s3_trim(ks_slice(line.data, name_size));
    struct kafscale_slice value;
    char **place = NULL;
    char *copy;
    enum kafscale_status status;

    if (is_name(name, "aws_access_key_id")) {
        place = &reading->set.access_key;
    } else if (is_name(name, "aws_secret_access_key")) {
        place = &reading->set.secret_key;
    } else if (is_name(name, "aws_session_token")) {
        place = &reading->set.session_token;
    }
    if (place == NULL || equals == NULL) {
        return KAFSCALE_OK;
    }
    value = ks_s3_trim(ks_slice(equals + 1, line.size - name_size - 1));
    status = ks_s3_copy_secret(value, &copy);
    if (status == KAFSCALE_OK) {
        ks_s3_free_secret(*place);
        *place = copy;
    }
    return status;
}

static enum kafscale_status
read_line(struct reading *reading, struct kafscale_slice line)
{
    /* Indented lines belong to settings with parts, which are none of ours. */
    if (line.size == 0 || memchr("#; \t\r", line.data[0], 5) != NULL) {
        return KAFSCALE_OK;
    }
    if (line.data[0] == '[') {
        enter_section(reading, line);
        return KAFSCALE_OK;
    }
    return reading->is_inside ? read_setting(reading, line) : KAFSCALE_OK;
}

enum kafscale_status
ks_s3_read_profile(struct kafscale_slice file, const char *profile, struct ks_s3_key_set *out,
                   struct kafscale_error *error)
{
    struct reading reading = { .profile = profile };
    enum kafscale_status status = KAFSCALE_OK;

    while (file.size > 0 && status == KAFSCALE_OK) {
        status = read_line(&reading, next_line(&file));
    }
    if (status != KAFSCALE_OK) {
        ks_error_set(error, status, "profile '%s': a value can't be used", profile);
    } else if (reading.set.access_key == NULL || reading.set.secret_key == NULL) {
        status = ks_error_set(error, KAFSCALE_NOT_FOUND, "no keys of profile '%s'", profile);
    }
    if (status != KAFSCALE_OK) {
        ks_s3_key_set_deinit(&reading.set);
        return status;
    }
    reading.set.expires_s = KS_S3_EXPIRES_NEVER;
    *out = reading.set;
    return KAFSCALE_OK;
}

static enum kafscale_status
ask_shared_file(struct ks_s3_source_work *work, bool *is_found_out, struct kafscale_error *error)
{
    const char *path = work->settings->file;
    struct ks_buffer bytes;
    enum kafscale_status status;

    ks_buffer_init(&bytes, KS_S3_SHARED_FILE_BYTES_MAX);
    status = ks_s3_read_small_file(path, &bytes, error);
    if (status == KAFSCALE_OK) {
        status = ks_s3_read_profile(ks_buffer_slice(&bytes), work->settings->profile, work->found,
                                    error);
        if (status != KAFSCALE_OK) {
            ks_error_wrap(error, "'%s'", path);
        }
    }
    ks_s3_forget_buffer(&bytes);
    if (status == KAFSCALE_OK) {
        *is_found_out = true;
    }
    return status;
}

const struct ks_s3_source ks_s3_source_shared_file = {
    .name = "shared credentials file",
    .ask = ask_shared_file,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* The table of topic configurations as an array, and the checks its columns demand. */
#include "broker/topic_config.h"

#include "broker/endpoint.h"
#include "record/record.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

#define VALUE_BYTES_MAX 8192

const struct ks_topic_config_key ks_topic_config_keys[KS_TOPIC_CONFIG_COUNT] = {
#define CONFIG(name_, key_, type_, default_, lowest_, highest_, words_, idle_, broker_key_, help_) \
    [KS_TOPIC_CONFIG_##name_] = { .key = key_,                                                     \
                                  .type = KS_CONFIG_##type_,                                       \
                                  .default_text = default_,                                        \
                                  .lowest = lowest_,                                               \
                                  .highest = highest_,                                             \
                                  .words = words_,                                                 \
                                  .idle = idle_,                                                   \
                                  .broker_key = broker_key_,                                       \
                                  .help = help_ },
#include "broker/topic_config.def"
#undef CONFIG
};

int
ks_topic_config_find(struct kafscale_slice key)
{
    for (int i = 0; i < KS_TOPIC_CONFIG_COUNT; i++) {
        if (ks_slice_equals(key, ks_slice_of_text(ks_topic_config_keys[i].key))) {
            return i;
        }
    }
    return -1;
}

static bool
is_word(const char *words, const char *text, size_t size)
{
    for (const char *word = words; *word != '\0';) {
        size_t word_size = strcspn(word, "|");

        if (word_size == size && memcmp(word, text, size) == 0) {
            return true;
        }
        word += word_size + (word[word_size] == '|');
    }
    return false;
}

/*
 * Elements between commas, spaces around them ignored; an empty list is allowed only where any
 * word is.
 */
static bool
is_list(const char *words, const char *text)
{
    if (*words == '\0') {
        return true;
    }
    for (;;) {
        size_t size = strcspn(text, ",");
        size_t first = strspn(text, " ");
        size_t last = size;

        while (last > first && text[last - 1] == ' ') {
            last--;
        }
        if (first > last || !is_word(words, text + first, last - first)) {
            return false;
        }
        if (text[size] == '\0') {
            return true;
        }
        text += size + 1;
    }
}

static bool
read_integer(const char *text, int64_t *number_out)
{
    char *end = NULL;
    long long number;

    if (*text == '\0' || strspn(text, "+-0123456789") != strlen(text)) {
        return false;
    }
    errno = 0;
    number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0') {
        return false;
    }
    *number_out = number;
    return true;
}

static bool
is_integer(const struct ks_topic_config_key *key, const char *text)
{
    int64_t number;

    return read_integer(text, &number) && number >= key->lowest && number <= key->highest;
}

static bool
is_double(const struct ks_topic_config_key *key, const char *text)
{
    char *end = NULL;
    double number;

    if (*text == '\0' || strspn(text, "+-.0123456789eE") != strlen(text)) {
        return false;
    }
    number = strtod(text, &end);
    return *end == '\0' && isfinite(number) && number >= (double) key->lowest &&
           number <= (double) key->highest;
}

/* The one range with a hole. */
static bool
is_level(const struct ks_topic_config_key *key, const char *text)
{
    int64_t level;

    return key != &ks_topic_config_keys[KS_TOPIC_CONFIG_COMPRESSION_GZIP_LEVEL] ||
           (read_integer(text, &level) && ks_codec_has_level(KS_CODEC_GZIP, (int) level));
}

static bool
is_allowed(const struct ks_topic_config_key *key, const char *text)
{
    switch (key->type) {
    case KS_CONFIG_BOOLEAN:
        return strcasecmp(text, "true") == 0 || strcasecmp(text, "false") == 0;
    case KS_CONFIG_STRING:
        return *key->words == '\0' || is_word(key->words, text, strlen(text));
    case KS_CONFIG_INT:
    case KS_CONFIG_LONG:
        return is_integer(key, text) && is_level(key, text);
    case KS_CONFIG_DOUBLE:
        return is_double(key, text);
    case KS_CONFIG_LIST:
        return is_list(key->words, text);
    }
    return false;
}

static enum kafscale_status
refuse(const struct ks_topic_config_key *key, const char *text, struct kafscale_error *error)
{
    if (key->type == KS_CONFIG_INT || key->type == KS_CONFIG_LONG ||
        key->type == KS_CONFIG_DOUBLE) {
        return ks_error_set(
            error, KAFSCALE_INVALID,
            "Invalid value %.60s for configuration %s: must be a number from %" PRId64
            " to %" PRId64,
            text, key->key, key->lowest, key->highest);
    }
    return ks_error_set(error, KAFSCALE_INVALID,
                        "Invalid value %.60s for configuration %s: must be one of %s", text,
                        key->key, key->type == KS_CONFIG_BOOLEAN ? "true|false" : key->words);
}

enum kafscale_status
ks_topic_config_check(enum ks_topic_config_name name, struct kafscale_slice value,
                      struct kafscale_error *error)
{
    const struct ks_topic_config_key *key = &ks_topic_config_keys[name];
    char text[VALUE_BYTES_MAX + 1];

    assert(name < KS_TOPIC_CONFIG_COUNT);

    if (value.size > VALUE_BYTES_MAX ||
        (value.size > 0 && memchr(value.data, 0, value.size) != NULL)) {
        return ks_error_set(error, KAFSCALE_INVALID, "Invalid value for configuration %s",
                            key->key);
    }
    if (value.size > 0) {
        memcpy(text, value.data, value.size);
    }
    text[value.size] = '\0';
    return is_allowed(key, text) ? KAFSCALE_OK : refuse(key, text, error);
}

void
ks_topic_config_deinit(struct ks_topic_config *config)
{
    for (size_t i = 0; i < KS_TOPIC_CONFIG_COUNT; i++) {
        ks_free(config->values[i]);
        config->values[i] = NULL;
    }
}

enum kafscale_status
ks_topic_config_set(struct ks_topic_config *config, enum ks_topic_config_name name,
                    struct kafscale_slice value)
{
    char *copy = ks_copy_text_of(value.data, value.size);

    assert(name < KS_TOPIC_CONFIG_COUNT);

    if (copy == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    ks_free(config->values[name]);
    config->values[name] = copy;
    return KAFSCALE_OK;
}

void
ks_topic_config_unset(struct ks_topic_config *config, enum ks_topic_config_name name)
{
    assert(name < KS_TOPIC_CONFIG_COUNT);

    ks_free(config->values[name]);
    config->values[name] = NULL;
}

enum kafscale_status
ks_topic_config_copy(const struct ks_topic_config *config, struct ks_topic_config *out)
{
    for (int i = 0; i < KS_TOPIC_CONFIG_COUNT; i++) {
        enum kafscale_status status;

        if (config->values[i] == NULL) {
            continue;
        }
        status = ks_topic_config_set(out, (enum ks_topic_config_name) i,
                                     ks_slice_of_text(config->values[i]));
        if (status != KAFSCALE_OK) {
            ks_topic_config_deinit(out);
            return status;
        }
    }
    return KAFSCALE_OK;
}

const char *
ks_topic_config_text(const struct ks_topic_config *config, const struct ks_topic_config *defaults,
                     enum ks_topic_config_name name)
{
    assert(name < KS_TOPIC_CONFIG_COUNT);

    if (config->values[name] != NULL) {
        return config->values[name];
    }
    if (defaults != NULL && defaults->values[name] != NULL) {
        return defaults->values[name];
    }
    return ks_topic_config_keys[name].default_text;
}

static bool
has_policy(const struct ks_topic_config *config, const struct ks_topic_config *defaults,
           const char *policy)
{
    struct kafscale_slice rest =
        ks_slice_of_text(ks_topic_config_text(config, defaults, KS_TOPIC_CONFIG_CLEANUP_POLICY));
    struct kafscale_slice element;

    while (ks_list_text_next(&rest, &element)) {
        if (ks_slice_equals(element, ks_slice_of_text(policy))) {
            return true;
        }
    }
    return false;
}

bool
ks_topic_config_deletes(const struct ks_topic_config *config,
                        const struct ks_topic_config *defaults)
{
    return has_policy(config, defaults, "delete");
}

bool
ks_topic_config_compacts(const struct ks_topic_config *config,
                         const struct ks_topic_config *defaults)
{
    return has_policy(config, defaults, "compact");
}

int64_t
ks_topic_config_number(const struct ks_topic_config *config, const struct ks_topic_config *defaults,
                       enum ks_topic_config_name name)
{
    const char *text = ks_topic_config_text(config, defaults, name);
    int64_t number = 0;
    bool is_number;

    is_number = read_integer(text, &number);
    assert(is_number);
    (void) is_number;
    return number;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a bucket does to objects by itself, as far as it concerns objects that must stay. */
#include "store/s3/xml.h"

#include "store/s3/xml_reader.h"
#include "store/s3/xml_text.h"

struct lifecycle_reading {
    struct ks_arena *arena;
    struct ks_s3_lifecycle lifecycle;
    size_t capacity;
    struct ks_s3_lifecycle_rule rule;
};

static enum kafscale_status
end_of_rule(struct lifecycle_reading *reading)
{
    struct ks_s3_lifecycle *lifecycle = &reading->lifecycle;

    if (lifecycle->rule_count == reading->capacity) {
        return KAFSCALE_CORRUPT;
    }
    if (reading->rule.id == NULL) {
        reading->rule.id = "";
    }
    if (reading->rule.prefix == NULL) {
        reading->rule.prefix = "";
    }
    lifecycle->rules[lifecycle->rule_count++] = reading->rule;
    reading->rule = (struct ks_s3_lifecycle_rule){ 0 };
    return KAFSCALE_OK;
}

static enum kafscale_status
on_action(struct ks_s3_lifecycle_rule *rule, const char *name, struct kafscale_slice text)
{
    if (strcmp(name, "Expiration/Date") == 0) {
        rule->expires = true;
    }
    if (strcmp(name, "Expiration/Days") == 0) {
        rule->expires = true;
        return ks_xml_read_number(text, &rule->days);
    }
    if (strcmp(name, "Transition/StorageClass") == 0) {
        rule->archives = rule->archives || ks_xml_text_is(text, "GLACIER") ||
                         ks_xml_text_is(text, "DEEP_ARCHIVE");
    }
    return KAFSCALE_OK;
}

static enum kafscale_status
on_lifecycle_element(void *arg, const char *path, struct kafscale_slice text)
{
    struct lifecycle_reading *reading = arg;
    struct ks_s3_lifecycle_rule *rule = &reading->rule;
    const char *name = ks_xml_below(path, "LifecycleConfiguration/Rule");

    if (name == NULL) {
        return ks_xml_below(path, "LifecycleConfiguration") != NULL ? KAFSCALE_OK
                                                                    : KAFSCALE_CORRUPT;
    }
    if (name[0] == '\0') {
        return end_of_rule(reading);
    }
    if (strcmp(name, "ID") == 0) {
        return ks_xml_keep_text(reading->arena, text, &rule->id);
    }
    if (strcmp(name, "Prefix") == 0 || strcmp(name, "Filter/Prefix") == 0 ||
        strcmp(name, "Filter/And/Prefix") == 0) {
        return ks_xml_keep_text(reading->arena, text, &rule->prefix);
    }
    if (strcmp(name, "Status") == 0) {
        rule->is_enabled = ks_xml_text_is(text, "Enabled");
    } else if (strcmp(name, "Filter/Tag") == 0 || strcmp(name, "Filter/And/Tag") == 0) {
        rule->has_tag = true;
    }
    return on_action(rule, name, text);
}

enum kafscale_status
ks_s3_lifecycle_read(struct kafscale_slice document, struct ks_arena *arena,
                     struct ks_s3_lifecycle *out, struct kafscale_error *error)
{
    struct lifecycle_reading reading = { .arena = arena };
    enum kafscale_status status;

    reading.lifecycle.rules = ks_xml_array_for(arena, document, "<Rule", KS_S3_LIFECYCLE_RULES_MAX,
                                               sizeof reading.rule, &reading.capacity);
    if (reading.lifecycle.rules == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "a lifecycle: out of memory");
    }
    status = ks_xml_read(document, on_lifecycle_element, &reading, error);
    if (status == KAFSCALE_OK) {
        *out = reading.lifecycle;
    }
    return status;
}

const struct ks_s3_lifecycle_rule *
ks_s3_lifecycle_find_threat(const struct ks_s3_lifecycle *lifecycle, const char *prefix)
{
    for (size_t i = 0; i < lifecycle->rule_count; i++) {
        const struct ks_s3_lifecycle_rule *rule = &lifecycle->rules[i];
        size_t rule_size = strlen(rule->prefix);
        size_t size = strlen(prefix) < rule_size ? strlen(prefix) : rule_size;
        bool is_harmful = rule->is_enabled && !rule->has_tag && (rule->expires || rule->archives);

        if (is_harmful && memcmp(rule->prefix, prefix, size) == 0) {
            return rule;
        }
    }
    return NULL;
}

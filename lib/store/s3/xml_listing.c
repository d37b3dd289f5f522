/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of ListObjectsV2. That keys are encoded may be said behind them: they are decoded last. */
#include "store/s3/xml.h"

#include "store/s3/xml_reader.h"
#include "store/s3/xml_text.h"

struct listing_reading {
    struct ks_arena *arena;
    struct ks_s3_listing listing;
    size_t capacity;
    struct kafscale_list_entry entry; /* the one that is being read */
    bool has_size;
    bool has_truncated;
    bool is_encoded;
};

static enum kafscale_status
end_of_entry(struct listing_reading *reading)
{
    struct ks_s3_listing *listing = &reading->listing;

    if (reading->entry.key == NULL || !reading->has_size ||
        listing->entry_count == reading->capacity) {
        return KAFSCALE_CORRUPT;
    }
    listing->entries[listing->entry_count++] = reading->entry;
    reading->entry = (struct kafscale_list_entry){ 0 };
    reading->has_size = false;
    return KAFSCALE_OK;
}

static enum kafscale_status
on_listing_element(void *arg, const char *path, struct kafscale_slice text)
{
    struct listing_reading *reading = arg;
    const char *name = ks_xml_below(path, "ListBucketResult");

    if (name == NULL) {
        return KAFSCALE_CORRUPT;
    }
    if (strcmp(name, "Contents/Key") == 0) {
        return ks_xml_keep_text(reading->arena, text, &reading->entry.key);
    }
    if (strcmp(name, "Contents/Size") == 0) {
        reading->has_size = true;
        return ks_xml_read_number(text, &reading->entry.object_bytes);
    }
    if (strcmp(name, "Contents") == 0) {
        return end_of_entry(reading);
    }
    if (strcmp(name, "IsTruncated") == 0) {
        reading->has_truncated = true;
        return ks_xml_read_bool(text, &reading->listing.is_truncated);
    }
    if (strcmp(name, "NextContinuationToken") == 0) {
        return ks_xml_keep_text(reading->arena, text, &reading->listing.next_token);
    }
    if (strcmp(name, "EncodingType") == 0) {
        reading->is_encoded = ks_xml_text_is(text, "url");
    }
    return KAFSCALE_OK;
}

static int
hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    digit = (char) (digit | 0x20);
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/*
 * Decodes in place. A plus is a space: servers either write spaces so, as forms do, or write both
 * with a percent sign. Returns the number of bytes, which may hold NUL, or SIZE_MAX.
 */
static size_t
decode_url(char *text)
{
    char *out = text;

    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '%') {
            int high = hex_digit(at[1]);
            int low = high >= 0 ? hex_digit(at[2]) : -1;

            if (low < 0) {
                return SIZE_MAX;
            }
            *out++ = (char) (high << 4 | low);
            at += 2;
        } else {
            *out++ = *at == '+' ? ' ' : *at;
        }
    }
    *out = '\0';
    return (size_t) (out - text);
}

static enum kafscale_status
decode_keys(struct ks_s3_listing *listing)
{
    size_t kept = 0;

    for (size_t i = 0; i < listing->entry_count; i++) {
        char *key = (char *) (uintptr_t) listing->entries[i].key; /* ours, in the arena */
        size_t size = decode_url(key);

        if (size == SIZE_MAX) {
            return KAFSCALE_CORRUPT;
        }
        if (strlen(key) == size) {
            listing->entries[kept++] = listing->entries[i];
        }
    }
    listing->entry_count = kept;
    return KAFSCALE_OK;
}

enum kafscale_status
ks_s3_listing_read(struct kafscale_slice document, struct ks_arena *arena,
                   struct ks_s3_listing *out, struct kafscale_error *error)
{
    struct listing_reading reading = { .arena = arena };
    enum kafscale_status status;

    reading.listing.entries =
        ks_xml_array_for(arena, document, "<Contents", KS_S3_LISTING_ENTRIES_MAX,
                         sizeof reading.entry, &reading.capacity);
    if (reading.listing.entries == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "a list of objects: out of memory");
    }
    status = ks_xml_read(document, on_listing_element, &reading, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    if (!reading.has_truncated) {
        return ks_xml_lacks(error, "IsTruncated");
    }
    if (reading.listing.is_truncated && reading.listing.next_token == NULL) {
        return ks_xml_lacks(error, "NextContinuationToken");
    }
    if (reading.is_encoded && decode_keys(&reading.listing) != KAFSCALE_OK) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "a list of objects: a key is not encoded");
    }
    *out = reading.listing;
    return KAFSCALE_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples are gathered in one array, their texts in one buffer; a walk for each metric brings them
 * into order, which is quick enough for some thousands of them once in a while.
 */
#include "broker/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define TEXTS_BYTES_MAX (16u << 20)
#define NUMBER_BYTES 32

/* From here on numbers have no decimals, and from there on an exponent. */
#define DECIMALS_MAX 1e12
#define EXPONENT_MIN 1e18

struct ks_metric_sample {
    enum ks_metric_name name;
    size_t name_at; /* in the texts */
    size_t labels_at;
    double value;
};

static const struct kafscale_metric infos[KS_METRIC_COUNT] = {
#define METRIC(name, type, label, second_label, help) \
    { "kafscale_" #name, KAFSCALE_METRIC_##type, { label, second_label }, help },
#include "broker/metrics.def"
#undef METRIC
};

enum kafscale_status
kafscale_metric_at(size_t index, struct kafscale_metric *metric_out)
{
    if (index >= KS_METRIC_COUNT) {
        return KAFSCALE_NOT_FOUND;
    }
    *metric_out = infos[index];
    return KAFSCALE_OK;
}

void
ks_metrics_init(struct ks_metrics *metrics)
{
    *metrics = (struct ks_metrics){ 0 };
    ks_buffer_init(&metrics->texts, TEXTS_BYTES_MAX);
}

void
ks_metrics_deinit(struct ks_metrics *metrics)
{
    ks_free(metrics->samples);
    ks_buffer_deinit(&metrics->texts);
}

/* --- Adding ----------------------------------------------------------------------------------- */

/* As the text format has it: backslash, quote and end-of-line have a backslash before them. */
static void
append_escaped(struct ks_buffer *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\' || *text == '"') {
            ks_buffer_append_u8(out, '\\');
        }
        if (*text == '\n') {
            ks_buffer_append_text(out, "\\n");
        } else {
            ks_buffer_append_u8(out, (uint8_t) *text);
        }
    }
}

static void
append_label(struct ks_buffer *out, const char *name, const char *value, bool is_first)
{
    ks_buffer_append_text(out, is_first ? "" : ",");
    ks_buffer_append_text(out, name);
    ks_buffer_append_text(out, "=\"");
    append_escaped(out, value);
    ks_buffer_append_text(out, "\"");
}

/* Labels that are NULL are not there; the texts of the sample are written by who calls. */
static void
add(struct ks_metrics *metrics, enum ks_metric_name name, const char *suffix,
    const char *const labels[KAFSCALE_METRIC_LABELS_MAX], const char *limit, double value)
{
    const struct kafscale_metric *info = &infos[name];
    struct ks_buffer *texts = &metrics->texts;
    struct ks_metric_sample sample = { .name = name, .value = value };
    bool is_first = true;

    sample.name_at = texts->size;
    ks_buffer_append_text(texts, info->name);
    ks_buffer_append_text(texts, suffix);
    ks_buffer_append_u8(texts, '\0');
    sample.labels_at = texts->size;
    for (int i = 0; i < KAFSCALE_METRIC_LABELS_MAX; i++) {
        assert((labels[i] != NULL) == (*info->labels[i] != '\0'));
        if (labels[i] != NULL) {
            append_label(texts, info->labels[i], labels[i], is_first);
            is_first = false;
        }
    }
    if (limit != NULL) {
        append_label(texts, "le", limit, is_first);
    }
    ks_buffer_append_u8(texts, '\0');
    if (ks_buffer_failed(texts) ||
        !KS_RESERVE(metrics->samples, metrics->capacity, metrics->count + 1)) {
        metrics->failed = true;
        return;
    }
    metrics->samples[metrics->count] = sample;
    metrics->count++;
}

void
ks_metrics_add(struct ks_metrics *metrics, enum ks_metric_name name, double value)
{
    const char *const labels[] = { NULL, NULL };

    add(metrics, name, "", labels, NULL, value);
}

void
ks_metrics_add_of(struct ks_metrics *metrics, enum ks_metric_name name, const char *label,
                  double value)
{
    const char *const labels[] = { label, NULL };

    add(metrics, name, "", labels, NULL, value);
}

void
ks_metrics_add_of_two(struct ks_metrics *metrics, enum ks_metric_name name, const char *label,
                      const char *second_label, double value)
{
    const char *const labels[] = { label, second_label };

    add(metrics, name, "", labels, NULL, value);
}

/*
 * With up to six decimals, and never with the point of the program's locale. What is counted here
 * stays below the numbers that are cut to one digit.
 */
static void
format_number(double value, char out[NUMBER_BYTES])
{
    double size = value < 0 ? -value : value;
    const char *sign = value < 0 ? "-" : "";
    uint64_t millionths;
    uint64_t rest;
    int digits = 6;

    if (size >= DECIMALS_MAX) {
        snprintf(out, NUMBER_BYTES, size < EXPONENT_MIN ? "%.0f" : "%.0e", value);
        return;
    }
    millionths = (uint64_t) (size * 1e6 + 0.5);
    rest = millionths % 1000000;
    if (rest == 0) {
        snprintf(out, NUMBER_BYTES, "%s%" PRIu64, sign, millionths / 1000000);
        return;
    }
    for (; rest % 10 == 0; rest /= 10) {
        digits--;
    }
    snprintf(out, NUMBER_BYTES, "%s%" PRIu64 ".%0*" PRIu64, sign, millionths / 1000000, digits,
             rest);
}

static double
unit_ms(enum ks_metric_name name)
{
    const char *text = infos[name].name;

    return strcmp(text + strlen(text) - 3, "_ms") == 0 ? 1.0 : 1000.0;
}

/* Limits and sum are divided by `unit`. */
static void
add_counts(struct ks_metrics *metrics, enum ks_metric_name name, const char *label,
           const struct ks_metric_counts *counts, double unit)
{
    const char *const labels[] = { label, NULL };
    uint64_t below = 0;

    for (size_t i = 0; i < counts->bucket_count; i++) {
        char limit[NUMBER_BYTES];

        below += counts->counts[i];
        format_number((double) counts->limits[i] / unit, limit);
        add(metrics, name, "_bucket", labels, limit, (double) below);
    }
    add(metrics, name, "_bucket", labels, "+Inf", (double) counts->count);
    add(metrics, name, "_sum", labels, NULL, counts->sum / unit);
    add(metrics, name, "_count", labels, NULL, (double) counts->count);
}

void
ks_metrics_add_counts(struct ks_metrics *metrics, enum ks_metric_name name,
                      const struct ks_metric_counts *counts)
{
    add_counts(metrics, name, NULL, counts, 1.0);
}

void
ks_metrics_add_histogram(struct ks_metrics *metrics, enum ks_metric_name name, const char *label,
                         const struct ks_histogram *histogram)
{
    struct ks_metric_counts counts = { .limits = ks_histogram_limits_ms,
                                       .bucket_count = KS_HISTOGRAM_BUCKETS,
                                       .counts = histogram->counts,
                                       .count = histogram->count,
                                       .sum = (double) histogram->sum_ms };

    add_counts(metrics, name, label, &counts, unit_ms(name));
}

/* --- Names of clients ------------------------------------------------------------------------- */

/* The bytes of the first character that may stand in a label; 0: it may not. */
static size_t
plain_bytes(const uint8_t *text, size_t size)
{
    size_t bytes = ks_utf8_first(text, size);

    return bytes == 1 && (text[0] < 0x20 || text[0] == 0x7f) ? 0 : bytes;
}

void
ks_metric_label(struct kafscale_slice name, char out[KS_METRIC_LABEL_BYTES])
{
    const size_t room = KS_METRIC_LABEL_BYTES - sizeof "~01234567";
    bool is_changed = name.size > room;
    size_t size = 0;

    for (size_t i = 0; i < name.size;) {
        size_t bytes = plain_bytes(name.data + i, name.size - i);
        size_t taken = bytes == 0 ? 1 : bytes;

        if (size + taken > room) {
            break;
        }
        memcpy(out + size, bytes == 0 ? (const uint8_t *) "?" : name.data + i, taken);
        is_changed |= bytes == 0;
        size += taken;
        i += taken;
    }
    if (is_changed) {
        snprintf(out + size, KS_METRIC_LABEL_BYTES - size, "~%08" PRIx32,
                 ks_crc32c(0, name.data, name.size));
    } else {
        out[size] = '\0';
    }
}

/* --- Telling ---------------------------------------------------------------------------------- */

void
ks_metrics_visit(const struct ks_metrics *metrics, kafscale_metric_visit *visit, void *arg)
{
    const char *texts = (const char *) metrics->texts.data;

    for (int name = 0; name < KS_METRIC_COUNT; name++) {
        for (size_t i = 0; i < metrics->count; i++) {
            const struct ks_metric_sample *sample = &metrics->samples[i];
            struct kafscale_metric_sample told = { .metric = &infos[name] };

            if ((int) sample->name == name) {
                told.name = texts + sample->name_at;
                told.labels = texts + sample->labels_at;
                told.value = sample->value;
                visit(arg, &told);
            }
        }
    }
}

struct writing {
    struct ks_buffer *out;
    const struct kafscale_metric *metric; /* whose samples are being written */
};

static void
write_head(struct ks_buffer *out, const struct kafscale_metric *metric)
{
    static const char *const types[] = { [KAFSCALE_METRIC_COUNTER] = "counter",
                                         [KAFSCALE_METRIC_GAUGE] = "gauge",
                                         [KAFSCALE_METRIC_HISTOGRAM] = "histogram" };

    ks_buffer_append_text(out, "# HELP ");
    ks_buffer_append_text(out, metric->name);
    ks_buffer_append_text(out, " ");
    ks_buffer_append_text(out, metric->help);
    ks_buffer_append_text(out, "\n# TYPE ");
    ks_buffer_append_text(out, metric->name);
    ks_buffer_append_text(out, " ");
    ks_buffer_append_text(out, types[metric->type]);
    ks_buffer_append_text(out, "\n");
}

static void
write_sample(void *arg, const struct kafscale_metric_sample *sample)
{
    struct writing *writing = arg;
    struct ks_buffer *out = writing->out;
    char number[NUMBER_BYTES];

    if (sample->metric != writing->metric) {
        writing->metric = sample->metric;
        write_head(out, sample->metric);
    }
    ks_buffer_append_text(out, sample->name);
    if (*sample->labels != '\0') {
        ks_buffer_append_text(out, "{");
        ks_buffer_append_text(out, sample->labels);
        ks_buffer_append_text(out, "}");
    }
    format_number(sample->value, number);
    ks_buffer_append_text(out, " ");
    ks_buffer_append_text(out, number);
    ks_buffer_append_text(out, "\n");
}

void
ks_metrics_write(const struct ks_metrics *metrics, struct ks_buffer *out)
{
    struct writing writing = { .out = out };

    ks_metrics_visit(metrics, write_sample, &writing);
}

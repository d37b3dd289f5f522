/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three of the codecs are streams: they are opened chunk by chunk, and stopped at the limit
 * whatever they announce. Snappy is not; its announced length is checked before memory is asked
 * for. Producers frame it in two ways: as one raw block, or as a row of blocks behind the
 * header of the xerial library, which the Java client uses.
 */
#include "record/compression.h"

#include "base/cursor.h"
#include "base/endian.h"
#include "base/error.h"
#include "base/memory.h"
#include "record/batch.h"

#include <assert.h>
#include <lz4.h>
#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define CHUNK_BYTES (64u << 10)
#define ZSTD_WINDOW_LOG_MAX 23
/* From this level on a window may pass what is opened here, if there is enough to compress. */
#define ZSTD_LEVEL_WIDE 20
#define GZIP_WINDOW_BITS 31 /* a window of 32 KiB, with gzip's header */
#define GZIP_MEMORY_LEVEL 8

/* Where the thorough form of lz4 begins and ends in the library. */
#define LZ4_LEVEL_FAST 9
#define LZ4_LIBRARY_LEVEL_MIN 3
#define LZ4_LIBRARY_LEVEL_MAX 12

/* Three bytes copy at most 64, so no block can announce more than this times its size. */
#define SNAPPY_RATIO_MAX 64u
#define XERIAL_HEADER_BYTES 16u

static const uint8_t xerial_magic[8] = { 0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0 };

size_t
ks_plain_bytes_limit(size_t compressed_bytes, size_t plain_bytes_max)
{
    size_t limit = plain_bytes_max < KS_PLAIN_BYTES_MAX ? plain_bytes_max : KS_PLAIN_BYTES_MAX;
    size_t by_ratio = compressed_bytes > SIZE_MAX / KS_COMPRESSION_RATIO_MAX
                          ? SIZE_MAX
                          : compressed_bytes * KS_COMPRESSION_RATIO_MAX;

    if (by_ratio < KS_PLAIN_BYTES_FREE) {
        by_ratio = KS_PLAIN_BYTES_FREE;
    }
    return limit < by_ratio ? limit : by_ratio;
}

static enum kafscale_status
corrupt(struct kafscale_error *error, const char *codec, const char *what)
{
    return ks_error_set(error, KAFSCALE_CORRUPT, "%s: %s", codec, what);
}

static enum kafscale_status
no_memory(struct kafscale_error *error, const char *codec)
{
    return ks_error_set(error, KAFSCALE_NO_MEMORY, "%s: out of memory", codec);
}

/* Tells a buffer at its cap from a machine without memory. */
static enum kafscale_status
extend(struct ks_buffer *out, size_t size, uint8_t **room_out, struct kafscale_error *error)
{
    bool fits = size <= out->size_max - out->size;
    uint8_t *room;

    assert(size > 0);

    room = ks_buffer_extend(out, size);

    if (room == NULL) {
        out->failed = false;
        return fits ? ks_error_set(error, KAFSCALE_NO_MEMORY, "%zu bytes of records", size)
                    : ks_error_set(error, KAFSCALE_TOO_LARGE, "records of more than %zu bytes",
                                   out->size_max);
    }
    *room_out = room;
    return KAFSCALE_OK;
}

static enum kafscale_status
append(struct ks_buffer *out, const void *data, size_t size, struct kafscale_error *error)
{
    uint8_t *room = NULL;
    enum kafscale_status status;

    if (size == 0) {
        return KAFSCALE_OK;
    }
    status = extend(out, size, &room, error);
    if (status == KAFSCALE_OK) {
        memcpy(room, data, size);
    }
    return status;
}

static enum kafscale_status
open_plain(struct kafscale_slice bytes, struct ks_buffer *out, struct kafscale_error *error)
{
    return append(out, bytes.data, bytes.size, error);
}

static enum kafscale_status
copy_plain(int level, struct kafscale_slice bytes, struct ks_buffer *out,
           struct kafscale_error *error)
{
    (void) level;
    return append(out, bytes.data, bytes.size, error);
}

/* gzip */

static void *
zlib_alloc(void *opaque, unsigned count, unsigned size)
{
    (void) opaque;
    return ks_alloc_zero(count, size);
}

static void
zlib_free(void *opaque, void *memory)
{
    (void) opaque;
    ks_free(memory);
}

/* Inflates one member, or the next ones: a gzip file may be several, and so may a batch. */
static enum kafscale_status
inflate_all(z_stream *stream, uint8_t *chunk, struct ks_buffer *out, struct kafscale_error *error)
{
    for (;;) {
        enum kafscale_status status;
        int result;

        stream->next_out = chunk;
        stream->avail_out = CHUNK_BYTES;
        result = inflate(stream, Z_NO_FLUSH);
        if (result == Z_MEM_ERROR) {
            return no_memory(error, "gzip");
        }
        if (result != Z_OK && result != Z_STREAM_END) {
            return corrupt(error, "gzip", result == Z_BUF_ERROR ? "cut off" : "damaged");
        }
        status = append(out, chunk, CHUNK_BYTES - stream->avail_out, error);
        if (status != KAFSCALE_OK) {
            return status;
        }
        if (result == Z_STREAM_END && stream->avail_in == 0) {
            return KAFSCALE_OK;
        }
        if (result == Z_STREAM_END && inflateReset(stream) != Z_OK) {
            return corrupt(error, "gzip", "can't be reset");
        }
    }
}

static enum kafscale_status
gzip_decompress(struct kafscale_slice bytes, struct ks_buffer *out, struct kafscale_error *error)
{
    z_stream stream = { .zalloc = zlib_alloc, .zfree = zlib_free };
    uint8_t *chunk = ks_alloc(CHUNK_BYTES);
    enum kafscale_status status;

    if (chunk == NULL || inflateInit2(&stream, GZIP_WINDOW_BITS) != Z_OK) {
        ks_free(chunk);
        return no_memory(error, "gzip");
    }
    stream.next_in = (z_const Bytef *) bytes.data;
    stream.avail_in = (uInt) bytes.size;
    status = inflate_all(&stream, chunk, out, error);
    inflateEnd(&stream);
    ks_free(chunk);
    return status;
}

static enum kafscale_status
gzip_compress(int level, struct kafscale_slice plain, struct ks_buffer *out,
              struct kafscale_error *error)
{
    z_stream stream = { .zalloc = zlib_alloc, .zfree = zlib_free };
    size_t start = out->size;
    uint8_t *room = NULL;
    enum kafscale_status status;
    int result;

    if (deflateInit2(&stream, level, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return no_memory(error, "gzip");
    }
    status = extend(out, deflateBound(&stream, plain.size), &room, error);
    if (status != KAFSCALE_OK) {
        deflateEnd(&stream);
        return status;
    }
    stream.next_in = (z_const Bytef *) plain.data;
    stream.avail_in = (uInt) plain.size;
    stream.next_out = room;
    stream.avail_out = (uInt) (out->size - start);
    result = deflate(&stream, Z_FINISH);
    assert(result == Z_STREAM_END);
    out->size -= stream.avail_out;
    deflateEnd(&stream);
    return KAFSCALE_OK;
}

/* snappy */

static enum kafscale_status
snappy_open_block(struct kafscale_slice block, struct ks_buffer *out, struct kafscale_error *error)
{
    const char *data = (const char *) block.data;
    size_t length = 0;
    uint8_t *room = NULL;
    enum kafscale_status status;

    if (block.size == 0 || snappy_uncompressed_length(data, block.size, &length) != SNAPPY_OK ||
        length / SNAPPY_RATIO_MAX > block.size) {
        return corrupt(error, "snappy", "a block with a length that can't be");
    }
    if (length == 0) {
        return block.size == 1 ? KAFSCALE_OK : corrupt(error, "snappy", "damaged");
    }
    status = extend(out, length, &room, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    if (snappy_uncompress(data, block.size, (char *) room, &length) != SNAPPY_OK) {
        return corrupt(error, "snappy", "damaged");
    }
    return KAFSCALE_OK;
}

static enum kafscale_status
xerial_decompress(struct kafscale_slice bytes, struct ks_buffer *out, struct kafscale_error *error)
{
    struct ks_cursor cursor = ks_cursor(bytes);

    (void) ks_cursor_take(&cursor, XERIAL_HEADER_BYTES);
    while (ks_cursor_left(&cursor) > 0) {
        struct kafscale_slice block = ks_cursor_take(&cursor, ks_cursor_u32(&cursor));
        enum kafscale_status status;

        if (ks_cursor_failed(&cursor)) {
            break;
        }
        status = snappy_open_block(block, out, error);
        if (status != KAFSCALE_OK) {
            return status;
        }
    }
    return ks_cursor_failed(&cursor) ? corrupt(error, "snappy", "cut off") : KAFSCALE_OK;
}

static enum kafscale_status
snappy_decompress(struct kafscale_slice bytes, struct ks_buffer *out, struct kafscale_error *error)
{
    if (bytes.size >= sizeof xerial_magic &&
        memcmp(bytes.data, xerial_magic, sizeof xerial_magic) == 0) {
        return xerial_decompress(bytes, out, error);
    }
    return snappy_open_block(bytes, out, error);
}

static enum kafscale_status
snappy_compress_raw(int level, struct kafscale_slice plain, struct ks_buffer *out,
                    struct kafscale_error *error)
{
    size_t start = out->size;
    size_t length = snappy_max_compressed_length(plain.size);
    const char *data = plain.size > 0 ? (const char *) plain.data : "";
    uint8_t *room = NULL;
    enum kafscale_status status = extend(out, length, &room, error);
    snappy_status result;

    (void) level;
    if (status != KAFSCALE_OK) {
        return status;
    }
    result = snappy_compress(data, plain.size, (char *) room, &length);
    assert(result == SNAPPY_OK);
    out->size = start + length;
    return KAFSCALE_OK;
}

/* lz4 */

/* The library keeps its error numbers to itself, but not their names. */
static enum kafscale_status
lz4_failure(size_t result, struct kafscale_error *error)
{
    if (strcmp(LZ4F_getErrorName(result), "ERROR_allocation_failed") == 0) {
        return no_memory(error, "lz4");
    }
    return corrupt(error, "lz4", LZ4F_getErrorName(result));
}

static enum kafscale_status
lz4_open_all(LZ4F_dctx *context, struct kafscale_slice bytes, uint8_t *chunk, struct ks_buffer *out,
             struct kafscale_error *error)
{
    size_t wanted = 1;
    size_t used = 0;

    while (used < bytes.size || wanted > 0) {
        size_t read = bytes.size - used;
        size_t written = CHUNK_BYTES;
        enum kafscale_status status;

        wanted = LZ4F_decompress(context, chunk, &written, bytes.data + used, &read, NULL);
        if (LZ4F_isError(wanted)) {
            return lz4_failure(wanted, error);
        }
        used += read;
        status = append(out, chunk, written, error);
        if (status != KAFSCALE_OK) {
            return status;
        }
        if (wanted > 0 && read == 0 && written == 0) {
            return corrupt(error, "lz4", "cut off");
        }
    }
    return KAFSCALE_OK;
}

static enum kafscale_status
lz4_decompress(struct kafscale_slice bytes, struct ks_buffer *out, struct kafscale_error *error)
{
    LZ4F_dctx *context = NULL;
    uint8_t *chunk = ks_alloc(CHUNK_BYTES);
    enum kafscale_status status;

    if (chunk == NULL || LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION))) {
        ks_free(chunk);
        return no_memory(error, "lz4");
    }
    status = lz4_open_all(context, bytes, chunk, out, error);
    LZ4F_freeDecompressionContext(context);
    ks_free(chunk);
    return status;
}

/* 0 is the fast form. */
static int
lz4_library_level(int level)
{
    if (level == LZ4_LEVEL_FAST) {
        return 0;
    }
    if (level < LZ4_LIBRARY_LEVEL_MIN) {
        return LZ4_LIBRARY_LEVEL_MIN;
    }
    return level > LZ4_LIBRARY_LEVEL_MAX ? LZ4_LIBRARY_LEVEL_MAX : level;
}

/* Blocks are independent: the Java client reads no others. */
static enum kafscale_status
lz4_compress(int level, struct kafscale_slice plain, struct ks_buffer *out,
             struct kafscale_error *error)
{
    LZ4F_preferences_t preferences = {
        .frameInfo = { .blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent },
        .compressionLevel = lz4_library_level(level),
    };
    size_t start = out->size;
    size_t bound = LZ4F_compressFrameBound(plain.size, &preferences);
    uint8_t *room = NULL;
    enum kafscale_status status = extend(out, bound, &room, error);
    size_t result;

    if (status != KAFSCALE_OK) {
        return status;
    }
    result = LZ4F_compressFrame(room, bound, plain.data, plain.size, &preferences);
    if (LZ4F_isError(result)) {
        out->size = start;
        return no_memory(error, "lz4");
    }
    out->size = start + result;
    return KAFSCALE_OK;
}

/* zstd */

static enum kafscale_status
zstd_failure(size_t result, struct kafscale_error *error)
{
    switch (ZSTD_getErrorCode(result)) {
    case ZSTD_error_memory_allocation:
        return no_memory(error, "zstd");
    case ZSTD_error_frameParameter_windowTooLarge:
        return ks_error_set(error, KAFSCALE_TOO_LARGE, "zstd: a window of more than %u MiB",
                            1u << (ZSTD_WINDOW_LOG_MAX - 20));
    default:
        return corrupt(error, "zstd", ZSTD_getErrorName(result));
    }
}

static enum kafscale_status
zstd_open_all(ZSTD_DStream *stream, struct kafscale_slice bytes, uint8_t *chunk,
              struct ks_buffer *out, struct kafscale_error *error)
{
    ZSTD_inBuffer in = { .src = bytes.data, .size = bytes.size };
    size_t wanted = 1;

    while (in.pos < in.size || wanted > 0) {
        ZSTD_outBuffer chunk_out = { .dst = chunk, .size = CHUNK_BYTES };
        size_t start = in.pos;
        enum kafscale_status status;

        wanted = ZSTD_decompressStream(stream, &chunk_out, &in);
        if (ZSTD_isError(wanted)) {
            return zstd_failure(wanted, error);
        }
        status = append(out, chunk, chunk_out.pos, error);
        if (status != KAFSCALE_OK) {
            return status;
        }
        if (wanted > 0 && in.pos == start && chunk_out.pos == 0) {
            return corrupt(error, "zstd", "cut off");
        }
    }
    return KAFSCALE_OK;
}

static enum kafscale_status
zstd_decompress(struct kafscale_slice bytes, struct ks_buffer *out, struct kafscale_error *error)
{
    ZSTD_DStream *stream = ZSTD_createDStream();
    uint8_t *chunk = ks_alloc(CHUNK_BYTES);
    enum kafscale_status status;
    size_t result;

    if (stream == NULL || chunk == NULL) {
        ZSTD_freeDStream(stream);
        ks_free(chunk);
        return no_memory(error, "zstd");
    }
    result = ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
    assert(!ZSTD_isError(result));
    status = zstd_open_all(stream, bytes, chunk, out, error);
    ZSTD_freeDStream(stream);
    ks_free(chunk);
    return status;
}

/* A batch in a wider window than is opened here would be lost. */
static bool
zstd_set_level(ZSTD_CCtx *context, int level)
{
    return !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)) &&
           (level < ZSTD_LEVEL_WIDE ||
            !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, ZSTD_WINDOW_LOG_MAX)));
}

static enum kafscale_status
zstd_compress(int level, struct kafscale_slice plain, struct ks_buffer *out,
              struct kafscale_error *error)
{
    size_t start = out->size;
    size_t bound = ZSTD_compressBound(plain.size);
    uint8_t *room = NULL;
    enum kafscale_status status = extend(out, bound, &room, error);
    ZSTD_CCtx *context;
    size_t result = 0;
    bool is_done;

    if (status != KAFSCALE_OK) {
        return status;
    }
    context = ZSTD_createCCtx();
    is_done = context != NULL && zstd_set_level(context, level);
    if (is_done) {
        result = ZSTD_compress2(context, room, bound, plain.data, plain.size);
        is_done = !ZSTD_isError(result);
    }
    ZSTD_freeCCtx(context);
    out->size = is_done ? start + result : start;
    return is_done ? KAFSCALE_OK : no_memory(error, "zstd");
}

typedef enum kafscale_status close_codec(int level, struct kafscale_slice plain,
                                         struct ks_buffer *out, struct kafscale_error *error);
typedef enum kafscale_status open_codec(struct kafscale_slice bytes, struct ks_buffer *out,
                                        struct kafscale_error *error);

static const struct codec {
    const char *name;
    close_codec *compress;
    open_codec *decompress;
    int level_default;
    int level_min; /* besides the default */
    int level_max;
} codecs[KS_CODEC_COUNT] = {
    [KS_CODEC_NONE] = { "none", copy_plain, open_plain, 0, 0, 0 },
    [KS_CODEC_GZIP] = { "gzip", gzip_compress, gzip_decompress, Z_DEFAULT_COMPRESSION, 1, 9 },
    [KS_CODEC_SNAPPY] = { "snappy", snappy_compress_raw, snappy_decompress, 0, 0, 0 },
    [KS_CODEC_LZ4] = { "lz4", lz4_compress, lz4_decompress, LZ4_LEVEL_FAST, 1, 17 },
    [KS_CODEC_ZSTD] = { "zstd", zstd_compress, zstd_decompress, 3, -131072, 22 },
};

static const struct codec *
codec_find(int codec)
{
    return codec < 0 || codec >= KS_CODEC_COUNT ? NULL : &codecs[codec];
}

const char *
ks_codec_name(int codec)
{
    const struct codec *found = codec_find(codec);

    return found == NULL ? NULL : found->name;
}

enum kafscale_status
ks_decompress(int codec, struct kafscale_slice compressed, size_t plain_bytes_max,
              struct ks_buffer *plain_out, struct kafscale_error *error)
{
    const struct codec *found = codec_find(codec);
    struct ks_buffer plain;
    enum kafscale_status status;

    assert(plain_out->data == NULL);

    if (found == NULL) {
        return ks_error_set(error, KAFSCALE_UNSUPPORTED, "compression codec %d", codec);
    }
    if (compressed.size == 0 && codec != KS_CODEC_NONE) {
        return corrupt(error, found->name, "no bytes");
    }
    if (compressed.size > INT32_MAX) {
        return ks_error_set(error, KAFSCALE_TOO_LARGE, "%zu compressed bytes", compressed.size);
    }
    ks_buffer_init(&plain, ks_plain_bytes_limit(compressed.size, plain_bytes_max));
    status = found->decompress(compressed, &plain, error);
    if (status != KAFSCALE_OK) {
        ks_buffer_deinit(&plain);
        return status;
    }
    *plain_out = plain;
    return KAFSCALE_OK;
}

bool
ks_codec_has_level(int codec, int level)
{
    const struct codec *found = codec_find(codec);

    return found != NULL && (level == KS_LEVEL_DEFAULT || level == found->level_default ||
                             (level >= found->level_min && level <= found->level_max));
}

enum kafscale_status
ks_compress_at(int codec, int level, struct kafscale_slice plain, struct ks_buffer *out,
               struct kafscale_error *error)
{
    const struct codec *found = codec_find(codec);

    assert(!ks_buffer_failed(out));

    if (found == NULL) {
        return ks_error_set(error, KAFSCALE_UNSUPPORTED, "compression codec %d", codec);
    }
    assert(ks_codec_has_level(codec, level));
    if (plain.size > KS_PLAIN_BYTES_MAX) {
        return ks_error_set(error, KAFSCALE_TOO_LARGE, "%zu bytes of records", plain.size);
    }
    return found->compress(level == KS_LEVEL_DEFAULT ? found->level_default : level, plain, out,
                           error);
}

enum kafscale_status
ks_compress(int codec, struct kafscale_slice plain, struct ks_buffer *out,
            struct kafscale_error *error)
{
    return ks_compress_at(codec, KS_LEVEL_DEFAULT, plain, out, error);
}

bool
ks_compression_library_at(size_t index, const char **name_out, const char **version_out)
{
    switch (index) {
    case 0:
        *name_out = "zlib";
        *version_out = zlibVersion();
        return true;
    case 1:
        *name_out = "lz4";
        *version_out = LZ4_versionString();
        return true;
    case 2:
        *name_out = "zstd";
        *version_out = ZSTD_versionString();
        return true;
    default:
        return false;
    }
}

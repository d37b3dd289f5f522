/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sizes and tags of the bytes of an index, for index_format.c, which writes them, and
 * index_decode.c, which reads them. Tags are never given another meaning.
 */
#ifndef KS_LOG_FORMAT_INDEX_LAYOUT_H
#define KS_LOG_FORMAT_INDEX_LAYOUT_H

#define KS_INDEX_MAGIC 0x49445800u /* "IDX" and a zero */
#define KS_INDEX_VERSION 1
#define KS_INDEX_ENTRY_BYTES 12

/* Magic, version, header length, length of the extension from its magic to its CRC. */
#define KS_INDEX_EXTENSION_HEADER_BYTES 12
#define KS_INDEX_EXTENSION_CRC_BYTES 4

enum ks_index_tag {
    KS_INDEX_TAG_SEGMENT = 1,
    KS_INDEX_TAG_CLUSTER = 2,
    KS_INDEX_TAG_TIMES = 3,
    KS_INDEX_TAG_TOTALS = 4,
    KS_INDEX_TAG_ANCESTORS = 5,
    KS_INDEX_TAG_EPOCHS = 6,
    KS_INDEX_TAG_PRODUCERS = 7,
    KS_INDEX_TAG_ABORTED = 8,
    KS_INDEX_TAG_ANCESTOR_TIMES = 9,
    KS_INDEX_TAGS_END,
};

#define KS_INDEX_SEGMENT_BYTES 76
#define KS_INDEX_TOTALS_BYTES 32
#define KS_INDEX_EPOCH_BYTES 12
#define KS_INDEX_ABORTED_BYTES 24

#endif

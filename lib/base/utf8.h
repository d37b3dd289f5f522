/* SPDX-License-Identifier: Apache-2.0 */
/* Whether bytes are text: names come from clients, who may call a group whatever they like. */
#ifndef KS_BASE_UTF8_H
#define KS_BASE_UTF8_H

#include <stddef.h>

/*
 * The bytes of the first character; 0 where there is none: at the end, and before bytes that are
 * not UTF-8 (too long a form, a surrogate, beyond U+10FFFF).
 */
size_t ks_utf8_first(const void *text, size_t size);

#endif

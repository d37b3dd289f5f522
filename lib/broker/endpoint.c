/* SPDX-License-Identifier: Apache-2.0 */
/* Names are not looked up here: this is text only. */
#include "broker/endpoint.h"

#include <stdio.h>

static bool
parse_port(struct kafscale_slice text, uint16_t *port_out)
{
    uint32_t port = 0;

    if (text.size == 0 || text.size > 5) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        port = port * 10 + (uint32_t) (text.data[i] - '0');
    }
    if (port > UINT16_MAX) {
        return false;
    }
    *port_out = (uint16_t) port;
    return true;
}

static bool
is_host_character(uint8_t c, bool is_bracketed)
{
    if (is_bracketed) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') ||
               c == ':' || c == '.' || c == '%';
    }
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_';
}

static struct kafscale_slice
skip_security_protocol(struct kafscale_slice text)
{
    static const char plaintext[] = "PLAINTEXT://";
    size_t size = sizeof plaintext - 1;

    if (text.size >= size && memcmp(text.data, plaintext, size) == 0) {
        return ks_slice(text.data + size, text.size - size);
    }
    return text;
}

enum kafscale_status
ks_endpoint_parse(struct kafscale_slice text, struct ks_endpoint *endpoint_out)
{
    struct kafscale_slice bare = skip_security_protocol(text);
    struct ks_endpoint endpoint = { 0 };
    bool is_bracketed = bare.size > 0 && bare.data[0] == '[';
    size_t host_begin = is_bracketed ? 1 : 0;
    size_t host_end = host_begin;
    size_t colon;

    while (host_end < bare.size && is_host_character(bare.data[host_end], is_bracketed)) {
        host_end++;
    }
    colon = host_end;
    if (is_bracketed) {
        if (host_end == host_begin || host_end == bare.size || bare.data[host_end] != ']') {
            return KAFSCALE_INVALID;
        }
        colon++;
    }
    if (colon >= bare.size || bare.data[colon] != ':' || host_end - host_begin >= KS_HOST_BYTES) {
        return KAFSCALE_INVALID;
    }
    if (!parse_port(ks_slice(bare.data + colon + 1, bare.size - colon - 1), &endpoint.port)) {
        return KAFSCALE_INVALID;
    }
    memcpy(endpoint.host, bare.data + host_begin, host_end - host_begin);
    *endpoint_out = endpoint;
    return KAFSCALE_OK;
}

void
ks_endpoint_format(const struct ks_endpoint *endpoint, char text_out[KS_ENDPOINT_TEXT_BYTES])
{
    if (strchr(endpoint->host, ':') != NULL) {
        snprintf(text_out, KS_ENDPOINT_TEXT_BYTES, "[%s]:%u", endpoint->host, endpoint->port);
    } else {
        snprintf(text_out, KS_ENDPOINT_TEXT_BYTES, "%s:%u", endpoint->host, endpoint->port);
    }
}

static struct kafscale_slice
trim(const uint8_t *begin, const uint8_t *end)
{
    while (begin < end && *begin == ' ') {
        begin++;
    }
    while (end > begin && end[-1] == ' ') {
        end--;
    }
    return ks_slice(begin, (size_t) (end - begin));
}

bool
ks_list_text_next(struct kafscale_slice *rest, struct kafscale_slice *element_out)
{
    const uint8_t *comma;
    const uint8_t *end;

    if (rest->size == 0) {
        return false;
    }
    end = rest->data + rest->size;
    comma = memchr(rest->data, ',', rest->size);
    *element_out = trim(rest->data, comma == NULL ? end : comma);
    if (comma == NULL) {
        *rest = ks_slice(end, 0);
    } else {
        *rest = ks_slice(comma + 1, (size_t) (end - comma - 1));
    }
    return true;
}

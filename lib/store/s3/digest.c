/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes through libcrypto, which alone knows the machine's instructions for them. */
#include "store/s3/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

const char ks_s3_empty_hash[KS_S3_SHA256_HEX_BYTES] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

void
ks_s3_hash_to_hex(const uint8_t hash[KS_S3_SHA256_BYTES], char hex_out[KS_S3_SHA256_HEX_BYTES])
{
    static const char digits[] = "0123456789abcdef";

    for (int i = 0; i < KS_S3_SHA256_BYTES; i++) {
        hex_out[2 * i] = digits[hash[i] >> 4];
        hex_out[2 * i + 1] = digits[hash[i] & 15];
    }
    hex_out[2 * KS_S3_SHA256_BYTES] = '\0';
}

static bool
hash_parts(EVP_MD_CTX *context, const struct kafscale_part *parts, size_t part_count, uint8_t *hash)
{
    if (context == NULL || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
        return false;
    }
    for (size_t i = 0; i < part_count; i++) {
        if (EVP_DigestUpdate(context, parts[i].bytes.data, parts[i].bytes.size) != 1) {
            return false;
        }
    }
    return EVP_DigestFinal_ex(context, hash, NULL) == 1;
}

enum kafscale_status
ks_s3_sha256_hex(const struct kafscale_part *parts, size_t part_count,
                 char hex_out[KS_S3_SHA256_HEX_BYTES])
{
    uint8_t hash[KS_S3_SHA256_BYTES];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_hashed = hash_parts(context, parts, part_count, hash);

    EVP_MD_CTX_free(context);
    if (!is_hashed) {
        return KAFSCALE_NO_MEMORY;
    }
    ks_s3_hash_to_hex(hash, hex_out);
    return KAFSCALE_OK;
}

enum kafscale_status
ks_s3_sha256_hex_of(struct kafscale_slice bytes, char hex_out[KS_S3_SHA256_HEX_BYTES])
{
    struct kafscale_part part = { .bytes = bytes };

    return ks_s3_sha256_hex(&part, 1, hex_out);
}

enum kafscale_status
ks_s3_md5_text(struct kafscale_slice bytes, char text_out[KS_S3_MD5_TEXT_BYTES])
{
    uint8_t hash[EVP_MAX_MD_SIZE];

    /* A system in FIPS mode has no MD5. */
    if (EVP_Digest(bytes.data, bytes.size, hash, NULL, EVP_md5(), NULL) != 1) {
        return KAFSCALE_UNSUPPORTED;
    }
    EVP_EncodeBlock((unsigned char *) text_out, hash, 16);
    return KAFSCALE_OK;
}

void
ks_s3_crc32c_text(uint32_t crc, char text_out[KS_S3_CRC32C_TEXT_BYTES])
{
    uint8_t bytes[4];

    ks_put_u32(bytes, crc);
    EVP_EncodeBlock((unsigned char *) text_out, bytes, sizeof bytes);
}

enum kafscale_status
ks_s3_hmac(struct kafscale_slice key, struct kafscale_slice text,
           uint8_t mac_out[KS_S3_SHA256_BYTES])
{
    uint8_t mac[EVP_MAX_MD_SIZE];

    if (HMAC(EVP_sha256(), key.data, (int) key.size, text.data, text.size, mac, NULL) == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    memcpy(mac_out, mac, KS_S3_SHA256_BYTES);
    ks_s3_wipe(mac, sizeof mac);
    return KAFSCALE_OK;
}

void
ks_s3_wipe(void *memory, size_t size)
{
    OPENSSL_cleanse(memory, size);
}

void
ks_s3_free_secret(char *text)
{
    if (text != NULL) {
        ks_s3_wipe(text, strlen(text));
        ks_free(text);
    }
}

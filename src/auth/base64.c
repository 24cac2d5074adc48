#include "auth/base64.h"

#include <string.h>

#include <openssl/evp.h>

#include "base/memory.h"

char *
base64_encode(const uint8_t *in, size_t n, char *out)
{
	EVP_EncodeBlock((unsigned char *)out, in, (int)n);
	return out;
}

static size_t
count_padding(const char *text, size_t size)
{
	if (size < 2 || text[size - 1] != '=')
		return 0;
	return text[size - 2] == '=' ? 2 : 1;
}

/* EVP_DecodeBlock is lax (it trims white space, it ignores the bits under the
 * padding), so what it read is written again, size characters of it: only the
 * canonical text is equal. */
static bool
decode_canonical(const char *text, size_t size, uint8_t *raw, size_t n)
{
	char again[BASE64_LENGTH(BASE64_BYTES_MAX) + 1];
	bool same;

	if (EVP_DecodeBlock(raw, (const unsigned char *)text, (int)size) < (int)n)
		return false;
	base64_encode(raw, n, again);
	same = memcmp(again, text, size) == 0;
	memory_wipe(again, sizeof(again));
	return same;
}

bool
base64_decode(const char *text, size_t size, uint8_t *out, size_t max, size_t *n)
{
	uint8_t raw[BASE64_LENGTH(BASE64_BYTES_MAX) / 4 * 3];
	size_t want;
	bool good;

	if (size % 4 != 0)
		return false;
	want = size / 4 * 3 - count_padding(text, size);
	if (want > max || want > BASE64_BYTES_MAX)
		return false;
	good = decode_canonical(text, size, raw, want);
	if (good) {
		memcpy(out, raw, want);
		*n = want;
	}
	memory_wipe(raw, sizeof(raw));
	return good;
}

bool
base64_decode_exact(const char *text, size_t size, uint8_t *out, size_t n)
{
	size_t got;

	return size == BASE64_LENGTH(n) && size / 4 * 3 - count_padding(text, size) == n &&
		base64_decode(text, size, out, n, &got);
}

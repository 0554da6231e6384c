#include "msa/base/pack.h"
#include "msa/base/require.h"

static void put_be(struct buf *b, uint64_t value, unsigned bytes)
{
    unsigned char out[8];
    for (unsigned i = 0; i < bytes; i++)
        out[i] = (unsigned char)(value >> (8 * (bytes - 1 - i)));
    int err = buf_append(b, out, bytes);
    REQUIRE(err == 0);
}

void pack_u8(struct buf *b, uint8_t value)
{
    put_be(b, value, 1);
}

void pack_u32(struct buf *b, uint32_t value)
{
    put_be(b, value, 4);
}

void pack_u64(struct buf *b, uint64_t value)
{
    put_be(b, value, 8);
}

void pack_sv(struct buf *b, struct sv text)
{
    REQUIRE(text.len <= UINT32_MAX);
    pack_u32(b, (uint32_t)text.len);
    int err = buf_put(b, text);
    REQUIRE(err == 0);
}

struct unpack unpack_start(struct sv record)
{
    return (struct unpack){.rest = record};
}

static struct sv take(struct unpack *u, size_t len)
{
    if (u->bad || u->rest.len < len) {
        u->bad = true;
        return SV("");
    }
    struct sv out = sv_first(u->rest, len);
    u->rest = sv_skip(u->rest, len);
    return out;
}

static uint64_t take_be(struct unpack *u, unsigned bytes)
{
    struct sv raw = take(u, bytes);
    uint64_t value = 0;
    for (size_t i = 0; i < raw.len; i++)
        value = value << 8 | (unsigned char)raw.ptr[i];
    return value;
}

uint8_t unpack_u8(struct unpack *u)
{
    return (uint8_t)take_be(u, 1);
}

uint32_t unpack_u32(struct unpack *u)
{
    return (uint32_t)take_be(u, 4);
}

uint64_t unpack_u64(struct unpack *u)
{
    return take_be(u, 8);
}

struct sv unpack_sv(struct unpack *u)
{
    return take(u, unpack_u32(u));
}

bool unpack_ok(const struct unpack *u)
{
    return !u->bad && u->rest.len == 0;
}

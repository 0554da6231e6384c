#include "msa/base/netstring.h"
#include "msa/base/require.h"

enum { DIGITS, CONTENT, COMMA };

static const char *const faults[] = {
#define FAULT_ROW(name, text) [NETSTRING_FAULT_##name] = text,
    NETSTRING_FAULTS(FAULT_ROW)
#undef FAULT_ROW
};

const char *netstring_fault_text(enum netstring_fault fault)
{
    return faults[fault];
}

void netstring_init(struct netstring_reader *r, uint32_t cap_bytes)
{
    REQUIRE(cap_bytes <= NETSTRING_LENGTH_MAX);
    *r = (struct netstring_reader){.cap = cap_bytes};
}

static enum netstring_progress bad(struct netstring_reader *r, enum netstring_fault fault)
{
    r->fault = fault;
    return NETSTRING_BAD;
}

static enum netstring_progress take_digit(struct netstring_reader *r, char c)
{
    if (c == ':' && r->digits > 0) {
        r->left = r->length;
        r->state = r->left ? CONTENT : COMMA;
        return NETSTRING_MORE;
    }
    bool leading_zero = r->digits > 0 && r->length == 0;
    if (!ascii_digit(c) || leading_zero)
        return bad(r, NETSTRING_FAULT_LENGTH);
    uint64_t length = (uint64_t)r->length * 10 + (uint64_t)(c - '0');
    if (length > r->cap)
        return bad(r, NETSTRING_FAULT_LONG);
    r->length = (uint32_t)length;
    r->digits++;
    return NETSTRING_MORE;
}

enum netstring_progress netstring_feed(struct netstring_reader *r, struct sv bytes,
                                       struct sv *content_out, size_t *used_out)
{
    enum netstring_progress progress = NETSTRING_MORE;
    size_t at = 0;
    REQUIRE(!r->fault);
    *content_out = SV_NONE;
    while (at < bytes.len && r->state == DIGITS && progress == NETSTRING_MORE)
        progress = take_digit(r, bytes.ptr[at++]);
    if (progress == NETSTRING_MORE && r->state == CONTENT) {
        *content_out = sv_first(sv_skip(bytes, at), r->left);
        at += content_out->len;
        r->left -= (uint32_t)content_out->len;
        if (r->left == 0)
            r->state = COMMA;
    }
    if (progress == NETSTRING_MORE && r->state == COMMA && at < bytes.len) {
        if (bytes.ptr[at++] != ',') {
            progress = bad(r, NETSTRING_FAULT_COMMA);
        } else {
            progress = NETSTRING_DONE;
            r->length = r->digits = r->state = 0;
        }
    }
    *used_out = at;
    return progress;
}

int netstring_begin(struct buf *out, uint32_t length)
{
    REQUIRE(length <= NETSTRING_LENGTH_MAX);
    return buf_printf(out, "%lu:", (unsigned long)length);
}

int netstring_put(struct buf *out, struct sv content)
{
    size_t before = buf_len(out);
    REQUIRE(content.len <= NETSTRING_LENGTH_MAX);
    int err = netstring_begin(out, (uint32_t)content.len);
    if (!err)
        err = buf_put(out, content);
    if (!err)
        err = buf_put(out, SV(","));
    if (err)
        buf_truncate(out, before);
    return err;
}

uint64_t netstring_size(uint32_t length)
{
    uint64_t size = (uint64_t)length + 3;
    for (; length >= 10; length /= 10)
        size++;
    return size;
}

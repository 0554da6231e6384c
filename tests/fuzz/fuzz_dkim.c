/*
 * What is signed. The input as a body: pieces of any size give the same canonical text, which is
 * what the rules of RFC 6376 give over the whole, and it is its own canonical form. The input as a
 * message: pieces of any size are signed alike, by at most two keys, and the fields have lines of
 * 78 octets.
 */
#include "msa/base/buf.h"
#include "msa/base/require.h"
#include "rewrite/dkim.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(void *arg, struct sv run)
{
    REQUIRE(run.len && buf_put(arg, run) == 0);
}

static void canonize(enum rewrite_dkim_canon canon, struct sv body, size_t piece, struct buf *out)
{
    struct rewrite_dkim_body b = {.canon = canon};
    buf_init(out, body.len + 2, 0);
    for (; body.len; body = sv_skip(body, piece))
        rewrite_dkim_body_feed(&b, sv_first(body, piece), put, out);
    rewrite_dkim_body_end(&b, put, out);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* One line of the relaxed form, without white space at its end. */
static void relax_line(struct sv line, struct buf *out)
{
    while (line.len && is_space(line.ptr[line.len - 1]))
        line.len--;
    for (size_t i = 0; i < line.len; i++)
        if (!is_space(line.ptr[i]))
            put(out, (struct sv){line.ptr + i, 1});
        else if (i == 0 || !is_space(line.ptr[i - 1]))
            put(out, SV(" "));
}

/* RFC 6376 3.4.3, 3.4.4: one rule after the other. */
static void by_the_book(enum rewrite_dkim_canon canon, struct sv body, struct buf *out)
{
    buf_init(out, body.len + 2, 0);
    while (canon == REWRITE_DKIM_RELAXED && body.len) {
        const char *end = memmem(body.ptr, body.len, "\r\n", 2);
        struct sv line = end ? sv_range(body.ptr, end) : body;
        relax_line(line, out);
        if (end)
            put(out, SV("\r\n"));
        body = sv_skip(body, line.len + 2);
    }
    if (canon == REWRITE_DKIM_SIMPLE && body.len)
        put(out, body);
    struct sv text = buf_view(out);
    while (text.len >= 2 && memcmp(text.ptr + text.len - 2, "\r\n", 2) == 0)
        text.len -= 2;
    buf_truncate(out, text.len);
    if (text.len || canon == REWRITE_DKIM_SIMPLE)
        put(out, SV("\r\n"));
}

static void check_body(struct sv body, size_t piece)
{
    for (unsigned c = 0; c < REWRITE_DKIM_CANONS; c++) {
        struct buf whole, pieces, book, again;
        canonize(c, body, body.len + 1, &whole);
        canonize(c, body, piece, &pieces);
        by_the_book(c, body, &book);
        canonize(c, buf_view(&whole), piece, &again);
        REQUIRE(sv_eq(buf_view(&whole), buf_view(&pieces)));
        REQUIRE(sv_eq(buf_view(&whole), buf_view(&book)));
        REQUIRE(sv_eq(buf_view(&whole), buf_view(&again)));
        buf_deinit(&whole);
        buf_deinit(&pieces);
        buf_deinit(&book);
        buf_deinit(&again);
    }
}

/* The keeper signs with the hash itself. What can be lacking is an author who can be read. */
static size_t sign(struct rewrite_dkim_keys *keys, struct sv content, size_t piece, struct buf *out,
                   enum rewrite_dkim_lack *lack_out)
{
    struct rewrite_dkim d;
    struct rewrite_dkim_request r;
    size_t asked = 0;
    bool required;
    buf_init(out, REWRITE_DKIM_FIELDS_MAX, 0);
    rewrite_dkim_init(&d, keys, 1u << 20, 1735689600);
    for (; content.len; content = sv_skip(content, piece))
        rewrite_dkim_feed(&d, sv_first(content, piece));
    rewrite_dkim_end(&d);
    for (; rewrite_dkim_next(&d, &r); asked++)
        rewrite_dkim_signed(&d, r.index, r.hash);
    bool lacks = rewrite_dkim_lacks(&d, &required);
    REQUIRE(!required && lacks == (d.lack == REWRITE_DKIM_LACKS_FROM) && (!lacks || !asked));
    *lack_out = d.lack;
    rewrite_dkim_fields(&d, out);
    rewrite_dkim_deinit(&d);
    return asked;
}

static void check_message(struct sv content, size_t piece)
{
    static const struct rewrite_dkim_key rows[] = {
        {.domain = SV("a.example"), .selector = SV("s"), .id = SV("1"), .from_s = INT64_MIN},
        {.domain = SV("a.example"),
         .selector = SV("t"),
         .id = SV("2"),
         .algorithm = REWRITE_DKIM_ED25519,
         .header = REWRITE_DKIM_RELAXED,
         .body = REWRITE_DKIM_RELAXED,
         .from_s = INT64_MIN},
    };
    struct rewrite_dkim_keys *keys = rewrite_dkim_keys_new(rows, 2);
    struct buf whole, pieces;
    enum rewrite_dkim_lack lack, lack_again;
    size_t n = sign(keys, content, content.len + 1, &whole, &lack);
    REQUIRE(n == 0 || n == 2);
    REQUIRE(sign(keys, content, piece, &pieces, &lack_again) == n && lack == lack_again);
    REQUIRE(sv_eq(buf_view(&whole), buf_view(&pieces)) && (buf_len(&whole) > 0) == (n > 0));
    for (struct sv rest = buf_view(&whole); rest.len;) {
        struct sv line = sv_split(&rest, '\n');
        REQUIRE(line.len > 1 && line.len <= 79 && line.ptr[line.len - 1] == '\r');
    }
    buf_deinit(&whole);
    buf_deinit(&pieces);
    rewrite_dkim_keys_drop(keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 65536)
        return 0;
    struct sv text = {(const char *)data + 1, size - 1};
    size_t piece = 1 + data[0] % 61;
    check_body(text, piece);
    check_message(text, piece);
    return 0;
}

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "msa/base/b64.h"
#include "rewrite/dkim.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#define NOW_S 1735689600

static EVP_PKEY *pkeys[REWRITE_DKIM_ALGORITHM_COUNT];

static const struct rewrite_dkim_key rows[] = {
    {.domain = SV("example.net"),
     .selector = SV("s1"),
     .id = SV("id-rsa"),
     .algorithm = REWRITE_DKIM_RSA,
     .header = REWRITE_DKIM_RELAXED,
     .body = REWRITE_DKIM_RELAXED,
     .from_s = INT64_MIN},
    {.domain = SV("example.net"),
     .selector = SV("s1-ed25519"),
     .id = SV("id-ed"),
     .algorithm = REWRITE_DKIM_ED25519,
     .header = REWRITE_DKIM_SIMPLE,
     .body = REWRITE_DKIM_SIMPLE,
     .from_s = INT64_MIN,
     .require = true},
    {.domain = SV("xn--mller-kva.example"),
     .selector = SV("u"),
     .id = SV("id-ed"),
     .algorithm = REWRITE_DKIM_ED25519,
     .header = REWRITE_DKIM_RELAXED,
     .body = REWRITE_DKIM_SIMPLE,
     .from_s = INT64_MIN},
    {.domain = SV("later.example"),
     .selector = SV("x"),
     .id = SV("x"),
     .from_s = NOW_S + 1,
     .require = true},
};

/* ---- a verifier, which reads tags as RFC 6376 6.1 says and shares only the canonical forms ----
 */

struct tags {
    struct sv a, c, d, s, h, bh, b;
};

static struct tags read_tags(struct sv field)
{
    struct tags t = {.a = SV_NONE};
    struct sv rest = sv_skip(field, sv_find(field, ':') + 1);
    while (rest.len) {
        struct sv tag = sv_split(&rest, ';');
        while (tag.len && strchr(" \t\r\n", tag.ptr[0]))
            tag = sv_skip(tag, 1);
        struct sv name = sv_split(&tag, '=');
        if (sv_eq(name, SV("a")))
            t.a = tag;
        else if (sv_eq(name, SV("c")))
            t.c = tag;
        else if (sv_eq(name, SV("d")))
            t.d = tag;
        else if (sv_eq(name, SV("s")))
            t.s = tag;
        else if (sv_eq(name, SV("h")))
            t.h = tag;
        else if (sv_eq(name, SV("bh")))
            t.bh = tag;
        else if (sv_eq(name, SV("b")))
            t.b = tag;
    }
    return t;
}

static void decode(struct sv folded, struct buf *out)
{
    struct buf plain;
    buf_init(&plain, 4096, 0);
    for (size_t i = 0; i < folded.len; i++)
        if (!strchr(" \t\r\n", folded.ptr[i]))
            assert_int_equal(buf_append(&plain, folded.ptr + i, 1), 0);
    assert_int_equal(b64_decode(out, buf_view(&plain)), 0);
    buf_deinit(&plain);
}

static void add(void *arg, struct sv run)
{
    rewrite_sha256_add(arg, run);
}

static struct sv trim(struct sv text)
{
    while (text.len && strchr(" \t\r\n", text.ptr[0]))
        text = sv_skip(text, 1);
    while (text.len && strchr(" \t\r\n", text.ptr[text.len - 1]))
        text.len--;
    return text;
}

/* The nth field of that name from below; empty: there is none. */
static struct sv nth_from_below(struct sv section, struct sv name, size_t nth)
{
    struct sv found[200];
    size_t n = 0;
    struct sv rest = section;
    while (rest.len && !sv_starts(rest, SV("\r\n"))) {
        size_t end = 0;
        do
            end += sv_find(sv_skip(rest, end), '\n') + 1;
        while (end < rest.len && strchr(" \t", rest.ptr[end]));
        struct sv field = sv_first(rest, end);
        if (sv_ieq(trim(sv_first(field, sv_find(field, ':'))), name) && n < 200)
            found[n++] = field;
        rest = sv_skip(rest, end);
    }
    return nth < n ? found[n - 1 - nth] : SV_NONE;
}

static bool verify(struct sv field, struct sv section, struct sv body, EVP_PKEY *pkey)
{
    struct tags t = read_tags(field);
    enum rewrite_dkim_canon hc = sv_starts(t.c, SV("relaxed/"));
    struct rewrite_dkim_body b = {.canon = sv_iends(t.c, SV("/relaxed"))};
    struct rewrite_sha256 h = {NULL};
    uint8_t sum[REWRITE_SHA256_BYTES];
    struct buf bytes;
    buf_init(&bytes, 4096, 0);

    rewrite_sha256_init(&h);
    rewrite_dkim_body_feed(&b, body, add, &h);
    rewrite_dkim_body_end(&b, add, &h);
    rewrite_sha256_finish(&h, sum);
    decode(t.bh, &bytes);
    bool good = sv_eq(buf_view(&bytes), (struct sv){(char *)sum, sizeof sum});

    rewrite_sha256_init(&h);
    for (struct sv names = t.h, before = SV_NONE; names.len;) {
        struct sv name = trim(sv_split(&names, ':'));
        size_t nth = 0;
        for (before = sv_first(t.h, (size_t)(name.ptr - t.h.ptr)); before.len;)
            nth += sv_ieq(trim(sv_split(&before, ':')), name);
        struct sv found = nth_from_below(section, name, nth);
        if (!found.len)
            continue;
        rewrite_dkim_field(hc, found, add, &h);
        rewrite_sha256_add(&h, SV("\r\n"));
    }
    /* the value of b= and what surrounds it taken out */
    rewrite_dkim_field(hc, sv_first(field, (size_t)(t.b.ptr - field.ptr)), add, &h);
    rewrite_sha256_finish(&h, sum);
    rewrite_sha256_deinit(&h);

    buf_reset(&bytes);
    decode(t.b, &bytes);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    const uint8_t *signature = (const uint8_t *)buf_view(&bytes).ptr;
    if (sv_starts(t.a, SV("rsa")))
        good = EVP_PKEY_verify_init(ctx) == 1 &&
               EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
               EVP_PKEY_verify(ctx, signature, buf_len(&bytes), sum, sizeof sum) == 1 && good;
    else
        good = EVP_DigestVerifyInit(md, NULL, NULL, NULL, pkey) == 1 &&
               EVP_DigestVerify(md, signature, buf_len(&bytes), sum, sizeof sum) == 1 && good;
    EVP_PKEY_CTX_free(ctx);
    EVP_MD_CTX_free(md);
    buf_deinit(&bytes);
    return good;
}

/* What the keeper does. */
static void sign(const struct rewrite_dkim_request *r, struct buf *out)
{
    EVP_PKEY *pkey = pkeys[r->key->algorithm];
    size_t len = 1024;
    uint8_t signature[1024];
    if (r->key->algorithm == REWRITE_DKIM_RSA) {
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
        assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
        assert_int_equal(EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()), 1);
        assert_int_equal(
            EVP_PKEY_sign(ctx, signature, &len, (const uint8_t *)r->hash.ptr, r->hash.len), 1);
        EVP_PKEY_CTX_free(ctx);
    } else {
        EVP_MD_CTX *md = EVP_MD_CTX_new();
        assert_int_equal(EVP_DigestSignInit(md, NULL, NULL, NULL, pkey), 1);
        assert_int_equal(
            EVP_DigestSign(md, signature, &len, (const uint8_t *)r->hash.ptr, r->hash.len), 1);
        EVP_MD_CTX_free(md);
    }
    buf_reset(out);
    assert_int_equal(buf_append(out, signature, len), 0);
}

static struct rewrite_dkim_keys *set;

static int setup(void **state)
{
    (void)state;
    pkeys[REWRITE_DKIM_RSA] = EVP_RSA_gen(2048);
    pkeys[REWRITE_DKIM_ED25519] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    set = rewrite_dkim_keys_new(rows, sizeof rows / sizeof *rows);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < REWRITE_DKIM_ALGORITHM_COUNT; i++)
        EVP_PKEY_free(pkeys[i]);
    rewrite_dkim_keys_drop(set);
    return 0;
}

/* All fields in out; returns how many. piece 0: whole. */
static size_t run(struct rewrite_dkim *d, struct sv content, size_t piece, struct buf *out)
{
    struct rewrite_dkim_request r;
    struct buf signature;
    size_t n = 0;
    buf_init(&signature, 1024, 0);
    while (content.len) {
        size_t len = piece == 0 ? content.len : 1 + (size_t)rand() % piece;
        rewrite_dkim_feed(d, sv_first(content, len));
        content = sv_skip(content, len);
    }
    rewrite_dkim_end(d);
    for (; rewrite_dkim_next(d, &r); n++) {
        sign(&r, &signature);
        rewrite_dkim_signed(d, r.index, buf_view(&signature));
    }
    buf_reset(out);
    rewrite_dkim_fields(d, out);
    buf_deinit(&signature);
    return n;
}

/* The next whole field of fields. */
static struct sv take_field(struct sv *fields)
{
    const char *next = memmem(fields->ptr + 1, fields->len - 1, "DKIM-Signature:", 15);
    struct sv field = sv_first(*fields, next ? (size_t)(next - fields->ptr) : fields->len);
    *fields = sv_skip(*fields, field.len);
    return field;
}

#define LONG_WORD "<0123456789012345678901234567890123456789012345678901234567890@example.net>"
#define EIGHT(x)  x x x x x x x x
#define TEN(x)    x "\r\n\t" x "\r\n\t" x "\r\n\t" x "\r\n\t" x "\r\n\t" x "\r\n\t" x "\r\n\t" x

static const struct {
    const char *label, *section, *body;
} messages[] = {
    {"plain",
     "Received: from a\r\n\tby b; now\r\nFrom: Bob <bob@Example.NET>\r\nTo: a, b\r\n"
     "Subject: Hi  there \r\nDate: now\r\n\r\n",
     "Hello \r\n\r\nYou.\r\n\r\n\r\n"},
    {"empty body", "From: bob@example.net\r\n\r\n", ""},
    {"line ends only", "From: bob@sub.example.net\r\n\r\n", "\r\n\r\n\r\n"},
    {"no line end behind it", "From: bob@example.net\r\n\r\n", "a \r\n b "},
    {"long references",
     "References: " TEN(LONG_WORD) "\r\n\t" TEN(LONG_WORD) "\r\nFrom: bob@example.net\r\n\r\n",
     "x\r\n"},
    {"one line of 998",
     "References: " LONG_WORD LONG_WORD LONG_WORD LONG_WORD LONG_WORD LONG_WORD LONG_WORD LONG_WORD
         LONG_WORD LONG_WORD LONG_WORD LONG_WORD "\r\nFrom: bob@example.net\r\n\r\n",
     "x\r\n"},
    {"signed by us before",
     "DKIM-Signature: v=1; a=rsa-sha256; d=example.net; s=s1; b=AAAA\r\n"
     "From: bob@example.net\r\n\r\n",
     "x\r\n"},
    {"several fields of a name",
     "To: a\r\nCc: b\r\nTo: c\r\nFrom: \"x\" <bob@example.net>\r\nTo: d\r\n\r\n", "x\r\n"},
    {"empty fields", "Subject:\r\nTo: \r\n \r\nFrom: bob@example.net\r\n\r\n", "x\r\n"},
    {"bytes", "From: bob@example.net\r\n\r\n", "\x80\xff\r \n \r\r\n\t\t."},
    {"author second", "From: a@other.example, bob@example.net\r\n\r\n", "x\r\n"},
};

static void assert_lines(struct sv fields)
{
    while (fields.len) {
        struct sv line = sv_split(&fields, '\n');
        assert_true(line.len > 1 && line.ptr[line.len - 1] == '\r');
        if (line.len - 1 > 78)
            fail_msg("a line of %zu: %.*s", line.len - 1, SV_ARG(line));
    }
}

static void test_signatures(void **state)
{
    struct rewrite_dkim d;
    struct buf out, content;
    (void)state;
    buf_init(&out, 65536, 0);
    buf_init(&content, 65536, 0);
    rewrite_dkim_init(&d, set, 65536, NOW_S);
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
        for (size_t piece = 0; piece < 9; piece++) {
            struct sv section = sv_of(messages[i].section), body = sv_of(messages[i].body);
            bool required;
            buf_reset(&content);
            assert_int_equal(buf_put(&content, section), 0);
            assert_int_equal(buf_put(&content, body), 0);
            rewrite_dkim_restart(&d);
            assert_int_equal(run(&d, buf_view(&content), piece, &out), 2);
            assert_false(rewrite_dkim_lacks(&d, &required));
            struct sv fields = buf_view(&out);
            assert_lines(fields);
            for (unsigned a = 0; a < REWRITE_DKIM_ALGORITHM_COUNT; a++) {
                struct sv field = take_field(&fields);
                struct tags t = read_tags(field);
                assert_true(sv_eq(t.d, SV("example.net")));
                assert_true(sv_eq(t.s, rows[a].selector));
                if (!verify(field, section, body, pkeys[a]))
                    fail_msg("%s, %u, pieces of %zu: %.*s", messages[i].label, a, piece,
                             SV_ARG(field));
                assert_false(verify(field, section, SV("other"), pkeys[a]));
                assert_false(verify(field, SV("From: eve@example.net\r\n\r\n"), body, pkeys[a]));
            }
            assert_int_equal(fields.len, 0);
        }
    rewrite_dkim_deinit(&d);
    buf_deinit(&out);
    buf_deinit(&content);
}

static const struct {
    const char *label, *content;
    size_t count;
    const char *domain; /* of the first */
    bool required;      /* none, but there must be one; or nobody knows */
} choices[] = {
    {"another domain", "From: a@other.example\r\n\r\nx", 0, "", false},
    {"no author", "To: a@example.net\r\n\r\nx", 0, "", false},
    {"no header section", "\r\nx", 0, "", false},
    {"nothing", "", 0, "", false},
    {"an author that cannot be read", "From: a b c\r\n\r\nx", 0, "", true},
    {"of ours", "From: Scanner Room 5 scan@example.net\r\n\r\nx", 0, "", true},
    {"another before it", "From: b@other.example, a b c\r\n\r\nx", 0, "", true},
    {"one of ours before it", "From: a@example.net, a b c\r\n\r\nx", 2, "example.net", false},
    {"another field with it", "From: a b c\r\nFrom: b@other.example\r\n\r\nx", 0, "", true},
    {"more fields than are looked at",
     "From: a@example.net\r\n" EIGHT("From: b@other.example\r\n")
         EIGHT("From: b@other.example\r\n") "\r\nx",
     0, "", true},
    {"a comment in the domain", "From: a@example (x).net\r\n\r\nx", 2, "example.net", false},
    {"comments around it", "From: a(@)@ (x) example.net (y)\r\n\r\nx", 2, "example.net", false},
    {"a fold in the domain", "From: a@example\r\n .net\r\n\r\nx", 2, "example.net", false},
    {"space in the domain", "From: a@example . net\r\n\r\nx", 2, "example.net", false},
    {"a comment, a key not active yet", "From: a@later(x).example\r\n\r\nx", 0, "", true},
    {"an address literal", "From: a@[192.0.2.1]\r\n\r\nx", 0, "", false},
    {"no empty line", "From: a@example.net\r\n", 2, "example.net", false},
    {"no line end", "From: a@example.net", 2, "example.net", false},
    {"a domain below", "From: a@x.y.EXAMPLE.net\r\n\r\nx", 2, "example.net", false},
    {"a U-label", "From: a@M\xc3\xbcller.example\r\n\r\nx", 1, "xn--mller-kva.example", false},
    {"an A-label", "From: a@XN--mller-kva.example\r\n\r\nx", 1, "xn--mller-kva.example", false},
    {"not active yet", "From: a@later.example\r\n\r\nx", 0, "", true},
    {"a group", "From: x: a@example.net;\r\n\r\nx", 2, "example.net", false},
    {"a second field", "From: nobody\r\nFrom: a@example.net\r\n\r\nx", 2, "example.net", false},
    {"a long label",
     "From: a@0123456789012345678901234567890123456789012345678901234567890123456789.example.net"
     "\r\n\r\nx",
     0, "", false},
};

static void test_choice(void **state)
{
    struct rewrite_dkim d;
    struct buf out;
    (void)state;
    buf_init(&out, 65536, 0);
    rewrite_dkim_init(&d, set, 65536, NOW_S);
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
        bool required;
        rewrite_dkim_restart(&d);
        size_t n = run(&d, sv_of(choices[i].content), i % 5, &out);
        bool lacks = rewrite_dkim_lacks(&d, &required);
        if (n != choices[i].count || required != choices[i].required || lacks != required)
            fail_msg("%s: %zu, required %d", choices[i].label, n, required);
        if (n)
            assert_true(sv_eq(read_tags(buf_view(&out)).d, sv_of(choices[i].domain)));
        else
            assert_int_equal(buf_len(&out), 0);
    }
    rewrite_dkim_deinit(&d);
    buf_deinit(&out);
}

/* What the keeper refuses leaves the other signature; who requires it is told. */
static void test_refused(void **state)
{
    struct rewrite_dkim d;
    struct rewrite_dkim_request r;
    struct buf out, signature;
    (void)state;
    buf_init(&out, 65536, 0);
    buf_init(&signature, 1024, 0);
    for (size_t refused = 0; refused < 2; refused++) {
        bool required;
        rewrite_dkim_init(&d, set, 65536, NOW_S);
        rewrite_dkim_feed(&d, SV("From: a@example.net\r\n\r\nx\r\n"));
        rewrite_dkim_end(&d);
        while (rewrite_dkim_next(&d, &r)) {
            sign(&r, &signature);
            rewrite_dkim_signed(&d, r.index, r.index == refused ? SV_NONE : buf_view(&signature));
        }
        assert_true(rewrite_dkim_lacks(&d, &required));
        assert_int_equal(required, rows[refused].require);
        buf_reset(&out);
        rewrite_dkim_fields(&d, &out);
        struct sv fields = buf_view(&out);
        assert_true(sv_eq(read_tags(take_field(&fields)).s, rows[!refused].selector));
        assert_int_equal(fields.len, 0);
        rewrite_dkim_deinit(&d);
    }
    buf_deinit(&out);
    buf_deinit(&signature);
}

/* A set of which no row requires: the lack is told all the same. */
static void test_lack(void **state)
{
    static const struct {
        const char *content;
        enum rewrite_dkim_lack lack;
    } cases[] = {
        {"From: a b c\r\n\r\nx", REWRITE_DKIM_LACKS_FROM},
        {"From: a@example.net\r\nX: 01234567890123456789\r\n\r\nx", REWRITE_DKIM_LACKS_SIZE},
        {"From: a@other.example\r\n\r\nx", REWRITE_DKIM_LACKS_NOTHING},
    };
    struct rewrite_dkim_keys *one = rewrite_dkim_keys_new(rows, 1);
    struct rewrite_dkim d;
    struct buf out;
    bool required;
    (void)state;
    buf_init(&out, 65536, 0);
    rewrite_dkim_init(&d, one, 40, NOW_S);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rewrite_dkim_restart(&d);
        assert_int_equal(run(&d, sv_of(cases[i].content), 0, &out), 0);
        assert_int_equal(d.lack, cases[i].lack);
        assert_int_equal(rewrite_dkim_lacks(&d, &required), d.lack != REWRITE_DKIM_LACKS_NOTHING);
        assert_false(required);
        assert_string_equal(d.domain, d.lack ? "" : "other.example");
    }
    rewrite_dkim_deinit(&d);
    rewrite_dkim_keys_drop(one);
    buf_deinit(&out);
}

/* A section beyond the limit is not signed, in whatever pieces it comes. */
static void test_large(void **state)
{
    struct rewrite_dkim d;
    struct buf out;
    (void)state;
    buf_init(&out, 65536, 0);
    for (size_t limit = 20; limit < 40; limit++) {
        for (size_t piece = 0; piece < 3; piece++) {
            rewrite_dkim_init(&d, set, limit, NOW_S);
            size_t n = run(&d, SV("From: a@example.net\r\nX: y\r\n\r\nbody"), piece, &out);
            assert_int_equal(n, limit < 29 ? 0 : 2);
            bool required, lacks = rewrite_dkim_lacks(&d, &required);
            assert_int_equal(lacks, limit < 29);
            assert_int_equal(required, limit < 29);
            rewrite_dkim_deinit(&d);
        }
    }
    rewrite_dkim_init(&d, NULL, 100, NOW_S);
    assert_int_equal(run(&d, SV("From: a@example.net\r\n\r\nbody"), 0, &out), 0);
    rewrite_dkim_deinit(&d);
    buf_deinit(&out);
}

/* RFC 8463 appendix A: others' signatures, by our canonical forms. */
#define RFC_8463_SECTION                               \
    "From: Joe SixPack <joe@football.example.com>\r\n" \
    "To: Suzie Q <suzie@shopping.example.net>\r\n"     \
    "Subject: Is dinner ready?\r\n"                    \
    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"  \
    "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\r\n"
#define RFC_8463_BODY "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n\r\n"

static const struct {
    const char *key, *field;
} rfc_8463[] = {
    {"MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/"
     "J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLz"
     "BfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
     "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
     " d=football.example.com; i=@football.example.com;\r\n"
     " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"
     " date : message-id : from : subject : date;\r\n"
     " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
     " b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n"
     " DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n"
     " dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n"},
    {"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
     "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
     " d=football.example.com; i=@football.example.com;\r\n"
     " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
     " subject : date : message-id : from : subject : date;\r\n"
     " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
     " b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n"
     " Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n"},
};

static void test_rfc_8463(void **state)
{
    struct buf key;
    (void)state;
    buf_init(&key, 1000, 0);
    for (unsigned a = 0; a < 2; a++) {
        buf_reset(&key);
        decode(sv_of(rfc_8463[a].key), &key);
        const uint8_t *at = (const uint8_t *)buf_view(&key).ptr;
        EVP_PKEY *pkey = a == REWRITE_DKIM_RSA
                             ? d2i_PUBKEY(NULL, &at, (long)buf_len(&key))
                             : EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, at, 32);
        assert_non_null(pkey);
        assert_true(
            verify(sv_of(rfc_8463[a].field), SV(RFC_8463_SECTION), SV(RFC_8463_BODY), pkey));
        assert_false(verify(sv_of(rfc_8463[a].field), SV(RFC_8463_SECTION), SV("Hi."), pkey));
        EVP_PKEY_free(pkey);
    }
    buf_deinit(&key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signatures), cmocka_unit_test(test_choice),
        cmocka_unit_test(test_refused),    cmocka_unit_test(test_lack),
        cmocka_unit_test(test_large),      cmocka_unit_test(test_rfc_8463),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

/*
 * Design: all that depends on the header section is done when it is whole: the author's domain, the
 * rows that sign, the hash of the signed fields, and of each signature field the text up to bh=.
 * What is kept while the body passes is that text and the states of the hashes, not the section.
 * At the end each signature's hash is that of the fields, copied, with its own field behind it.
 */
#include "rewrite/dkim.h"

#include "msa/base/b64.h"
#include "msa/base/require.h"
#include "rewrite/address.h"
#include "rewrite/dkim_fields.h"
#include "rewrite/domain.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FROM_FIELD    0 /* in the table of dkim_fields.h */
#define AUTHORS_MAX   100
#define LINE_MAX      76   /* bytes where a line can be folded */
#define TAGS_MAX      1000 /* all but h= and b=, with the longest domain and selector */
#define FIELD_MAX     (REWRITE_DKIM_NAMES_MAX + TAGS_MAX)
#define SIGNATURE_B64 (REWRITE_DKIM_SIGNATURE_MAX / 3 * 4 + 8)

_Static_assert(REWRITE_DKIM_SIGNERS_MAX *(FIELD_MAX + 2 * SIGNATURE_B64) < REWRITE_DKIM_FIELDS_MAX,
               "all of them, the values folded");

static const char *const canon_names[] = {
    [REWRITE_DKIM_SIMPLE] = "simple", [REWRITE_DKIM_RELAXED] = "relaxed"};

static const char *const lack_words[] = {[REWRITE_DKIM_LACKS_NOTHING] = "",
#define LACK_WORDS(name, words) [REWRITE_DKIM_LACKS_##name] = words,
                                         REWRITE_DKIM_LACKS(LACK_WORDS)
#undef LACK_WORDS
};

const char *rewrite_dkim_lack_words(enum rewrite_dkim_lack lack)
{
    REQUIRE(lack < sizeof lack_words / sizeof *lack_words);
    return lack_words[lack];
}

void rewrite_dkim_init(struct rewrite_dkim *d, struct rewrite_dkim_keys *keys, size_t header_size,
                       int64_t now_s)
{
    *d = (struct rewrite_dkim){.now_s = now_s};
    d->keys = keys ? rewrite_dkim_keys_keep(keys) : NULL;
    buf_init(&d->section, header_size, 0);
    for (size_t i = 0; i < REWRITE_DKIM_SIGNERS_MAX; i++) {
        buf_init(&d->signatures[i].field, FIELD_MAX, 0);
        buf_init(&d->signatures[i].value, SIGNATURE_B64, 0);
    }
    if (rewrite_dkim_keys_count(keys) == 0)
        d->state = REWRITE_DKIM_NOTHING;
}

void rewrite_dkim_deinit(struct rewrite_dkim *d)
{
    rewrite_dkim_keys_drop(d->keys);
    d->keys = NULL;
    buf_deinit(&d->section);
    for (size_t i = 0; i < REWRITE_DKIM_SIGNERS_MAX; i++) {
        buf_deinit(&d->signatures[i].field);
        buf_deinit(&d->signatures[i].value);
    }
    for (size_t c = 0; c < REWRITE_DKIM_CANONS; c++) {
        rewrite_sha256_deinit(&d->header[c]);
        rewrite_sha256_deinit(&d->body[c]);
    }
}

void rewrite_dkim_restart(struct rewrite_dkim *d)
{
    buf_reset(&d->section);
    for (size_t i = 0; i < d->count; i++) {
        buf_reset(&d->signatures[i].field);
        buf_reset(&d->signatures[i].value);
    }
    d->count = d->asked = d->line_start = 0;
    d->lack = REWRITE_DKIM_LACKS_NOTHING;
    d->require = false;
    d->domain[0] = '\0';
    d->state = rewrite_dkim_keys_count(d->keys) ? REWRITE_DKIM_HEADER : REWRITE_DKIM_NOTHING;
}

/* ---- the author ---- */

/* Nobody signs, and it is not known whose signature is missing. */
static void lack_any(struct rewrite_dkim *d, enum rewrite_dkim_lack lack)
{
    d->state = REWRITE_DKIM_NOTHING;
    d->lack = lack;
    d->domain[0] = '\0';
    for (size_t i = 0; i < rewrite_dkim_keys_count(d->keys); i++)
        d->require = d->require || rewrite_dkim_keys_at(d->keys, i)->require;
}

/* Looks for the signers of one From field; true if its domain has some, or needs some. */
static bool find_signers(struct rewrite_dkim *d, struct sv field, struct rewrite_dkim_signers *out,
                         bool *unread_out)
{
    struct rewrite_addresses w;
    struct rewrite_address m;
    enum rewrite_address_step step;
    rewrite_addresses_init(&w, field, sv_find(field, ':') + 1, field.len, AUTHORS_MAX);
    while ((step = rewrite_addresses_next(&w, &m)) == REWRITE_ADDRESS_MAILBOX) {
        struct sv domain = sv_range(field.ptr + m.domain, field.ptr + m.domain_end);
        if (m.domain_kind == REWRITE_DOMAIN_LITERAL || !rewrite_domain_make(domain, d->domain))
            continue;
        *out = rewrite_dkim_keys_find(d->keys, sv_of(d->domain), d->now_s);
        if (out->count || out->require)
            return true;
    }
    *unread_out = *unread_out || step == REWRITE_ADDRESS_FAULT;
    return false;
}

/* unread_out: some of From cannot be read, and the author may be there. */
static bool find_all_signers(struct rewrite_dkim *d, const struct rewrite_dkim_fields *f,
                             struct rewrite_dkim_signers *out, bool *unread_out)
{
    size_t n = f->names[FROM_FIELD].count;
    *unread_out = n > REWRITE_DKIM_SAME_MAX;
    for (size_t i = 0; i < n && i < REWRITE_DKIM_SAME_MAX; i++)
        if (find_signers(d,
                         sv_range(f->section.ptr + f->names[FROM_FIELD].start[i],
                                  f->section.ptr + f->names[FROM_FIELD].end[i]),
                         out, unread_out))
            return true;
    return false;
}

/* ---- the signature field ---- */

/* Writes a field that is folded between its words. */
struct folding {
    struct buf *out;
    size_t column;
};

static void put(struct folding *w, struct sv text)
{
    int err = buf_put(w->out, text);
    REQUIRE(err == 0); /* FIELD_MAX, REWRITE_DKIM_NAMES_MAX, REWRITE_DKIM_FIELDS_MAX */
    w->column += text.len;
}

/* name: with its "=". */
static void put_tag(struct folding *w, struct sv name, struct sv value, const char *end)
{
    size_t len = name.len + value.len + strlen(end);
    bool fits = w->column + 1 + len <= LINE_MAX;
    put(w, fits ? SV(" ") : SV("\r\n\t"));
    w->column = fits ? w->column : 1;
    put(w, name);
    put(w, value);
    put(w, sv_of(end));
}

/* The tag h=, on lines of its own: it is the same for all signatures of a message. */
struct naming {
    struct folding w;
    bool any;
};

static void put_name(void *arg, struct sv name)
{
    struct naming *n = arg;
    if (n->any)
        put(&n->w, SV(":"));
    if (n->any && n->w.column + name.len + 1 > LINE_MAX) {
        put(&n->w, SV("\r\n\t"));
        n->w.column = 1;
    }
    n->any = true;
    put(&n->w, name);
}

static void write_names(const struct rewrite_dkim_fields *f, struct buf *out)
{
    struct naming n = {.w = {.out = out, .column = 1}};
    put(&n.w, SV("\r\n\th="));
    n.w.column = sizeof "\th=" - 1;
    rewrite_dkim_fields_names(f, put_name, &n);
    put(&n.w, SV(";"));
}

/* All that the header section decides. */
static void begin_field(struct rewrite_dkim_signature *s, const char *time, struct sv names)
{
    const struct rewrite_dkim_key *k = s->key;
    struct folding w = {.out = &s->field};
    put(&w, SV("DKIM-Signature: v=1;"));
    put_tag(&w, SV("a="), sv_of(rewrite_dkim_algorithm_tag(k->algorithm)), ";");
    put_tag(&w, SV("c="), sv_of(canon_names[k->header]), "/");
    put(&w, sv_of(canon_names[k->body]));
    put(&w, SV(";"));
    put_tag(&w, SV("d="), k->domain, ";");
    put_tag(&w, SV("s="), k->selector, ";");
    put_tag(&w, SV("t="), sv_of(time), ";");
    put(&w, names);
}

static void end_field(struct rewrite_dkim *d, struct rewrite_dkim_signature *s)
{
    struct buf text;
    struct folding w = {.out = &s->field, .column = LINE_MAX}; /* begins a line */
    buf_init(&text, 64, 0);
    int err = b64_encode(
        &text, (struct sv){(const char *)d->body_hash[s->key->body], REWRITE_SHA256_BYTES});
    REQUIRE(err == 0);
    put_tag(&w, SV("bh="), buf_view(&text), ";");
    buf_deinit(&text);
    w.column = LINE_MAX;
    put_tag(&w, SV("b="), SV_NONE, "");
}

/* ---- content ---- */

static void add_to_hash(void *arg, struct sv run)
{
    rewrite_sha256_add(arg, run);
}

/* Which canonical forms are wanted, of the fields or of the body. */
static bool uses(const struct rewrite_dkim *d, enum rewrite_dkim_canon c, bool body)
{
    for (size_t i = 0; i < d->count; i++)
        if ((body ? d->signatures[i].key->body : d->signatures[i].key->header) == c)
            return true;
    return false;
}

static void begin_fields(struct rewrite_dkim *d, const struct rewrite_dkim_signers *signers,
                         const struct rewrite_dkim_fields *f)
{
    struct buf names;
    char time[24];
    snprintf(time, sizeof time, "%" PRId64, d->now_s < 0 ? 0 : d->now_s);
    buf_init(&names, REWRITE_DKIM_NAMES_MAX, 0);
    write_names(f, &names);
    for (size_t i = 0; i < d->count; i++) {
        d->signatures[i].key = signers->keys[i];
        begin_field(&d->signatures[i], time, buf_view(&names));
    }
    buf_deinit(&names);
}

/* The section is whole: who signs, and what of it. */
static void end_section(struct rewrite_dkim *d, struct sv section)
{
    struct rewrite_dkim_fields f;
    struct rewrite_dkim_signers signers = {.count = 0};
    bool unread;
    rewrite_dkim_fields_find(&f, section);
    d->state = REWRITE_DKIM_NOTHING;
    if (!find_all_signers(d, &f, &signers, &unread)) {
        if (unread)
            lack_any(d, REWRITE_DKIM_LACKS_FROM);
        return;
    }
    if (signers.count == 0) {
        d->lack = REWRITE_DKIM_LACKS_ROW;
        d->require = true;
        return;
    }
    d->state = REWRITE_DKIM_BODY;
    d->count = signers.count;
    begin_fields(d, &signers, &f);
    for (unsigned c = 0; c < REWRITE_DKIM_CANONS; c++) {
        if (uses(d, c, false)) {
            rewrite_sha256_init(&d->header[c]);
            rewrite_dkim_fields_hash(&f, c, add_to_hash, &d->header[c]);
        }
        if (uses(d, c, true)) {
            rewrite_sha256_init(&d->body[c]);
            d->canon[c] = (struct rewrite_dkim_body){.canon = c};
        }
    }
}

/* Whether the empty line is in text, whose first known bytes have no line end behind line_start;
 * then line_start is behind it. */
static bool find_end(struct rewrite_dkim *d, struct sv text, size_t known)
{
    for (;;) {
        size_t from = known > d->line_start ? known : d->line_start;
        const char *lf = from < text.len ? memchr(text.ptr + from, '\n', text.len - from) : NULL;
        if (!lf)
            return false;
        struct sv line = sv_range(text.ptr + d->line_start, lf);
        d->line_start = (size_t)(lf - text.ptr) + 1;
        if (line.len == 0 || (line.len == 1 && line.ptr[0] == '\r'))
            return true;
    }
}

/* Returns what of bytes lies behind the section. */
static struct sv feed_section(struct rewrite_dkim *d, struct sv bytes)
{
    size_t known = buf_len(&d->section);
    struct sv all = sv_first(bytes, d->section.max - known);
    bool is_cut = all.len < bytes.len;
    if (known) {
        int err = buf_put(&d->section, all);
        REQUIRE(!err);
        all = buf_view(&d->section);
    }
    if (find_end(d, all, known)) {
        end_section(d, sv_first(all, d->line_start));
        bytes = sv_skip(bytes, d->line_start - known);
        buf_release(&d->section);
        return bytes;
    }
    if (is_cut) {
        lack_any(d, REWRITE_DKIM_LACKS_SIZE);
        buf_release(&d->section);
    } else if (!known) {
        int err = buf_put(&d->section, all);
        REQUIRE(!err);
    }
    return SV_NONE;
}

void rewrite_dkim_feed(struct rewrite_dkim *d, struct sv bytes)
{
    REQUIRE(d->state != REWRITE_DKIM_ENDED);
    if (d->state == REWRITE_DKIM_HEADER && bytes.len)
        bytes = feed_section(d, bytes);
    if (d->state != REWRITE_DKIM_BODY || !bytes.len)
        return;
    for (unsigned c = 0; c < REWRITE_DKIM_CANONS; c++)
        if (uses(d, c, true))
            rewrite_dkim_body_feed(&d->canon[c], bytes, add_to_hash, &d->body[c]);
}

static void end_signature(struct rewrite_dkim *d, struct rewrite_dkim_signature *s)
{
    struct rewrite_sha256 h = {NULL};
    end_field(d, s);
    rewrite_sha256_copy(&h, &d->header[s->key->header]);
    rewrite_dkim_field(s->key->header, buf_view(&s->field), add_to_hash, &h);
    rewrite_sha256_finish(&h, s->hash);
    rewrite_sha256_deinit(&h);
}

void rewrite_dkim_end(struct rewrite_dkim *d)
{
    REQUIRE(d->state != REWRITE_DKIM_ENDED);
    if (d->state == REWRITE_DKIM_HEADER) { /* no empty line: there is no body */
        end_section(d, buf_view(&d->section));
        buf_release(&d->section);
    }
    for (unsigned c = 0; c < REWRITE_DKIM_CANONS; c++) {
        if (!uses(d, c, true))
            continue;
        rewrite_dkim_body_end(&d->canon[c], add_to_hash, &d->body[c]);
        rewrite_sha256_finish(&d->body[c], d->body_hash[c]);
    }
    for (size_t i = 0; i < d->count; i++)
        end_signature(d, &d->signatures[i]);
    d->state = REWRITE_DKIM_ENDED;
}

/* ---- signatures ---- */

bool rewrite_dkim_next(struct rewrite_dkim *d, struct rewrite_dkim_request *out)
{
    REQUIRE(d->state == REWRITE_DKIM_ENDED);
    if (d->asked == d->count)
        return false;
    struct rewrite_dkim_signature *s = &d->signatures[d->asked];
    *out = (struct rewrite_dkim_request){
        .key = s->key, .index = d->asked++, .hash = {(const char *)s->hash, sizeof s->hash}};
    return true;
}

void rewrite_dkim_signed(struct rewrite_dkim *d, size_t index, struct sv signature)
{
    REQUIRE(index < d->asked);
    struct buf *value = &d->signatures[index].value;
    buf_reset(value);
    if (signature.len <= REWRITE_DKIM_SIGNATURE_MAX)
        REQUIRE(b64_encode(value, signature) == 0);
}

bool rewrite_dkim_lacks(const struct rewrite_dkim *d, bool *required_out)
{
    bool lacks = d->lack != REWRITE_DKIM_LACKS_NOTHING;
    *required_out = d->require;
    for (size_t i = 0; i < d->count; i++) {
        if (buf_len(&d->signatures[i].value))
            continue;
        lacks = true;
        *required_out = *required_out || d->signatures[i].key->require;
    }
    return lacks;
}

static void put_signature(const struct rewrite_dkim_signature *s, struct buf *out)
{
    struct sv value = buf_view(&s->value);
    struct folding w = {.out = out};
    put(&w, buf_view(&s->field));
    w.column = sizeof "\tb=" - 1;
    while (value.len) {
        size_t n = LINE_MAX - w.column;
        put(&w, sv_first(value, n));
        value = sv_skip(value, n);
        if (value.len) {
            put(&w, SV("\r\n\t"));
            w.column = 1;
        }
    }
    put(&w, SV("\r\n"));
}

void rewrite_dkim_fields(const struct rewrite_dkim *d, struct buf *out)
{
    for (size_t i = 0; i < d->count; i++)
        if (buf_len(&d->signatures[i].value))
            put_signature(&d->signatures[i], out);
}

#include "rewrite/dkim_record.h"

#include "msa/base/require.h"

#define TAGS_MAX 32 /* more than any record has */

static const char *const words[] = {
#define VERDICT_WORD(name, word) [REWRITE_DKIM_RECORD_##name] = word,
    REWRITE_DKIM_VERDICTS(VERDICT_WORD)
#undef VERDICT_WORD
};

const char *rewrite_dkim_verdict_word(enum rewrite_dkim_verdict v)
{
    REQUIRE(v < sizeof words / sizeof *words);
    return words[v];
}

int rewrite_dkim_record_write(struct buf *out, enum rewrite_dkim_algorithm algorithm,
                              struct sv public_half)
{
    return buf_printf(out, "v=DKIM1; k=%s; p=%.*s", rewrite_dkim_algorithm_kind(algorithm),
                      SV_ARG(public_half));
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct sv trim(struct sv text)
{
    while (text.len && is_space(text.ptr[0]))
        text = sv_skip(text, 1);
    while (text.len && is_space(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

/* The next tag of a list (RFC 6376 3.2). False: it is none. */
static bool next_tag(struct sv *rest, struct sv *name_out, struct sv *value_out)
{
    struct sv tag = sv_split(rest, ';');
    size_t equals = sv_find(tag, '=');
    *name_out = trim(sv_first(tag, equals));
    *value_out = trim(sv_skip(tag, equals + 1));
    return equals < tag.len && name_out->len;
}

/* The same base64, but for white space in one of them. */
static bool same_key(struct sv published, struct sv ours)
{
    for (size_t i = 0; i < published.len; i++) {
        if (is_space(published.ptr[i]))
            continue;
        if (!ours.len || published.ptr[i] != ours.ptr[0])
            return false;
        ours = sv_skip(ours, 1);
    }
    return ours.len == 0;
}

/* Whether a list with colons has a word, or another one that means everything. */
static bool lists(struct sv list, struct sv word, struct sv all)
{
    while (list.len) {
        struct sv one = trim(sv_split(&list, ':'));
        if (sv_eq(one, word) || sv_eq(one, all))
            return true;
    }
    return false;
}

struct record {
    struct sv v, k, h, s, t, p;
    bool has_p, has_h, has_s;
};

static bool is_among(struct sv name, const struct sv *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (sv_eq(name, names[i]))
            return true;
    return false;
}

/* NULL, or why receivers must discard it (RFC 6376 3.2, 3.6.1). */
static const char *read_record(struct sv text, struct record *r)
{
    static const char none[] = "it is no record of a DKIM key";
    struct sv names[TAGS_MAX], name, value;
    *r = (struct record){.v = SV("DKIM1"), .k = SV("rsa")};
    for (size_t n = 0; trim(text).len; names[n++] = name) {
        if (n == TAGS_MAX || !next_tag(&text, &name, &value))
            return none;
        if (is_among(name, names, n))
            return "it has a tag twice";
        if (sv_eq(name, SV("v"))) {
            if (n > 0)
                return "its v= does not stand first";
            r->v = value;
        } else if (sv_eq(name, SV("k"))) {
            r->k = value;
        } else if (sv_eq(name, SV("t"))) {
            r->t = value;
        } else if (sv_eq(name, SV("h"))) {
            r->h = value;
            r->has_h = true;
        } else if (sv_eq(name, SV("s"))) {
            r->s = value;
            r->has_s = true;
        } else if (sv_eq(name, SV("p"))) {
            r->p = value;
            r->has_p = true;
        }
    }
    return r->has_p && sv_eq(r->v, SV("DKIM1")) ? NULL : none;
}

enum rewrite_dkim_verdict rewrite_dkim_record_judge(struct sv record,
                                                    enum rewrite_dkim_algorithm algorithm,
                                                    struct sv public_half, const char **why_out)
{
    struct record r;
    enum rewrite_dkim_verdict verdict = REWRITE_DKIM_RECORD_DIFFERS;
    const char *fault = read_record(record, &r);
    if (fault) {
        *why_out = fault;
    } else if (r.p.len == 0) {
        verdict = REWRITE_DKIM_RECORD_REVOKED;
        *why_out = "its p= is empty";
    } else if (!sv_ieq(r.k, sv_of(rewrite_dkim_algorithm_kind(algorithm)))) {
        *why_out = "its k= names another kind of key";
    } else if (!same_key(r.p, public_half)) {
        *why_out = "its p= is another key";
    } else if (r.has_h && !lists(r.h, SV("sha256"), SV("sha256"))) {
        *why_out = "its h= leaves sha256 out";
    } else if (r.has_s && !lists(r.s, SV("email"), SV("*"))) {
        *why_out = "its s= leaves email out";
    } else {
        verdict = REWRITE_DKIM_RECORD_OK;
        *why_out =
            lists(r.t, SV("y"), SV("y")) ? "its t=y says that the domain is only testing" : "";
    }
    return verdict;
}

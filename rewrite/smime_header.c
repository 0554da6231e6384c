#include "rewrite/smime_header.h"

#include "msa/base/require.h"
#include "rewrite/fields.h"
#include "rewrite/mime_type.h"

#include <string.h>

/* ---- fields ---- */

static bool is_named(struct sv section, const struct rewrite_field *f, struct sv prefix, bool whole)
{
    struct sv name = sv_trim(sv_range(section.ptr + f->start, section.ptr + f->value - 1));
    return whole ? sv_ieq(name, prefix) : sv_istarts(name, prefix);
}

static bool find(struct sv section, struct sv name, struct rewrite_field *out)
{
    size_t at = 0;
    while (rewrite_fields_next(section, &at, out))
        if (is_named(section, out, name, true))
            return true;
    return false;
}

/* ---- the media type ---- */

bool rewrite_smime_type_read(struct sv section, struct rewrite_smime_type *out)
{
    struct rewrite_field f;
    *out = (struct rewrite_smime_type){.type = SV_NONE};
    if (!find(section, SV("Content-Type"), &f))
        return false;
    struct sv value = sv_range(section.ptr + f.value, section.ptr + f.end);
    size_t end = rewrite_mime_type_read(value, &out->type, &out->subtype);
    out->parameters = sv_skip(value, end);
    return out->type.len && out->subtype.len;
}

struct sv rewrite_smime_parameter(const struct rewrite_smime_type *t, struct sv wanted)
{
    struct rewrite_mime_param p;
    size_t at = 0;
    while (rewrite_mime_param_next(t->parameters, &at, &p))
        if (sv_ieq(p.name, wanted))
            return rewrite_mime_param_text(t->parameters, &p);
    return SV_NONE;
}

static struct sv without_x(struct sv subtype)
{
    return sv_skip(subtype, sv_istarts(subtype, SV("x-")) ? 2 : 0);
}

bool rewrite_smime_is_application(const struct rewrite_smime_type *t, struct sv name)
{
    return sv_ieq(t->type, SV("application")) && sv_ieq(without_x(t->subtype), without_x(name));
}

/* RFC 8551 3.2.2. Without the parameter it may be either; what is encrypted must not be taken for
 * plain. */
static enum rewrite_smime_form form_of_pkcs7(struct sv smime_type)
{
    return sv_ieq(smime_type, SV("signed-data"))       ? REWRITE_SMIME_SIGNED
           : sv_ieq(smime_type, SV("compressed-data")) ? REWRITE_SMIME_PLAIN
           : sv_ieq(smime_type, SV("certs-only"))      ? REWRITE_SMIME_PLAIN
                                                       : REWRITE_SMIME_ENCRYPTED;
}

enum rewrite_smime_form rewrite_smime_form_of(struct sv section)
{
    struct rewrite_smime_type t;
    if (!rewrite_smime_type_read(section, &t))
        return REWRITE_SMIME_PLAIN;
    if (sv_ieq(t.type, SV("multipart")))
        return sv_ieq(t.subtype, SV("signed"))      ? REWRITE_SMIME_SIGNED
               : sv_ieq(t.subtype, SV("encrypted")) ? REWRITE_SMIME_ENCRYPTED
                                                    : REWRITE_SMIME_PLAIN;
    return rewrite_smime_is_application(&t, SV("pkcs7-mime"))
               ? form_of_pkcs7(rewrite_smime_parameter(&t, SV("smime-type")))
               : REWRITE_SMIME_PLAIN;
}

/* ---- outside and inside ---- */

int rewrite_smime_outside(struct sv section, enum rewrite_why why, struct sv added,
                          struct rewrite_edits *edits)
{
    struct rewrite_field f;
    size_t at = 0, end = section.len;
    int err = 0;
    while (err == 0 && rewrite_fields_next(section, &at, &f))
        if (is_named(section, &f, SV("Content-"), false))
            err = rewrite_edits_put(edits, f.start, f.end, SV(""), why, 0);
    if (err == 0 && !find(section, SV("MIME-Version"), &f))
        err = rewrite_edits_put(edits, end, end, SV("MIME-Version: 1.0\r\n"), why, 0);
    if (err == 0)
        err = rewrite_edits_put(edits, end, end, added, why, 0);
    rewrite_edits_seal(edits);
    return err;
}

/* Fields whose names begin so; or, the other way round, those that have no such name. */
static int put_fields(struct sv section, struct sv prefix, bool others, struct buf *out)
{
    struct rewrite_field f;
    size_t at = 0;
    int err = 0;
    while (err == 0 && rewrite_fields_next(section, &at, &f))
        if (is_named(section, &f, prefix, others) != others)
            err = buf_put(out, sv_range(section.ptr + f.start, section.ptr + f.end));
    return err;
}

static int end_entity(struct sv section, struct buf *out)
{
    struct rewrite_field f;
    int err = 0;
    if (!find(section, SV("Content-Type"), &f))
        err = buf_put(out, SV("Content-Type: text/plain\r\n"));
    return err ? err : buf_put(out, SV("\r\n"));
}

int rewrite_smime_inside(struct sv section, struct buf *out)
{
    int err = put_fields(section, SV("Content-"), false, out);
    return err ? err : end_entity(section, out);
}

int rewrite_smime_alone(struct sv section, struct buf *out)
{
    int err = buf_put(out, SV("MIME-Version: 1.0\r\n"));
    err = err ? err : put_fields(section, SV("Content-"), false, out);
    return err ? err : buf_put(out, SV("\r\n"));
}

int rewrite_smime_unwrap(struct sv alone, struct buf *out)
{
    int err = put_fields(alone, SV("MIME-Version"), true, out);
    return err ? err : end_entity(alone, out);
}

/* ---- pieces ---- */

void rewrite_smime_section_init(struct rewrite_smime_section *s, size_t max_bytes)
{
    *s = (struct rewrite_smime_section){.whole = false};
    buf_init(&s->text, max_bytes, 0);
}

void rewrite_smime_section_deinit(struct rewrite_smime_section *s)
{
    buf_deinit(&s->text);
}

/* How many of the bytes belong to the section; all of them if its end is not among them. */
static size_t share(struct rewrite_smime_section *s, struct sv bytes)
{
    struct sv before = buf_view(&s->text);
    size_t from = before.len > 3 ? before.len - 3 : 0;
    char join[6];
    size_t kept = before.len - from, more = bytes.len < 3 ? bytes.len : 3;
    if (before.len == 0 && sv_starts(bytes, SV("\r\n"))) { /* no field at all */
        s->whole = true;
        return 2;
    }
    if (before.len == 1 && before.ptr[0] == '\r' && bytes.len && bytes.ptr[0] == '\n') {
        s->whole = true;
        return 1;
    }
    if (kept)
        memcpy(join, before.ptr + from, kept);
    if (more)
        memcpy(join + kept, bytes.ptr, more);
    const char *end = kept ? memmem(join, kept + more, "\r\n\r\n", 4) : NULL;
    if (end) {
        s->whole = true;
        return (size_t)(end - join) + 4 - kept;
    }
    end = bytes.len ? memmem(bytes.ptr, bytes.len, "\r\n\r\n", 4) : NULL;
    s->whole = end != NULL;
    return end ? (size_t)(end - bytes.ptr) + 4 : bytes.len;
}

int rewrite_smime_section_feed(struct rewrite_smime_section *s, struct sv bytes,
                               struct sv *rest_out)
{
    size_t taken = s->whole ? 0 : share(s, bytes);
    *rest_out = sv_skip(bytes, taken);
    return buf_put(&s->text, sv_first(bytes, taken));
}

struct sv rewrite_smime_section_fields(const struct rewrite_smime_section *s)
{
    struct sv text = buf_view(&s->text);
    REQUIRE(s->whole);
    return sv_first(text, text.len - 2);
}

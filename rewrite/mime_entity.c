#include "rewrite/mime_entity.h"

#include "rewrite/fields.h"
#include "rewrite/mime_type.h"

/* ---- the boundary ---- */

/* Appends a value; false: it holds what no boundary may. */
static bool add_boundary(struct rewrite_mime_entity *e, struct sv value, bool is_quoted)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        bool folds = c == '\r' && i + 1 < value.len && value.ptr[i + 1] == '\n';
        if (is_quoted && (folds || c == '\n'))
            continue;
        if (c == '\r')
            c = ' ';
        if (is_quoted && c == '\\' && i + 1 < value.len)
            c = value.ptr[++i];
        if (c < 32 || c > 126 || e->boundary_len == sizeof e->boundary)
            return false;
        e->boundary[e->boundary_len++] = c;
    }
    return true;
}

/* False: there is none, or it cannot be used. */
static bool read_boundary(struct rewrite_mime_entity *e, struct sv value)
{
    struct rewrite_mime_param p;
    size_t at = 0, pieces = 0;
    e->boundary_len = 0;
    while (rewrite_mime_param_next(value, &at, &p)) {
        struct sv text = rewrite_mime_param_text(value, &p);
        if (!sv_istarts(p.name, SV("boundary")))
            continue;
        struct sv mark = sv_skip(p.name, sizeof "boundary" - 1);
        if (!mark.len && !pieces) {
            if (!add_boundary(e, text, p.is_quoted))
                return false;
            break;
        }
        uint64_t number;
        if (mark.len && mark.ptr[mark.len - 1] == '*')
            return false; /* in percents: no delimiter that a reader would know */
        if (mark.len < 2 || mark.ptr[0] != '*' ||
            !sv_u64(sv_skip(mark, 1), REWRITE_MIME_BOUNDARY, &number) || number != pieces)
            continue;
        pieces++;
        if (!add_boundary(e, text, p.is_quoted))
            return false;
    }
    while (e->boundary_len && e->boundary[e->boundary_len - 1] == ' ')
        e->boundary_len--; /* space at its end looks like padding of the line */
    return e->boundary_len > 0;
}

/* ---- fields ---- */

static bool has_charset(struct sv value)
{
    struct rewrite_mime_param p;
    size_t at = 0;
    while (rewrite_mime_param_next(value, &at, &p))
        if (sv_ieq(sv_first(p.name, sv_find(p.name, '*')), SV("charset")))
            return true;
    return false;
}

static void read_type(struct rewrite_mime_entity *e, struct sv value)
{
    static const struct {
        struct sv type, subtype; /* subtype empty: any */
        enum rewrite_mime_kind kind;
    } types[] = {
        {{"text", 4}, {"", 0}, REWRITE_MIME_TEXT},
        {{"multipart", 9}, {"signed", 6}, REWRITE_MIME_SIGNED},
        {{"multipart", 9}, {"encrypted", 9}, REWRITE_MIME_ENCRYPTED},
        {{"multipart", 9}, {"", 0}, REWRITE_MIME_MULTIPART},
        {{"message", 7}, {"rfc822", 6}, REWRITE_MIME_MESSAGE},
        {{"message", 7}, {"news", 4}, REWRITE_MIME_MESSAGE},
        /* RFC 6532 3.7, RFC 6533 4, 5, 6 */
        {{"message", 7}, {"global", 6}, REWRITE_MIME_TEXT},
        {{"message", 7}, {"global-headers", 14}, REWRITE_MIME_TEXT},
        {{"message", 7}, {"global-delivery-status", 22}, REWRITE_MIME_TEXT},
        {{"message", 7}, {"global-disposition-notification", 31}, REWRITE_MIME_TEXT},
        {{"message", 7}, {"", 0}, REWRITE_MIME_FIXED}, /* RFC 2045 6.4 */
    };
    struct sv type, subtype;
    rewrite_mime_type_read(value, &type, &subtype);
    if (!type.len || !subtype.len)
        return; /* RFC 2045 5.2: what has no type is text */
    e->kind = REWRITE_MIME_OTHER;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (!sv_ieq(type, types[i].type) ||
            (types[i].subtype.len && !sv_ieq(subtype, types[i].subtype)))
            continue;
        e->kind = types[i].kind;
        break;
    }
    e->lacks_charset =
        e->kind == REWRITE_MIME_TEXT && sv_ieq(subtype, SV("plain")) && !has_charset(value);
    if (e->kind == REWRITE_MIME_MULTIPART) {
        e->is_digest = sv_ieq(subtype, SV("digest"));
        if (!read_boundary(e, value))
            e->kind = REWRITE_MIME_UNREADABLE;
    }
}

static enum rewrite_mime_encoding read_encoding(struct sv value)
{
    static const struct {
        const char *word;
        enum rewrite_mime_encoding encoding;
    } words[] = {
        {"7bit", REWRITE_MIME_7BIT},
        {"8bit", REWRITE_MIME_8BIT},
        {"binary", REWRITE_MIME_BINARY},
        {"quoted-printable", REWRITE_MIME_QUOTED_PRINTABLE},
        {"base64", REWRITE_MIME_BASE64},
        /* seen in mail, and meaning that nothing is encoded */
        {"7-bit", REWRITE_MIME_7BIT},
        {"7bits", REWRITE_MIME_7BIT},
        {"8-bit", REWRITE_MIME_8BIT},
        {"8bits", REWRITE_MIME_8BIT},
        {"8bitmime", REWRITE_MIME_8BIT},
        {"none", REWRITE_MIME_8BIT},
        {"utf-8", REWRITE_MIME_8BIT},
        {"us-ascii", REWRITE_MIME_7BIT},
    };
    size_t at = 0;
    struct sv word = rewrite_mime_token(value, &at);
    if (!word.len)
        return REWRITE_MIME_8BIT;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (sv_ieq(word, sv_of(words[i].word)))
            return words[i].encoding;
    return REWRITE_MIME_ENCODED;
}

size_t rewrite_mime_first_field(struct sv section)
{
    struct sv name;
    size_t lf = sv_find(section, '\n');
    if (!sv_starts(section, SV("From ")) ||
        rewrite_fields_line(sv_first(section, lf), &name) == REWRITE_LINE_FIELD)
        return 0;
    while (lf + 1 < section.len && (section.ptr[lf + 1] == ' ' || section.ptr[lf + 1] == '\t'))
        lf += 1 + sv_find(sv_skip(section, lf + 1), '\n');
    return lf < section.len ? lf + 1 : section.len;
}

void rewrite_mime_entity_read(struct sv section, bool in_digest, struct rewrite_mime_entity *out)
{
    struct rewrite_field f;
    size_t at = rewrite_mime_first_field(section);
    *out = (struct rewrite_mime_entity){
        .kind = in_digest ? REWRITE_MIME_MESSAGE : REWRITE_MIME_TEXT, .lacks_charset = !in_digest};
    while (rewrite_fields_next(section, &at, &f)) {
        struct sv value = {section.ptr + f.value, f.end - f.value};
        if (f.kind == REWRITE_FIELD_CONTENT_TYPE && !out->has_type) {
            out->has_type = true;
            out->kind = REWRITE_MIME_TEXT;
            out->lacks_charset = false;
            read_type(out, value);
        } else if (f.kind == REWRITE_FIELD_CONTENT_ENCODING && !out->has_encoding) {
            out->has_encoding = true;
            out->encoding = read_encoding(value);
        } else if (f.kind == REWRITE_FIELD_MIME_VERSION) {
            out->has_version = true;
        }
    }
    /* RFC 2045 6.4 forbids an encoding of what holds entities. In a message it
     * hides them; in a multipart delimiters are there to be seen or not. */
    if (out->kind == REWRITE_MIME_MESSAGE && out->encoding >= REWRITE_MIME_QUOTED_PRINTABLE)
        out->kind = REWRITE_MIME_OTHER;
}

#include "rewrite/received.h"

#include "rewrite/date.h"

#include <string.h>

#define SOLICIT_MAX 900 /* so that its line stays below 998 */

/* What a value may hold of its own; everything else leaves as "?". */
static bool is_host_byte(char c)
{
    return ascii_alpha(c) || ascii_digit(c) || (c != '\0' && strchr(".-_:[]", c));
}

static bool is_token_byte(char c)
{
    return ascii_alpha(c) || ascii_digit(c) || c == '_' || c == '-';
}

/* A mailbox may hold quoted spaces and any printable byte, and UTF-8 where the envelope has it.
 * "<" and ">" can only stand in a quoted local part and would mislead a lenient reader. */
static bool is_path_byte(char c)
{
    return (unsigned char)c >= 32 && c != 127 && c != '<' && c != '>';
}

static bool is_keyword_byte(char c)
{
    return is_token_byte(c) || c == '.' || c == ':' || c == ',';
}

static int put_filtered(struct buf *out, struct sv text, size_t max, bool (*allowed)(char))
{
    struct sv cut = sv_first(text, max);
    char *at;
    int err = buf_reserve(out, cut.len, &at);
    if (err < 0)
        return err;
    for (size_t i = 0; i < cut.len; i++)
        at[i] = allowed(cut.ptr[i]) ? cut.ptr[i] : '?';
    buf_added(out, cut.len);
    return 0;
}

static int put_from(struct buf *out, const struct rewrite_received *r)
{
    int err = buf_put(out, SV("Received: from "));
    if (err < 0)
        return err;
    if (r->hide_client || (!r->address.len && !r->helo.len))
        return put_filtered(out, r->by, 255, is_host_byte);
    if (!r->address.len)
        return put_filtered(out, r->helo, 255, is_host_byte);
    /* The address is known, the name only claimed: so the address stands first. RFC 5321 4.1.3
     * tags IPv6 literals. */
    bool is_v6 = sv_find(r->address, ':') < r->address.len;
    if ((err = buf_put(out, is_v6 ? SV("[IPv6:") : SV("["))) < 0 ||
        (err = put_filtered(out, r->address, 64, is_host_byte)) < 0 ||
        (err = buf_put(out, SV("]"))) < 0)
        return err;
    if (!r->helo.len)
        return 0;
    if ((err = buf_put(out, SV(" ("))) < 0 ||
        (err = put_filtered(out, r->helo, 255, is_host_byte)) < 0)
        return err;
    return buf_put(out, SV(")"));
}

static int put_clause(struct buf *out, struct sv before, struct sv value, bool (*allowed)(char),
                      struct sv after)
{
    if (!value.len)
        return 0;
    int err = buf_put(out, before);
    if (err < 0 || (err = put_filtered(out, value, 330, allowed)) < 0)
        return err;
    return buf_put(out, after);
}

/* RFC 3865 2.6: a comment behind the protocol, on a line of its own; keywords stay whole. */
static int put_solicit(struct buf *out, struct sv keywords)
{
    if (keywords.len > SOLICIT_MAX)
        keywords = sv_first(keywords, sv_rfind(sv_first(keywords, SOLICIT_MAX + 1), ','));
    if (!keywords.len || keywords.len > SOLICIT_MAX) /* a single keyword may be too long */
        return 0;
    int err = buf_put(out, SV("\r\n\t(SOLICIT="));
    if (err < 0 || (err = put_filtered(out, keywords, SOLICIT_MAX, is_keyword_byte)) < 0)
        return err;
    return buf_put(out, SV(")\r\n")); /* the id clause begins with the space that folds */
}

static int put_priority(struct buf *out, const struct rewrite_received *r)
{
    return r->has_priority ? buf_printf(out, "\r\n\tPRIORITY %d", r->priority) : 0;
}

int rewrite_received_write(struct buf *out, const struct rewrite_received *r)
{
    size_t before = buf_len(out);
    char date[REWRITE_DATE_MAX];
    int err;
    /* Order of RFC 5321 4.4: from, by, via, with, id, for, then registered clauses. */
    if ((err = put_from(out, r)) < 0 ||
        (err = put_clause(out, SV(" by "), r->by, is_host_byte, SV("\r\n\t"))) < 0 ||
        (err = put_clause(out, SV("with "), r->protocol, is_token_byte, SV_NONE)) < 0 ||
        (err = put_solicit(out, r->solicit)) < 0 ||
        (err = put_clause(out, SV(" id "), r->id, is_token_byte, SV_NONE)) < 0 ||
        (err = put_clause(out, SV("\r\n\tfor <"), r->for_path, is_path_byte, SV(">"))) < 0 ||
        (err = put_priority(out, r)) < 0 ||
        (err = put_clause(out, SV("\r\n\ttls "), r->tls, is_token_byte, SV_NONE)) < 0 ||
        (err = buf_printf(out, ";\r\n\t%s\r\n", rewrite_date_write(date, r->wall_s))) < 0)
        buf_truncate(out, before);
    return err;
}

/*
 * Design: one cursor walks the text once and writes the canonical form into a buffer on the stack;
 * only a path that is good is copied to the arena. The local part's length counts as written
 * (RFC 5321 4.5.3.1.1), the path's without the source route, which is dropped, and the domain's
 * with A-labels: those limits are for what goes on to the next hop and into the DNS.
 */
#include "msa/smtp/path.h"

#include "msa/base/utf8.h"

#include <stdio.h>
#include <string.h>

struct cursor {
    const char *at, *end;
};

struct draft {
    char text[SMTP_PATH_MAX];
    size_t len, local_len;
    enum smtp_path_kind kind;
    bool qualified;
};

/* A domain or address literal in canonical form. */
struct domain {
    char text[SMTP_DOMAIN_MAX];
    size_t len;
    bool qualified;
};

static struct cursor cursor_of(struct sv text)
{
    const char *at = text.ptr ? text.ptr : "";
    return (struct cursor){at, at + text.len};
}

static int peek(const struct cursor *c)
{
    return c->at < c->end ? (unsigned char)*c->at : -1;
}

/* Octets of the UTF-8 character at the cursor, 0 if there is none. */
static size_t peek_utf8(const struct cursor *c)
{
    return utf8_non_ascii(sv_range(c->at, c->end));
}

static bool take(struct cursor *c, char want)
{
    if (peek(c) != (unsigned char)want)
        return false;
    c->at++;
    return true;
}

static bool is_let_dig(int c)
{
    return c >= 0 && c < 128 && (ascii_alpha((char)c) || ascii_digit((char)c));
}

/* RFC 5322 3.2.3; UTF-8 is read by its own function */
static bool is_atext(int c)
{
    return is_let_dig(c) || (c > 0 && c < 128 && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* Dot-string = Atom *("." Atom); that text holds no other than good UTF-8 is known. */
static bool is_dot_string(struct sv text)
{
    bool dot = true;
    for (size_t i = 0; i < text.len; i++) {
        int b = (unsigned char)text.ptr[i];
        if (b == '.' ? dot : b < 128 && !is_atext(b))
            return false;
        dot = b == '.';
    }
    return !dot;
}

static enum smtp_path_verdict add_lower(struct domain *d, struct sv text)
{
    if (text.len > sizeof d->text - d->len)
        return SMTP_PATH_TOO_LONG;
    for (size_t i = 0; i < text.len; i++)
        d->text[d->len++] = ascii_lower(text.ptr[i]);
    return SMTP_PATH_OK;
}

/* Let-dig [Ldh-str] or U-label; stops behind the last character that can be part of it. */
static struct sv span_label(struct cursor *c)
{
    const char *start = c->at;
    for (;;) {
        int b = peek(c);
        size_t len = is_let_dig(b) || b == '-' ? 1 : peek_utf8(c);
        if (len == 0)
            return sv_range(start, c->at);
        c->at += len;
    }
}

static enum smtp_path_verdict read_label(struct cursor *c, struct domain *d)
{
    char made[SMTP_LABEL_MAX];
    struct sv label = span_label(c);
    if (label.len == 0 || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
        return SMTP_PATH_BAD_SYNTAX;
    if (smtp_idn_concerns(label)) {
        size_t len;
        int err = smtp_idn_label(label, made, &len);
        if (err < 0)
            return err == ERR_FULL ? SMTP_PATH_TOO_LONG : SMTP_PATH_BAD_SYNTAX;
        label = (struct sv){made, len};
    }
    if (label.len > SMTP_LABEL_MAX)
        return SMTP_PATH_TOO_LONG;
    d->qualified = false; /* no top level consists of digits: RFC 1123 2.1 */
    for (size_t i = 0; i < label.len; i++)
        d->qualified = d->qualified || !ascii_digit(label.ptr[i]);
    return add_lower(d, label);
}

/* Domain = sub-domain *("." sub-domain) */
static enum smtp_path_verdict read_domain(struct cursor *c, struct domain *d)
{
    size_t labels = 0;
    d->len = 0;
    do {
        enum smtp_path_verdict v = labels++ ? add_lower(d, SV(".")) : SMTP_PATH_OK;
        if (v == SMTP_PATH_OK)
            v = read_label(c, d);
        if (v != SMTP_PATH_OK)
            return v;
    } while (take(c, '.'));
    d->qualified = d->qualified && labels > 1;
    return SMTP_PATH_OK;
}

/* IPv4-address-literal: four decimal numbers, which may have zeros in front; written without. */
static bool put_ipv4(struct domain *d, struct sv text)
{
    for (int i = 0; i < 4; i++) {
        char number[8];
        uint64_t n;
        struct sv part = i < 3 ? sv_split(&text, '.') : text;
        if (part.len > 3 || !sv_u64(part, 255, &n))
            return false;
        snprintf(number, sizeof number, i < 3 ? "%u." : "%u", (unsigned)n);
        if (add_lower(d, sv_of(number)) != SMTP_PATH_OK)
            return false;
    }
    return true;
}

/* Groups of an IPv6 address that are written; those of an IPv4 address at its end are two. */
static size_t count_groups(struct sv text)
{
    size_t groups = 0;
    while (text.len) {
        struct sv part = sv_split(&text, ':');
        groups += part.len == 0 ? 0 : sv_find(part, '.') < part.len ? 2 : 1;
    }
    return groups;
}

/* IPv6-addr; as in RFC 5952 4.2.2 "::" stands for two groups at least. */
static bool put_ipv6(struct domain *d, struct sv text)
{
    struct ip ip;
    size_t start = d->len;
    bool has_ipv4 = sv_find(text, '.') < text.len;
    size_t tail = has_ipv4 ? sv_rfind(text, ':') + 1 : text.len;
    if (add_lower(d, sv_first(text, tail)) != SMTP_PATH_OK ||
        (has_ipv4 && !put_ipv4(d, sv_skip(text, tail))))
        return false;
    struct sv made = {d->text + start, d->len - start};
    return ip_parse(made, &ip) && ip.family == IP_V6 &&
           (count_groups(made) <= 6 || count_groups(made) == 8);
}

/* General-address-literal: a tag and what it says. */
static bool put_general(struct domain *d, struct sv text)
{
    struct sv content = text;
    struct sv tag = sv_split(&content, ':');
    if (tag.len == text.len || tag.len == 0 || content.len == 0)
        return false;
    for (size_t i = 0; i < tag.len; i++)
        if (!is_let_dig((unsigned char)tag.ptr[i]) && tag.ptr[i] != '-')
            return false;
    for (size_t i = 0; i < content.len; i++)
        if (content.ptr[i] < 33 || content.ptr[i] > 126 || strchr("[]\\", content.ptr[i]))
            return false;
    return tag.ptr[tag.len - 1] != '-' && add_lower(d, text) == SMTP_PATH_OK;
}

/* address-literal, RFC 5321 4.1.3 */
static enum smtp_path_verdict read_literal(struct cursor *c, struct domain *d)
{
    const char *start = c->at++;
    const char *close = memchr(start, ']', (size_t)(c->end - start));
    if (!close)
        return SMTP_PATH_BAD_SYNTAX;
    struct sv text = sv_range(start + 1, close);
    if (text.len > sizeof d->text - 2)
        return SMTP_PATH_TOO_LONG;
    *d = (struct domain){.text = "[", .len = 1, .qualified = true};
    bool good = sv_istarts(text, SV("IPv6:"))
                    ? add_lower(d, SV("ipv6:")) == SMTP_PATH_OK && put_ipv6(d, sv_skip(text, 5))
                : sv_find(text, ':') == text.len ? put_ipv4(d, text)
                                                 : put_general(d, text);
    c->at = close + 1;
    return good ? add_lower(d, SV("]")) : SMTP_PATH_BAD_SYNTAX;
}

/* Writes local as a dot-string if it is one, else quoted; raw has no more than SMTP_LOCAL_MAX. */
static void put_local(struct draft *d, struct sv raw)
{
    if (is_dot_string(raw)) {
        memcpy(d->text, raw.ptr, raw.len);
        d->len = raw.len;
    } else {
        d->text[d->len++] = '"';
        for (size_t i = 0; i < raw.len; i++) {
            if (raw.ptr[i] == '"' || raw.ptr[i] == '\\')
                d->text[d->len++] = '\\';
            d->text[d->len++] = raw.ptr[i];
        }
        d->text[d->len++] = '"';
    }
    d->local_len = d->len;
}

/* Quoted-string: qtextSMTP is 32-33, 35-91, 93-126 and UTF-8; after a backslash 32-126. */
static enum smtp_path_verdict read_quoted(struct cursor *c, struct draft *d)
{
    char raw[SMTP_LOCAL_MAX];
    size_t len = 0;
    const char *start = c->at++;
    while (!take(c, '"')) {
        size_t utf8 = peek_utf8(c);
        if (utf8 == 0) {
            take(c, '\\');
            if (peek(c) < 32 || peek(c) > 126)
                return SMTP_PATH_BAD_SYNTAX;
        }
        size_t n = utf8 ? utf8 : 1;
        if (n <= sizeof raw - len) { /* what does not fit is too long, below */
            memcpy(raw + len, c->at, n);
            len += n;
        }
        c->at += n;
    }
    if (c->at - start > SMTP_LOCAL_MAX)
        return SMTP_PATH_TOO_LONG;
    put_local(d, (struct sv){raw, len});
    return SMTP_PATH_OK;
}

static enum smtp_path_verdict read_local(struct cursor *c, struct draft *d)
{
    if (peek(c) == '"')
        return read_quoted(c, d);
    const char *start = c->at;
    for (size_t n; (n = is_atext(peek(c)) || peek(c) == '.' ? 1 : peek_utf8(c)) > 0;)
        c->at += n;
    struct sv raw = sv_range(start, c->at);
    if (!is_dot_string(raw))
        return SMTP_PATH_BAD_SYNTAX;
    if (raw.len > SMTP_LOCAL_MAX)
        return SMTP_PATH_TOO_LONG;
    put_local(d, raw);
    return SMTP_PATH_OK;
}

/* Mailbox = Local-part "@" ( Domain / address-literal ) */
static enum smtp_path_verdict read_mailbox(struct cursor *c, struct draft *d)
{
    struct domain domain;
    enum smtp_path_verdict v = read_local(c, d);
    if (v != SMTP_PATH_OK)
        return v;
    if (!take(c, '@'))
        return peek(c) < 0 || peek(c) == '>' ? SMTP_PATH_NO_DOMAIN : SMTP_PATH_BAD_SYNTAX;
    d->kind = peek(c) == '[' ? SMTP_PATH_LITERAL : SMTP_PATH_MAILBOX;
    v = d->kind == SMTP_PATH_LITERAL ? read_literal(c, &domain) : read_domain(c, &domain);
    if (v != SMTP_PATH_OK)
        return v;
    if (d->len + 1 + domain.len > SMTP_PATH_MAX - 2)
        return SMTP_PATH_TOO_LONG;
    d->text[d->len++] = '@';
    memcpy(d->text + d->len, domain.text, domain.len);
    d->len += domain.len;
    d->qualified = domain.qualified;
    return SMTP_PATH_OK;
}

/* A-d-l ":", RFC 5321 C: must be accepted, should be ignored. */
static enum smtp_path_verdict skip_route(struct cursor *c)
{
    struct domain unused;
    do {
        if (!take(c, '@'))
            return SMTP_PATH_BAD_SYNTAX;
        enum smtp_path_verdict v = read_domain(c, &unused);
        if (v != SMTP_PATH_OK)
            return v;
    } while (take(c, ','));
    return take(c, ':') ? SMTP_PATH_OK : SMTP_PATH_BAD_SYNTAX;
}

static void keep(struct arena *a, const struct draft *d, struct sv given, struct smtp_path *out)
{
    struct sv text = {d->text, d->len};
    *out = (struct smtp_path){.text = arena_sv(a, text),
                              .local_len = (uint16_t)d->local_len,
                              .kind = (uint8_t)d->kind,
                              .utf8 = !utf8_is_ascii(text),
                              .had_utf8 = !utf8_is_ascii(given)};
}

/* The inside of the brackets, up to close (or the end when close is 0). */
static enum smtp_path_verdict read_inside(struct cursor *c, enum smtp_path_use use, int close,
                                          struct draft *d)
{
    if (peek(c) == close) {
        d->kind = SMTP_PATH_NULL;
        return use == SMTP_PATH_REVERSE ? SMTP_PATH_OK : SMTP_PATH_BAD_SYNTAX;
    }
    bool routed = peek(c) == '@';
    enum smtp_path_verdict v = routed ? skip_route(c) : SMTP_PATH_OK;
    if (v == SMTP_PATH_OK)
        v = read_mailbox(c, d);
    if (v != SMTP_PATH_OK && v != SMTP_PATH_NO_DOMAIN)
        return v;
    if (peek(c) != close)
        return SMTP_PATH_BAD_SYNTAX;
    if (v == SMTP_PATH_NO_DOMAIN && close == '>' && use == SMTP_PATH_FORWARD && !routed &&
        sv_ieq((struct sv){d->text, d->len}, SV("postmaster"))) {
        d->kind = SMTP_PATH_POSTMASTER;
        return SMTP_PATH_OK;
    }
    if (v == SMTP_PATH_OK && !d->qualified)
        return SMTP_PATH_UNQUALIFIED;
    return v;
}

static bool is_one_label(struct sv domain)
{
    bool digits = true;
    for (size_t i = 0; i < domain.len; i++) {
        if (domain.ptr[i] == '.')
            return false;
        digits = digits && ascii_digit(domain.ptr[i]);
    }
    return !digits;
}

enum smtp_path_verdict smtp_path_parse(struct arena *a, struct sv text, enum smtp_path_use use,
                                       struct smtp_path *out, struct sv *rest_out)
{
    struct draft d = {.len = 0};
    while (text.len && text.ptr[0] == ' ')
        text = sv_skip(text, 1);
    struct cursor c = cursor_of(text);
    if (!take(&c, '<'))
        return SMTP_PATH_BAD_SYNTAX;
    enum smtp_path_verdict v = read_inside(&c, use, '>', &d);
    if (v != SMTP_PATH_OK && v != SMTP_PATH_UNQUALIFIED)
        return v;
    c.at++;
    if (peek(&c) >= 0 && peek(&c) != ' ')
        return SMTP_PATH_BAD_SYNTAX;
    keep(a, &d, sv_range(text.ptr, c.at), out);
    out->unqualified = v == SMTP_PATH_UNQUALIFIED && is_one_label(smtp_path_domain(out));
    *rest_out = sv_range(c.at, c.end);
    return v;
}

enum smtp_path_verdict smtp_path_parse_address(struct arena *a, struct sv text,
                                               enum smtp_path_use use, struct smtp_path *out)
{
    struct draft d = {.len = 0};
    struct cursor c = cursor_of(text);
    enum smtp_path_verdict v = read_inside(&c, use, -1, &d);
    if (v == SMTP_PATH_OK)
        keep(a, &d, text, out);
    return v;
}

struct smtp_reply smtp_path_refusal(enum smtp_path_verdict v, enum smtp_path_use use)
{
    bool reverse = use == SMTP_PATH_REVERSE;
    struct smtp_status syntax = reverse ? SMTP_STATUS(5, 1, 7) : SMTP_STATUS(5, 1, 3);
    switch (v) {
    case SMTP_PATH_TOO_LONG:
        return (struct smtp_reply){.code = 501, .enhanced = syntax, .text = SV("Path too long")};
    case SMTP_PATH_NO_DOMAIN:
        return (struct smtp_reply){
            .code = 501, .enhanced = syntax, .text = SV("Address needs a domain")};
    case SMTP_PATH_UNQUALIFIED:
        return (struct smtp_reply){.code = 554,
                                   .enhanced =
                                       reverse ? SMTP_STATUS(5, 1, 8) : SMTP_STATUS(5, 1, 2),
                                   .text = SV("Domain is not fully qualified")};
    case SMTP_PATH_OK:
        return SMTP_REPLY_NONE;
    case SMTP_PATH_BAD_SYNTAX:
        break;
    }
    return (struct smtp_reply){.code = 501, .enhanced = syntax, .text = SV("Bad address syntax")};
}

bool smtp_path_ip(const struct smtp_path *p, struct ip *out)
{
    return p->kind == SMTP_PATH_LITERAL && ip_literal_parse(smtp_path_domain(p), out);
}

bool smtp_path_same(const struct smtp_path *a, const struct smtp_path *b)
{
    return a->kind == b->kind && sv_ieq(a->text, b->text);
}

bool smtp_domain_valid(struct sv text)
{
    struct cursor c = cursor_of(text);
    struct domain unused;
    return utf8_is_ascii(text) && read_domain(&c, &unused) == SMTP_PATH_OK && c.at == c.end;
}

/*
 * Design: one cursor goes forward over the value and never back. A list element begins with words
 * and dots, which are a phrase or a local part; what follows decides: "@" makes them a local part,
 * "<" a display name, ":" the name of a group. So no look-ahead is needed, and nesting of comments
 * is a counter. A byte is looked at once as part of a token, and once more if it is 8-bit text
 * whose encoding matters.
 */
#include "rewrite/address.h"

#include "msa/base/require.h"
#include "msa/base/utf8.h"

/* RFC 5322 3.2.3: letters, digits and !#$%&'*+-/=?^_`{|}~, a bit each */
static const uint64_t atext[2] = {0xA3FFACFA00000000, 0x7FFFFFFFC7FFFFFE};

static const char *const words_of[] = {
#define FAULT_WORDS(name, words) [REWRITE_ADDRESS_##name] = words,
    REWRITE_ADDRESS_FAULTS(FAULT_WORDS)
#undef FAULT_WORDS
};

const char *rewrite_address_words(enum rewrite_address_fault fault)
{
    REQUIRE(fault > REWRITE_ADDRESS_OK && fault < REWRITE_ADDRESS_FAULT_COUNT);
    return words_of[fault];
}

/* ---- bytes ---- */

static bool fail_at(struct rewrite_addresses *w, enum rewrite_address_fault fault, size_t at)
{
    w->fault = fault;
    w->fault_at = at;
    return false;
}

static bool fail(struct rewrite_addresses *w, enum rewrite_address_fault fault)
{
    return fail_at(w, fault, w->at);
}

/* The byte at the cursor, -1 at the end. */
static int peek(const struct rewrite_addresses *w)
{
    return w->at < w->end ? (unsigned char)w->section.ptr[w->at] : -1;
}

static void step(struct rewrite_addresses *w)
{
    w->at++;
    w->walked++;
}

static bool is_white(int c)
{
    return c == ' ' || c == '\t';
}

static bool is_atext(int c)
{
    return c >= 128 || (c >= 0 && (atext[c / 64] >> (c % 64) & 1)); /* RFC 6532 3.2 */
}

/* At a CR: passes a line end that folds the field; any other CR is none of this grammar. */
static bool skip_fold(struct rewrite_addresses *w)
{
    const char *p = w->section.ptr + w->at;
    if (w->end - w->at < 3 || p[1] != '\n' || !is_white((unsigned char)p[2]))
        return fail(w, REWRITE_ADDRESS_CHARACTER);
    step(w);
    step(w);
    w->has_cfws = true;
    return true;
}

/* A byte of a quoted string, comment or literal that is none of its delimiters: obsolete control
 * characters pass, a backslash takes the byte behind it along. */
static bool skip_text(struct rewrite_addresses *w)
{
    int c = peek(w);
    if (c == '\\') {
        step(w);
        c = peek(w);
        if (c == '\r')
            return fail(w, REWRITE_ADDRESS_CHARACTER);
        if (c < 0)
            return true; /* the caller says what lacks its end */
    }
    if (c == '\r')
        return skip_fold(w);
    if (c == '\n' || c == '\0')
        return fail(w, REWRITE_ADDRESS_CHARACTER);
    step(w);
    return true;
}

static bool is_utf8(struct rewrite_addresses *w, size_t from, size_t to)
{
    struct sv text = sv_first(sv_skip(w->section, from), to - from);
    size_t n = 1;
    w->walked += text.len;
    while (text.len && (n = utf8_length(text)) > 0)
        text = sv_skip(text, n);
    return n > 0;
}

/* ---- tokens ---- */

static bool skip_comment(struct rewrite_addresses *w)
{
    size_t start = w->at, depth = 0;
    do {
        int c = peek(w);
        if (c < 0)
            return fail_at(w, REWRITE_ADDRESS_COMMENT_OPEN, start);
        if (c != '(' && c != ')') {
            if (!skip_text(w))
                return false;
            continue;
        }
        if (c == '(' && ++depth > REWRITE_COMMENT_DEPTH)
            return fail(w, REWRITE_ADDRESS_COMMENT_DEPTH);
        if (c == ')')
            depth--;
        step(w);
    } while (depth);
    return true;
}

static bool skip_cfws(struct rewrite_addresses *w)
{
    for (;;) {
        int c = peek(w);
        if (is_white(c))
            step(w);
        else if (c == '\r' ? !skip_fold(w) : c == '(' ? !skip_comment(w) : false)
            return false;
        else if (c != '\r' && c != '(')
            return true;
        w->has_cfws = true;
    }
}

/* An atom, of one byte at least; utf8_out: its 8-bit bytes are UTF-8. */
static void read_atom(struct rewrite_addresses *w, bool *utf8_out)
{
    size_t start = w->at;
    int bits = 0;
    for (int c = peek(w); is_atext(c); c = peek(w)) {
        bits |= c;
        step(w);
    }
    *utf8_out = bits < 0x80 || is_utf8(w, start, w->at);
}

static bool read_quoted(struct rewrite_addresses *w, bool *utf8_out)
{
    size_t start = w->at;
    int bits = 0;
    step(w);
    for (int c = peek(w); c != '"'; c = peek(w)) {
        if (c < 0)
            return fail_at(w, REWRITE_ADDRESS_QUOTE_OPEN, start);
        size_t before = w->at;
        if (!skip_text(w))
            return false;
        bits |= (unsigned char)w->section.ptr[before] | (unsigned char)w->section.ptr[w->at - 1];
    }
    step(w);
    *utf8_out = bits < 0x80 || is_utf8(w, start, w->at);
    return true;
}

/* Words and dots with what lies between them: a phrase, a local part, or neither. */
struct words {
    size_t from, to; /* first to last byte of words and dots */
    size_t bad_dot;  /* where a dot spoils a local part: to, if none does */
    size_t apart;    /* where a word follows a word without a dot: to, if nowhere */
    bool any, leading_dot, utf8, has_cfws;
};

static bool read_words(struct rewrite_addresses *w, struct words *out)
{
    enum { NOTHING, WORD, DOT } before = NOTHING;
    bool bad_dot = false, apart = false;
    *out = (struct words){.from = w->at, .to = w->at, .utf8 = true};
    w->has_cfws = false;
    for (int c = peek(w); c == '.' || c == '"' || is_atext(c); c = peek(w)) {
        size_t start = w->at;
        bool utf8 = true;
        if (c == '.') {
            step(w);
            if (before != WORD && !bad_dot) {
                bad_dot = true;
                out->bad_dot = start;
            }
            out->leading_dot |= before == NOTHING;
            before = DOT;
        } else {
            if (c == '"' ? !read_quoted(w, &utf8) : (read_atom(w, &utf8), false))
                return false;
            if (before == WORD && !apart) {
                apart = true;
                out->apart = start;
            }
            out->utf8 &= utf8;
            before = WORD;
        }
        out->any = true;
        out->has_cfws = w->has_cfws; /* what lies behind the last token is not inside */
        out->to = w->at;
        if (!skip_cfws(w))
            return false;
    }
    if (!bad_dot)
        out->bad_dot = before == DOT ? out->to - 1 : out->to;
    if (!apart)
        out->apart = out->to;
    return true;
}

static bool is_local(struct rewrite_addresses *w, const struct words *words, bool in_angle)
{
    if (!words->any)
        return fail(w, REWRITE_ADDRESS_NO_LOCAL);
    if (words->apart < words->to)
        return in_angle ? fail_at(w, REWRITE_ADDRESS_APART, words->apart)
                        : fail_at(w, REWRITE_ADDRESS_NAME, words->from);
    if (words->bad_dot < words->to)
        return fail_at(w, REWRITE_ADDRESS_DOTS, words->bad_dot);
    return words->utf8 || fail_at(w, REWRITE_ADDRESS_NOT_UTF8, words->from);
}

/* ---- domains ---- */

static bool read_literal(struct rewrite_addresses *w, struct rewrite_address *out)
{
    size_t start = w->at;
    int bits = 0;
    out->domain = start;
    out->domain_kind = REWRITE_DOMAIN_LITERAL;
    step(w);
    for (int c = peek(w); c != ']'; c = peek(w)) {
        if (c < 0)
            return fail_at(w, REWRITE_ADDRESS_LITERAL_OPEN, start);
        if (c == '[')
            return fail(w, REWRITE_ADDRESS_CHARACTER);
        w->has_cfws |= is_white(c);
        size_t before = w->at;
        if (!skip_text(w))
            return false;
        bits |= (unsigned char)w->section.ptr[before] | (unsigned char)w->section.ptr[w->at - 1];
    }
    step(w);
    out->domain_end = w->at;
    out->has_cfws |= w->has_cfws;
    if (bits >= 0x80 && !is_utf8(w, start, w->at))
        return fail_at(w, REWRITE_ADDRESS_NOT_UTF8, start);
    return true;
}

static bool is_digits(struct rewrite_addresses *w, size_t from, size_t to)
{
    size_t i = from;
    while (i < to && ascii_digit(w->section.ptr[i]))
        i++;
    w->walked += i - from;
    return i == to;
}

/* No label where one must stand; is_first: directly behind the "@". */
static bool fail_label(struct rewrite_addresses *w, bool is_first)
{
    switch (peek(w)) {
    case '@':
        return fail(w, REWRITE_ADDRESS_SECOND_AT);
    case '.':
        return fail(w, REWRITE_ADDRESS_DOTS);
    case '"':
    case '[':
        return fail(w, REWRITE_ADDRESS_CHARACTER);
    default:
        return fail(w, is_first ? REWRITE_ADDRESS_NO_DOMAIN : REWRITE_ADDRESS_DOTS);
    }
}

/* At the "@"; also reads the CFWS behind the domain. */
static bool read_domain(struct rewrite_addresses *w, struct rewrite_address *out)
{
    size_t labels = 0, label;
    step(w);
    if (!skip_cfws(w))
        return false;
    out->has_cfws |= w->has_cfws;
    if (peek(w) == '[')
        return read_literal(w, out) && skip_cfws(w);
    out->domain = w->at;
    for (;;) {
        bool utf8;
        label = w->at;
        if (!is_atext(peek(w)))
            return fail_label(w, labels == 0);
        read_atom(w, &utf8);
        if (!utf8)
            return fail_at(w, REWRITE_ADDRESS_NOT_UTF8, label);
        out->domain_end = w->at;
        out->has_cfws |= labels > 0 && w->has_cfws;
        labels++;
        if (!skip_cfws(w))
            return false;
        if (peek(w) != '.')
            break;
        step(w);
        if (!skip_cfws(w))
            return false;
    }
    out->domain_kind = labels == 1                            ? REWRITE_DOMAIN_LABEL
                       : is_digits(w, label, out->domain_end) ? REWRITE_DOMAIN_DIGITS
                                                              : REWRITE_DOMAIN_QUALIFIED;
    return true;
}

/* ---- list elements ---- */

/* At the "@" behind words that must be a local part. */
static bool read_addr_spec(struct rewrite_addresses *w, const struct words *words, bool in_angle,
                           struct rewrite_address *out)
{
    if (!is_local(w, words, in_angle))
        return false;
    *out = (struct rewrite_address){.local = words->from,
                                    .local_end = words->to,
                                    .in_group = w->in_group,
                                    .has_cfws = words->has_cfws || words->to < w->at};
    w->has_cfws = false;
    return read_domain(w, out);
}

/* obs-route: *(CFWS / ",") "@" domain *("," [CFWS] ["@" domain]) ":"; read and forgotten. */
static bool skip_route(struct rewrite_addresses *w)
{
    struct rewrite_address hop = {0};
    bool any = false;
    for (;;) {
        int c = peek(w);
        if (c == ',') {
            step(w);
            if (!skip_cfws(w))
                return false;
        } else if (c == '@') {
            any = true;
            if (!read_domain(w, &hop))
                return false;
            if (peek(w) != ',' && peek(w) != ':')
                return fail(w, REWRITE_ADDRESS_ROUTE);
        } else if (c == ':' && any) {
            step(w);
            return skip_cfws(w);
        } else {
            return fail(w, REWRITE_ADDRESS_ROUTE);
        }
    }
}

/* At the "<". */
static bool read_angle(struct rewrite_addresses *w, struct rewrite_address *out)
{
    struct words words;
    size_t start = w->at;
    step(w);
    if (!skip_cfws(w))
        return false;
    bool has_route = peek(w) == '@' || peek(w) == ',';
    if (has_route && !skip_route(w))
        return false;
    if (!read_words(w, &words))
        return false;
    int c = peek(w);
    if (c == '>' || c < 0 || c == ',' || c == ';')
        return c != '>'    ? fail_at(w, REWRITE_ADDRESS_ANGLE_OPEN, start)
               : words.any ? fail(w, REWRITE_ADDRESS_NO_DOMAIN)
                           : fail_at(w, REWRITE_ADDRESS_EMPTY, start);
    if (c != '@')
        return fail(w, REWRITE_ADDRESS_CHARACTER);
    if (!read_addr_spec(w, &words, true, out))
        return false;
    out->has_route = has_route;
    c = peek(w);
    if (c != '>')
        return c == '@'                        ? fail(w, REWRITE_ADDRESS_SECOND_AT)
               : c < 0 || c == ',' || c == ';' ? fail_at(w, REWRITE_ADDRESS_ANGLE_OPEN, start)
                                               : fail(w, REWRITE_ADDRESS_BEHIND);
    step(w);
    return skip_cfws(w);
}

/* Behind a mailbox or a group: what may follow an element. The ";" of the group is left. */
static bool end_element(struct rewrite_addresses *w)
{
    switch (peek(w)) {
    case ',':
        step(w);
        return true;
    case -1:
        return true;
    case ';':
        return w->in_group || fail(w, REWRITE_ADDRESS_SEMICOLON);
    case '@':
        return fail(w, REWRITE_ADDRESS_SECOND_AT);
    default:
        return fail(w, REWRITE_ADDRESS_BEHIND);
    }
}

static bool end_group(struct rewrite_addresses *w)
{
    if (!w->in_group)
        return fail(w, REWRITE_ADDRESS_SEMICOLON);
    w->in_group = false;
    step(w);
    return skip_cfws(w) && end_element(w);
}

/* At the ":" behind a phrase. */
static bool begin_group(struct rewrite_addresses *w, const struct words *words)
{
    if (w->in_group)
        return fail(w, REWRITE_ADDRESS_GROUP_NESTED);
    if (!words->any)
        return fail(w, REWRITE_ADDRESS_GROUP_NAME);
    if (words->leading_dot)
        return fail_at(w, REWRITE_ADDRESS_DOTS, words->from);
    w->in_group = w->has_group = true;
    w->group = words->from;
    step(w);
    return true;
}

/* One step over the list: a mailbox (*found), or an empty element, or an edge of a group. */
static bool read_element(struct rewrite_addresses *w, struct rewrite_address *out, bool *found)
{
    struct words words;
    if (!read_words(w, &words))
        return false;
    switch (peek(w)) {
    case '@':
        *found = true;
        return read_addr_spec(w, &words, false, out) && end_element(w);
    case '<':
        if (words.leading_dot)
            return fail_at(w, REWRITE_ADDRESS_DOTS, words.from);
        *found = true;
        return read_angle(w, out) && end_element(w);
    case ':':
        return begin_group(w, &words);
    case ',':
    case ';':
    case -1:
        if (words.any)
            return fail_at(w, REWRITE_ADDRESS_WORDS, words.from);
        if (peek(w) == ';')
            return end_group(w);
        if (peek(w) == ',') {
            w->has_empty = true;
            step(w);
        }
        return true;
    default:
        return fail(w, REWRITE_ADDRESS_CHARACTER);
    }
}

/* ---- interface ---- */

void rewrite_addresses_init(struct rewrite_addresses *w, struct sv section, size_t from, size_t to,
                            size_t max_mailboxes)
{
    REQUIRE(from <= to && to <= section.len);
    if (to - from >= 2 && section.ptr[to - 1] == '\n' && section.ptr[to - 2] == '\r')
        to -= 2;
    *w = (struct rewrite_addresses){
        .section = section, .at = from, .end = to, .element = from, .left = max_mailboxes};
}

enum rewrite_address_step rewrite_addresses_next(struct rewrite_addresses *w,
                                                 struct rewrite_address *out)
{
    bool found = false, good = w->fault == REWRITE_ADDRESS_OK;
    while (good && !found) {
        if (!(good = skip_cfws(w)))
            break;
        w->element = w->at;
        if (w->at == w->end) {
            if (!w->in_group)
                return REWRITE_ADDRESS_END;
            good = fail_at(w, REWRITE_ADDRESS_GROUP_OPEN, w->group);
        } else {
            good = read_element(w, out, &found);
        }
    }
    if (good && !w->left)
        good = fail_at(w, REWRITE_ADDRESS_TOO_MANY, w->element);
    if (!good)
        return REWRITE_ADDRESS_FAULT;
    w->left--;
    return REWRITE_ADDRESS_MAILBOX;
}

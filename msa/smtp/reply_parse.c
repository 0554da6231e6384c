/*
 * Design: a byte machine over columns. Text is kept while it fits, everything else only counted,
 * so that a reply of any size costs the struct and nothing more.
 */
#include "msa/smtp/reply_parse.h"

#include "msa/base/require.h"

#include <string.h>

enum column { COLUMN_SEPARATOR = 3, COLUMN_TEXT = 4 };

static const char *const fault_texts[] = {
#define FAULT_TEXT(name, text) [SMTP_REPLY_FAULT_##name] = text,
    SMTP_REPLY_FAULTS(FAULT_TEXT)
#undef FAULT_TEXT
};

const char *smtp_reply_fault_text(enum smtp_reply_fault fault)
{
    return fault_texts[fault];
}

void smtp_reply_parse_init(struct smtp_reply_parser *p)
{
    p->reply = SMTP_REPLY_NONE;
    p->fault = SMTP_REPLY_FAULT_NONE;
    p->cut = p->done = p->had_cr = p->more_lines = false;
    p->column = 0;
    p->line_code = 0;
    p->wire_bytes = 0;
    p->line_start = p->kept_len = 0;
}

static enum smtp_reply_progress fail(struct smtp_reply_parser *p, enum smtp_reply_fault fault)
{
    p->fault = fault;
    return SMTP_REPLY_BAD;
}

static void keep(struct smtp_reply_parser *p, char c)
{
    if (p->kept_len == sizeof(p->kept)) {
        p->cut = true;
        return;
    }
    /* Tabs are harmless, but a report folds lines at spaces. */
    p->kept[p->kept_len++] = c == '\t' ? ' ' : c < 32 || c > 126 ? '?' : c;
}

/* RFC 2034 4: takes the enhanced status off the line that was just kept, if it is the reply's. */
static void strip_enhanced(struct smtp_reply_parser *p)
{
    struct sv line = {p->kept + p->line_start, p->kept_len - p->line_start}, rest;
    struct smtp_status status;
    bool is_first = p->line_start == 0;
    if (!smtp_status_parse(line, &status, &rest) || status.class != p->reply.code / 100)
        return;
    if (is_first)
        p->reply.enhanced = status;
    else if (!smtp_status_eq(status, p->reply.enhanced))
        return;
    memmove(p->kept + p->line_start, rest.ptr, rest.len);
    p->kept_len = p->line_start + rest.len;
}

/* A whole line was read. True: it was the last of the reply. */
static bool end_line(struct smtp_reply_parser *p)
{
    if (p->reply.code / 100 != 3)
        strip_enhanced(p);
    p->column = 0;
    p->line_code = 0;
    p->had_cr = false;
    if (!p->more_lines) {
        p->reply.text = (struct sv){p->kept, p->kept_len};
        p->done = true;
        return true;
    }
    if (p->kept_len < sizeof(p->kept))
        p->kept[p->kept_len++] = '\n';
    p->line_start = p->kept_len;
    return false;
}

/* A byte before the text: a digit of the code, or what parts it from the text. */
static enum smtp_reply_fault head_byte(struct smtp_reply_parser *p, char c)
{
    if (p->column < COLUMN_SEPARATOR) {
        if (!ascii_digit(c) || (p->column == 0 && (c < '2' || c > '5')))
            return SMTP_REPLY_FAULT_CODE;
        p->line_code = p->line_code * 10 + (c - '0');
    } else if (c != ' ' && c != '-') {
        return SMTP_REPLY_FAULT_CODE;
    } else {
        p->more_lines = c == '-';
    }
    p->column++;
    if (p->column != COLUMN_SEPARATOR)
        return SMTP_REPLY_FAULT_NONE;
    p->more_lines = false; /* "250" alone is a last line (RFC 5321 4.2) */
    if (p->reply.code && p->reply.code != p->line_code)
        return SMTP_REPLY_FAULT_MIXED;
    p->reply.code = p->line_code;
    return SMTP_REPLY_FAULT_NONE;
}

enum smtp_reply_progress smtp_reply_parse_feed(struct smtp_reply_parser *p, struct sv bytes,
                                               size_t *used_out)
{
    REQUIRE(p->fault == SMTP_REPLY_FAULT_NONE);
    if (p->done)
        smtp_reply_parse_init(p);
    for (size_t i = 0; i < bytes.len; i++) {
        char c = bytes.ptr[i];
        *used_out = i + 1;
        if (++p->wire_bytes > SMTP_REPLY_WIRE_BYTES)
            return fail(p, SMTP_REPLY_FAULT_LONG);
        if (c == '\n' && p->column >= COLUMN_SEPARATOR) {
            if (end_line(p))
                return SMTP_REPLY_DONE;
            continue;
        }
        if (p->had_cr) /* a CR inside the line is text */
            keep(p, '\r');
        p->had_cr = c == '\r' && p->column >= COLUMN_SEPARATOR;
        if (p->had_cr)
            continue;
        if (p->column == COLUMN_TEXT) {
            keep(p, c);
            continue;
        }
        enum smtp_reply_fault fault = head_byte(p, c);
        if (fault)
            return fail(p, fault);
    }
    *used_out = bytes.len;
    return SMTP_REPLY_MORE;
}

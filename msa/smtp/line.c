/*
 * Design: length counts every octet of the current line, kept or not, so that the limits do not
 * depend on how the bytes were cut. What decides about a line is its first octet that is special:
 * whatever precedes it only decides whether the line is too long.
 */
#include "msa/smtp/line.h"

enum state {
    STATE_KEEP, /* octets so far are in part, or none */
    STATE_LONG, /* too long, nothing is kept: refused at its CRLF */
    STATE_SKIP  /* refused already: up to its CRLF nothing matters */
};

void smtp_line_init(struct smtp_line *l)
{
    *l = (struct smtp_line){.state = STATE_KEEP};
    buf_init(&l->part, SMTP_LINE_AUTH, BUF_SECRET);
}

void smtp_line_deinit(struct smtp_line *l)
{
    buf_deinit(&l->part);
}

void smtp_line_release(struct smtp_line *l)
{
    buf_release(&l->part);
}

static void restart(struct smtp_line *l)
{
    l->state = STATE_KEEP;
    l->length = 0;
    l->last_cr = false;
}

static size_t find_special(struct sv in)
{
    size_t i = 0;
    while (i < in.len && in.ptr[i] != '\r' && in.ptr[i] != '\n' && in.ptr[i] != '\0')
        i++;
    return i;
}

static size_t limit_of(const struct smtp_line *l, struct sv in, bool auth)
{
    static const char verb[] = "AUTH ";
    struct sv part = buf_view(&l->part);
    for (size_t i = 0; !auth && i < 5; i++) {
        char c = i < part.len ? part.ptr[i] : i - part.len < in.len ? in.ptr[i - part.len] : ' ';
        if (ascii_lower(c) != ascii_lower(verb[i]))
            return SMTP_LINE_PARAMS;
    }
    return SMTP_LINE_AUTH;
}

/* Keeps text, or gives up keeping. */
static void keep(struct smtp_line *l, struct sv text, bool auth)
{
    if (l->state != STATE_KEEP)
        return;
    size_t limit = limit_of(l, text, auth) - 2;
    if (buf_len(&l->part) + text.len > limit || buf_put(&l->part, text) < 0) {
        l->state = STATE_LONG;
        buf_release(&l->part);
    }
}

static enum smtp_line_event spoil(struct smtp_line *l)
{
    bool again = l->state == STATE_SKIP;
    l->state = STATE_SKIP;
    buf_release(&l->part);
    return again ? SMTP_LINE_MORE : SMTP_LINE_BAD;
}

/* CRLF was met behind text, the last octets of the line. */
static enum smtp_line_event complete(struct smtp_line *l, struct sv text, bool auth,
                                     struct sv *line_out)
{
    enum smtp_line_event event = SMTP_LINE_READY;
    if (l->state == STATE_SKIP) {
        event = SMTP_LINE_MORE;
    } else if (l->state == STATE_KEEP && buf_len(&l->part) == 0) {
        if (text.len + 2 > limit_of(l, text, auth))
            event = SMTP_LINE_TOO_LONG;
        *line_out = text;
    } else {
        keep(l, text, auth);
        if (l->state == STATE_LONG)
            event = SMTP_LINE_TOO_LONG;
        *line_out = buf_view(&l->part);
    }
    restart(l);
    return event;
}

/* One octet, or the ordinary octets before a special one. */
static enum smtp_line_event step(struct smtp_line *l, struct sv in, bool auth, size_t *taken_out,
                                 struct sv *line_out)
{
    if (l->last_cr) {
        l->last_cr = false;
        if (in.ptr[0] == '\n') {
            *taken_out = 1;
            return complete(l, SV_NONE, auth, line_out);
        }
        *taken_out = 0;
        return spoil(l);
    }
    size_t at = find_special(in);
    struct sv text = sv_first(in, at);
    if (l->length + at > SMTP_LINE_SKIP) {
        *taken_out = in.len;
        return SMTP_LINE_ENDLESS;
    }
    l->length += (uint32_t)at;
    if (at + 1 < in.len && in.ptr[at] == '\r' && in.ptr[at + 1] == '\n') {
        *taken_out = at + 2;
        return complete(l, text, auth, line_out);
    }
    *taken_out = at < in.len ? at + 1 : at;
    keep(l, text, auth);
    if (at == in.len)
        return SMTP_LINE_MORE;
    l->length++;
    l->last_cr = in.ptr[at] == '\r';
    return l->last_cr ? SMTP_LINE_MORE : spoil(l);
}

enum smtp_line_event smtp_line_feed(struct smtp_line *l, struct sv in, bool auth, size_t *taken_out,
                                    struct sv *line_out)
{
    enum smtp_line_event event = SMTP_LINE_MORE;
    size_t used = 0;
    while (used < in.len && event == SMTP_LINE_MORE) {
        size_t taken;
        event = step(l, sv_skip(in, used), auth, &taken, line_out);
        used += taken;
    }
    *taken_out = used;
    return event;
}

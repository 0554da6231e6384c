/*
 * Design: both machines share one scanner, which walks over ordinary text and whole lines with
 * vector compares and stops only where something must be decided: a CR or LF that is not part of
 * CRLF, a NUL, a dot that begins a line, the end of the bytes. Everything else passes as a view.
 *
 * Receiving, states (a held byte has been taken but not given out):
 *
 *     LINE    at the start, or after a true CRLF      "." -> DOT
 *     DOT     a dot held                              CR -> DOT_CR, LF -> SOFT ("." stays),
 *                                                     else TEXT
 *     DOT_CR  a dot and a CR held                     LF -> END, else TEXT (CR was bare)
 *     TEXT    inside a line                           CR at the end of the bytes -> CR
 *     CR      a CR held                               LF -> LINE, else TEXT (CR was bare)
 *     SOFT    after a bare LF: a dot here is content
 */
#include "msa/smtp/dot.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum state { STATE_LINE, STATE_DOT, STATE_DOT_CR, STATE_TEXT, STATE_CR, STATE_SOFT, STATE_END };

enum stop {
    STOP_END,     /* no more bytes */
    STOP_LINE,    /* no more bytes, and the last were CRLF */
    STOP_DOT,     /* at a dot behind CRLF */
    STOP_LAST_CR, /* at a CR, the last byte */
    STOP_CR,      /* at a bare CR */
    STOP_LF,      /* at a bare LF */
    STOP_NUL
};

struct place {
    uint64_t line, column;
    uint64_t long_line; /* number of the first line that was too long; 0: none */
};

static inline bool is_special(char c)
{
    return c == '\r' || c == '\n' || c == '\0';
}

/* The first CR, LF or NUL, or end. */
static inline const char *find_special(const char *at, const char *end)
{
#ifdef __SSE2__
    const __m128i cr = _mm_set1_epi8('\r'), lf = _mm_set1_epi8('\n'), nul = _mm_setzero_si128();
    for (; end - at >= 16; at += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, cr), _mm_cmpeq_epi8(v, lf)),
                                   _mm_cmpeq_epi8(v, nul));
        int mask = _mm_movemask_epi8(hit);
        if (mask)
            return at + __builtin_ctz((unsigned)mask);
    }
#endif
    while (at < end && !is_special(*at))
        at++;
    return at;
}

static void end_line(struct place *p)
{
    if (p->column > SMTP_TEXT_LINE_MAX && p->long_line == 0)
        p->long_line = p->line;
    p->line++;
    p->column = 0;
}

/* Walks from at until something must be decided; *stop_out is where. dots: stop at dots. */
static enum stop walk(const char *at, const char *end, bool dots, struct place *p,
                      const char **stop_out)
{
    for (;;) {
        const char *hit = find_special(at, end);
        p->column += (uint64_t)(hit - at);
        *stop_out = hit;
        if (hit == end)
            return STOP_END;
        if (*hit == '\0')
            return STOP_NUL;
        if (*hit == '\n')
            return STOP_LF;
        if (hit + 1 == end)
            return STOP_LAST_CR;
        if (hit[1] != '\n')
            return STOP_CR;
        end_line(p);
        at = hit + 2;
        *stop_out = at;
        if (at == end)
            return STOP_LINE;
        if (dots && *at == '.')
            return STOP_DOT;
    }
}

void smtp_dot_init(struct smtp_dot *d, enum smtp_dot_mode mode, bool reject_bare_newlines)
{
    *d = (struct smtp_dot){
        .mode = (uint8_t)mode, .state = STATE_LINE, .reject = reject_bare_newlines, .line = 1};
}

static void note(struct smtp_dot *d, enum smtp_dot_fault fault, uint64_t line)
{
    d->seen |= (uint8_t)fault;
    if (!d->reject && (fault == SMTP_FAULT_BARE_CR || fault == SMTP_FAULT_BARE_LF))
        return;
    if (fault == SMTP_FAULT_LONG_LINE)
        return; /* such a line is re-encoded at delivery */
    if (d->refused == 0) {
        d->refused = (uint8_t)fault;
        d->fault_line = line;
    }
}

/* A line end of any kind, after text that was not walked over. */
static void close_line(struct smtp_dot *d)
{
    struct place p = {.line = d->line, .column = d->column};
    end_line(&p);
    if (p.long_line)
        note(d, SMTP_FAULT_LONG_LINE, p.long_line);
    d->line = p.line;
    d->column = 0;
    d->fake_end = d->lone_dot;
    d->lone_dot = false;
}

/* A held CR turns out to be bare. */
static void bare_cr(struct smtp_dot *d, struct sv *piece)
{
    note(d, SMTP_FAULT_BARE_CR, d->line);
    d->column++;
    d->state = STATE_TEXT;
    d->lone_dot = d->fake_end = false;
    *piece = SV(" ");
}

/* The same, c being what follows it instead of a LF: taken too. */
static void bare_cr_before(struct smtp_dot *d, char c, struct sv *piece)
{
    bare_cr(d, piece);
    if (c == '\r') {
        d->state = STATE_CR;
    } else if (c == '\0') {
        note(d, SMTP_FAULT_NUL, d->line);
    } else {
        d->column++;
        d->pair[0] = ' ';
        d->pair[1] = c;
        *piece = (struct sv){d->pair, 2};
    }
}

static void bare_lf(struct smtp_dot *d)
{
    note(d, SMTP_FAULT_BARE_LF, d->line);
    close_line(d);
    d->state = STATE_SOFT;
}

/* TEXT, and the states that have become text: the fast path. */
static size_t take_text(struct smtp_dot *d, struct sv in, struct sv *piece)
{
    struct place p = {.line = d->line, .column = d->column};
    const char *stop;
    enum stop why = walk(in.ptr, in.ptr + in.len, d->mode == SMTP_DOT_DATA, &p, &stop);
    *piece = sv_range(in.ptr, stop);
    if (piece->len) {
        /* inside this piece begins a line after a true CRLF, or the line is more than a dot */
        bool line_end = piece->ptr[0] == '\r';
        d->fake_end =
            line_end && d->lone_dot && (why == STOP_LINE || why == STOP_DOT) && piece->len == 2;
        d->lone_dot = false;
    }
    d->line = p.line;
    d->column = p.column;
    if (p.long_line)
        note(d, SMTP_FAULT_LONG_LINE, p.long_line);
    d->state = STATE_TEXT;
    switch (why) {
    case STOP_END:
        break;
    case STOP_LINE:
        d->state = STATE_LINE;
        break;
    case STOP_DOT:
        d->state = STATE_DOT;
        return piece->len + 1;
    case STOP_LAST_CR:
    case STOP_CR:
        d->state = STATE_CR;
        return piece->len + 1;
    case STOP_LF:
        if (piece->len)
            break; /* the LF comes with the next call */
        bare_lf(d);
        *piece = SV("\r\n");
        return 1;
    case STOP_NUL:
        note(d, SMTP_FAULT_NUL, d->line);
        d->lone_dot = d->fake_end = false;
        return piece->len + 1;
    }
    return piece->len;
}

/* Behind a dot that begins a line after a true CRLF. */
static size_t take_after_dot(struct smtp_dot *d, struct sv in, struct sv *piece)
{
    d->fake_end = false;
    if (in.ptr[0] == '\r') {
        d->state = STATE_DOT_CR;
        return 1;
    }
    if (in.ptr[0] == '\n') {
        d->column = 1;
        d->lone_dot = true;
        bare_lf(d);
        *piece = SV(".\r\n");
        return 1;
    }
    return take_text(d, in, piece);
}

/* Binary content: all of it passes, and is walked over only to see whether it is lines of text. */
static size_t take_binary(struct smtp_dot *d, struct sv in, struct sv *piece)
{
    struct place p = {.line = d->line, .column = d->column};
    const char *at = in.ptr, *end = in.ptr + in.len;
    *piece = in;
    if (d->state == STATE_CR && *at == '\n') {
        end_line(&p);
        at++;
        d->state = STATE_LINE;
    } else if (d->state == STATE_CR) {
        d->seen |= SMTP_FAULT_BARE_CR;
        p.column++;
        d->state = STATE_TEXT;
    }
    while (at < end) {
        const char *stop;
        enum stop why = walk(at, end, false, &p, &stop);
        d->state = why == STOP_LINE ? STATE_LINE : why == STOP_LAST_CR ? STATE_CR : STATE_TEXT;
        at = stop;
        if (why == STOP_END || why == STOP_LINE)
            break;
        at++;
        if (why == STOP_LF) {
            d->seen |= SMTP_FAULT_BARE_LF;
            end_line(&p);
        } else if (why != STOP_LAST_CR) {
            d->seen |= why == STOP_NUL ? SMTP_FAULT_NUL : SMTP_FAULT_BARE_CR;
            p.column++;
        }
    }
    d->line = p.line;
    d->column = p.column;
    if (p.long_line)
        d->seen |= SMTP_FAULT_LONG_LINE;
    return in.len;
}

static void finish_binary(struct smtp_dot *d)
{
    if (d->state == STATE_CR)
        d->seen |= SMTP_FAULT_BARE_CR;
    if (d->state != STATE_LINE)
        d->seen |= SMTP_FAULT_NO_END;
    if (d->column > SMTP_TEXT_LINE_MAX)
        d->seen |= SMTP_FAULT_LONG_LINE;
}

static size_t take_one(struct smtp_dot *d, struct sv in, struct sv *piece)
{
    switch ((enum state)d->state) {
    case STATE_LINE:
        if (d->mode == SMTP_DOT_CHUNK || in.ptr[0] != '.')
            return take_text(d, in, piece);
        d->state = STATE_DOT;
        return 1;
    case STATE_DOT:
        return take_after_dot(d, in, piece);
    case STATE_DOT_CR:
        if (in.ptr[0] != '\n') {
            bare_cr_before(d, in.ptr[0], piece);
            return 1;
        }
        d->ended = true;
        d->state = STATE_END;
        return 1;
    case STATE_CR:
        if (in.ptr[0] != '\n') {
            bare_cr_before(d, in.ptr[0], piece);
            return 1;
        }
        close_line(d);
        d->state = STATE_LINE;
        *piece = SV("\r\n");
        return 1;
    case STATE_SOFT:
        if (in.ptr[0] == '.') {
            *piece = sv_first(in, 1);
            d->column = 1;
            d->lone_dot = true;
            d->fake_end = false;
            d->state = STATE_TEXT;
            return 1;
        }
        return take_text(d, in, piece);
    case STATE_TEXT:
        return take_text(d, in, piece);
    case STATE_END:
        break;
    }
    return 0;
}

size_t smtp_dot_next(struct smtp_dot *d, struct sv in, struct sv *piece)
{
    *piece = SV_NONE;
    if (in.len == 0)
        return 0;
    size_t taken = d->mode == SMTP_DOT_BINARY ? take_binary(d, in, piece) : take_one(d, in, piece);
    d->bytes += piece->len;
    return taken;
}

void smtp_dot_finish(struct smtp_dot *d, struct sv *piece)
{
    *piece = SV_NONE;
    if (d->mode == SMTP_DOT_BINARY) {
        finish_binary(d);
    } else {
        if (d->state == STATE_CR)
            bare_cr(d, piece);
        if (d->column > SMTP_TEXT_LINE_MAX)
            note(d, SMTP_FAULT_LONG_LINE, d->line);
    }
    d->bytes += piece->len;
    d->state = STATE_END;
    d->ended = true;
}

void smtp_stuff_init(struct smtp_stuff *s, bool dots)
{
    *s = (struct smtp_stuff){.dots = dots, .state = STATE_LINE};
}

static size_t stuff_text(struct smtp_stuff *s, struct sv in, struct sv *piece)
{
    struct place p = {0};
    const char *stop;
    enum stop why = walk(in.ptr, in.ptr + in.len, s->dots, &p, &stop);
    *piece = sv_range(in.ptr, stop);
    s->state = STATE_TEXT;
    switch (why) {
    case STOP_END:
        break;
    case STOP_LINE:
    case STOP_DOT:
        s->state = STATE_LINE;
        break;
    case STOP_LAST_CR:
    case STOP_CR:
        s->state = STATE_CR;
        return piece->len + 1;
    case STOP_LF:
    case STOP_NUL:
        if (piece->len)
            break; /* comes with the next call */
        *piece = why == STOP_LF ? SV("\r\n") : SV(" ");
        s->state = why == STOP_LF ? STATE_LINE : STATE_TEXT;
        return 1;
    }
    return piece->len;
}

static void stuff_after_cr(struct smtp_stuff *s, char c, struct sv *piece)
{
    if (c == '\n') {
        s->state = STATE_LINE;
        *piece = SV("\r\n");
    } else if (c == '\r') {
        *piece = SV(" ");
    } else {
        s->state = STATE_TEXT;
        s->pair[0] = ' ';
        s->pair[1] = c == '\0' ? ' ' : c;
        *piece = (struct sv){s->pair, 2};
    }
}

size_t smtp_stuff_next(struct smtp_stuff *s, struct sv in, struct sv *piece)
{
    *piece = SV_NONE;
    if (in.len == 0)
        return 0;
    if (s->state == STATE_LINE && s->dots && in.ptr[0] == '.') {
        s->state = STATE_TEXT;
        *piece = SV("..");
        return 1;
    }
    if (s->state == STATE_CR) {
        stuff_after_cr(s, in.ptr[0], piece);
        return 1;
    }
    return stuff_text(s, in, piece);
}

struct sv smtp_stuff_end(struct smtp_stuff *s)
{
    bool complete = s->state == STATE_LINE;
    s->state = STATE_END;
    if (s->dots)
        return complete ? SV(".\r\n") : SV("\r\n.\r\n");
    return complete ? SV("") : SV("\r\n");
}

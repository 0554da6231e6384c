#include "msa/ctl/letter.h"

#include "msa/base/mem.h"
#include "msa/base/utf8.h"
#include "rewrite/address.h"
#include "rewrite/fields.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECIPIENTS_MAX 100000

static int put_lines(struct buf *out, struct sv text, bool *cr)
{
    int err = 0;
    while (text.len && err == 0) {
        size_t n = sv_find(text, '\n');
        struct sv line = sv_first(text, n);
        if (line.len)
            *cr = line.ptr[line.len - 1] == '\r';
        err = buf_put(out, line);
        if (n < text.len && err == 0) {
            err = buf_put(out, *cr ? SV("\n") : SV("\r\n"));
            *cr = false;
        }
        text = sv_skip(text, n + 1);
    }
    return err;
}

/* With the empty line, or all. */
static struct sv header_of(struct sv text)
{
    if (sv_starts(text, SV("\r\n")))
        return sv_first(text, 2);
    const char *end = text.len ? memmem(text.ptr, text.len, "\r\n\r\n", 4) : NULL;
    return end ? sv_first(text, (size_t)(end - text.ptr) + 4) : text;
}

int letter_read(const char *path, struct letter *out)
{
    char piece[65536];
    size_t n;
    bool cr = false;
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    *out = (struct letter){0};
    buf_init(&out->text, LETTER_MAX, 0);
    if (!f)
        return -errno;
    int err = 0;
    while (err == 0 && (n = fread(piece, 1, sizeof piece, f)) > 0)
        err = put_lines(&out->text, (struct sv){piece, n}, &cr);
    if (err == 0 && ferror(f))
        err = errno ? -errno : -EIO;
    if (f != stdin)
        fclose(f);
    out->eight_bit = !utf8_is_ascii(buf_view(&out->text));
    out->eight_bit_header = !utf8_is_ascii(header_of(buf_view(&out->text)));
    return err;
}

void letter_deinit(struct letter *l)
{
    buf_deinit(&l->text);
}

static void read_field(struct sv header, const struct rewrite_field *f,
                       void (*on_address)(void *arg, const char *address), void *arg)
{
    struct rewrite_addresses w;
    struct rewrite_address a;
    rewrite_addresses_init(&w, header, f->value, f->end, RECIPIENTS_MAX);
    while (rewrite_addresses_next(&w, &a) == REWRITE_ADDRESS_MAILBOX) {
        struct buf text;
        buf_init(&text, 2000, 0);
        struct sv local = {header.ptr + a.local, a.local_end - a.local};
        struct sv domain = {header.ptr + a.domain, a.domain_end - a.domain};
        if (!a.has_cfws && buf_printf(&text, "%.*s@%.*s%c", SV_ARG(local), SV_ARG(domain), 0) == 0)
            on_address(arg, buf_view(&text).ptr);
        buf_deinit(&text);
    }
}

/* The fields of a section are read as long as its lines are good. */
static size_t good_lines(struct sv header)
{
    size_t at = 0;
    while (at < header.len) {
        struct sv line = sv_skip(header, at), name;
        size_t n = sv_find(line, '\n');
        line = sv_first(line, n);
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        enum rewrite_line_kind kind = rewrite_fields_line(line, &name);
        if (n >= header.len - at || kind == REWRITE_LINE_END ||
            (kind != REWRITE_LINE_FIELD && (kind != REWRITE_LINE_FOLD || at == 0)))
            return at;
        at += n + 1;
    }
    return at;
}

void letter_recipients(const struct letter *l, void (*on_address)(void *arg, const char *address),
                       void *arg)
{
    struct sv header = header_of(buf_view(&l->text));
    struct rewrite_field f;
    size_t at = 0;
    header = sv_first(header, good_lines(header));
    while (rewrite_fields_next(header, &at, &f))
        if (f.kind == REWRITE_FIELD_TO || f.kind == REWRITE_FIELD_CC || f.kind == REWRITE_FIELD_BCC)
            read_field(header, &f, on_address, arg);
}

/*
 * mime_fields_check.h - what must hold of header fields in another form: for mime_check.h.
 *
 * check_fields(before, after, is_top, is_ascii) REQUIREs that the fields of a header section are
 * all there, in their order, that From and Date of the message keep their names, and that fields of
 * text say the same; is_ascii: where lines with an encoded word are as short as they can be.
 * Content-Type, Content-Transfer-Encoding and MIME-Version are compared by what is read of them.
 * Sections are cut into fields here, by nothing of what is tested: a field that the code does not
 * see is missed.
 */
#ifndef TESTS_MIME_FIELDS_CHECK_H
#define TESTS_MIME_FIELDS_CHECK_H

#include "msa/base/require.h"
#include "msa/base/utf8.h"

#include <string.h>

static int check_hex(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, ascii_lower(c)) : NULL;
    return at ? (int)(at - digits) : -1;
}

static void check_put(struct buf *out, struct sv text)
{
    REQUIRE(!text.len || buf_put(out, text) == 0);
}

/* Letters of the alphabet alone count. */
static void check_decode_base64(struct sv in, struct buf *out)
{
    const char *alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    unsigned count = 0;
    for (size_t i = 0; i < in.len; i++) {
        const char *at = in.ptr[i] ? strchr(alphabet, in.ptr[i]) : NULL;
        if (!at)
            continue;
        bits = bits << 6 | (uint32_t)(at - alphabet);
        count += 6;
        if (count >= 8) {
            count -= 8;
            char c = (char)(bits >> count);
            check_put(out, (struct sv){&c, 1});
        }
    }
}

static bool check_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void check_decode_q(struct sv in, struct buf *out)
{
    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i] == '_' ? ' ' : in.ptr[i];
        if (c == '=' && i + 2 < in.len && check_hex(in.ptr[i + 1]) >= 0 &&
            check_hex(in.ptr[i + 2]) >= 0) {
            c = (char)(check_hex(in.ptr[i + 1]) * 16 + check_hex(in.ptr[i + 2]));
            i += 2;
        }
        check_put(out, (struct sv){&c, 1});
    }
}

/* RFC 2047 2. */
static void check_decode_word(struct sv word, struct buf *out)
{
    struct sv rest = sv_skip(word, 2);
    bool good = sv_starts(word, SV("=?")) && utf8_is_ascii(word) && sv_split(&rest, '?').len > 0;
    struct sv form = good ? sv_split(&rest, '?') : SV_NONE, text = sv_split(&rest, '?');
    if (good && sv_eq(rest, SV("=")) && sv_ieq(form, SV("Q")))
        check_decode_q(text, out);
    else if (good && sv_eq(rest, SV("=")) && sv_ieq(form, SV("B")))
        check_decode_base64(text, out);
    else
        check_put(out, word);
}

/* What a field of text says, without space and what is none but a space to readers. */
static void check_meaning(struct sv value, struct buf *out)
{
    struct buf text;
    buf_init(&text, SIZE_MAX, 0);
    for (size_t i = 0; i < value.len; i++)
        check_put(&text, value.ptr[i] ? (struct sv){value.ptr + i, 1} : SV("?"));
    struct sv rest = buf_view(&text);
    while (rest.len) {
        size_t n = 0;
        while (n < rest.len && !check_is_space(rest.ptr[n]))
            n++;
        check_decode_word(sv_first(rest, n), out);
        rest = sv_skip(rest, n + 1);
    }
    buf_deinit(&text);
    size_t n = 0;
    for (size_t i = out->start; i < out->end; i++)
        if ((unsigned char)out->data[i] > 32 && out->data[i] != 127)
            out->data[out->start + n++] = out->data[i];
    buf_truncate(out, n);
}

static bool check_is_text(struct sv name)
{
    static const char *const names[] = {"Subject", "Comments", "Organization", "X-Mailer", "X"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (sv_ieq(name, sv_of(names[i])))
            return true;
    return false;
}

/* RFC 2047 2: 76 bytes, or no place to fold at. */
static void check_word_lines(struct sv field)
{
    while (field.len) {
        struct sv line = sv_split(&field, '\n');
        size_t from = 0;
        while (line.len && check_is_space(line.ptr[line.len - 1]))
            line.len--;
        while (from < line.len && check_is_space(line.ptr[from]))
            from++;
        struct sv words = sv_skip(line, from);
        if (line.len > 76 && memmem(line.ptr, line.len, "=?", 2))
            REQUIRE(sv_find(words, ' ') == words.len && sv_find(words, '\t') == words.len);
    }
}

/* A line and the lines that go on with it; no name: the line "From ..." of a mailbox file. */
struct check_field {
    struct sv all, name, value;
};

static bool check_is_mime(struct sv name)
{
    static const char *const names[] = {"MIME-Version", "Content-Type", "Content-Transfer-Encoding",
                                        "X-Original-Content-Type"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (sv_ieq(name, sv_of(names[i])))
            return true;
    return false;
}

/* The next one that is not compared elsewhere, up to the empty line. */
static bool check_next_field(struct sv *rest, struct check_field *f)
{
    while (rest->len && rest->ptr[0] != '\n' && !sv_eq(*rest, SV("\r")) &&
           !sv_starts(*rest, SV("\r\n"))) {
        size_t end = sv_find(*rest, '\n') + 1;
        while (end < rest->len && (rest->ptr[end] == ' ' || rest->ptr[end] == '\t'))
            end += sv_find(sv_skip(*rest, end), '\n') + 1;
        f->all = sv_first(*rest, end);
        *rest = sv_skip(*rest, end);
        size_t colon = sv_find(sv_first(f->all, sv_find(f->all, '\n')), ':');
        f->name = sv_trim(sv_first(f->all, colon));
        if (sv_starts(f->all, SV("From ")) && !sv_ieq(f->name, SV("From")))
            colon = f->name.len = 0;
        f->value = sv_skip(f->all, colon + (f->name.len > 0));
        if (!check_is_mime(f->name))
            return true;
    }
    return false;
}

static void check_field(const struct check_field *a, const struct check_field *b, bool is_top,
                        bool is_ascii)
{
    struct buf old, new;
    bool is_renamed = !sv_eq(a->name, b->name);
    if (is_renamed) {
        REQUIRE(sv_starts(b->name, SV("Downgraded-")));
        REQUIRE(sv_eq(sv_skip(b->name, sizeof "Downgraded-" - 1), a->name) && is_ascii);
        REQUIRE(!is_top || (!sv_ieq(a->name, SV("From")) && !sv_ieq(a->name, SV("Date"))));
    }
    if (!check_is_text(a->name) && a->name.len && !is_renamed && !utf8_is_ascii(a->all))
        return;
    buf_init(&old, SIZE_MAX, 0);
    buf_init(&new, SIZE_MAX, 0);
    check_meaning(a->value, &old);
    check_meaning(b->value, &new);
    for (size_t i = old.start; i < old.end && is_ascii && !a->name.len; i++)
        if ((unsigned char)old.data[i] > 127)
            old.data[i] = '?';
    REQUIRE(is_renamed || sv_eq(buf_view(&old), buf_view(&new)));
    if (is_ascii && a->name.len && !utf8_is_ascii(a->all))
        check_word_lines(b->all);
    buf_deinit(&old);
    buf_deinit(&new);
}

static void check_fields(struct sv before, struct sv after, bool is_top, bool is_ascii)
{
    struct check_field a, b;
    while (check_next_field(&before, &a)) {
        REQUIRE(check_next_field(&after, &b));
        check_field(&a, &b, is_top, is_ascii);
    }
    REQUIRE(!check_next_field(&after, &b));
}

#endif

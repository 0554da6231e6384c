#include "rewrite/words.h"

#include "msa/base/b64.h"
#include "msa/base/utf8.h"

#include <stdio.h>
#include <string.h>

#define WORD_MAX       75 /* bytes of an encoded word, RFC 2047 2 */
#define LINE_MAX_BYTES 76 /* of a line with one in it */
#define LINE_GOAL      74 /* the same, less a parenthesis and comma behind the word */

const char *rewrite_words_charset(struct sv text)
{
    size_t n;
    if (utf8_is_ascii(text))
        return "us-ascii";
    while (text.len && (n = utf8_length(text)) > 0)
        text = sv_skip(text, n);
    return text.len ? "unknown-8bit" : "utf-8";
}

bool rewrite_words_is_encoded(struct sv word)
{
    return word.len > 6 && sv_starts(word, SV("=?")) &&
           sv_eq(sv_skip(word, word.len - 2), SV("?=")) && utf8_is_ascii(word);
}

static bool is_plain(unsigned char c)
{
    return ascii_alpha((char)c) || ascii_digit((char)c) || c == '!' || c == '*' || c == '+' ||
           c == '/' || (c == '-');
}

static unsigned char shown(char c)
{
    return (unsigned char)c < 32 || c == 127 ? ' ' : (unsigned char)c;
}

static size_t q_cost(char c)
{
    unsigned char u = shown(c);
    return is_plain(u) || u == ' ' ? 1 : 3;
}

static int put_q(struct buf *out, struct sv text)
{
    int err = 0;
    for (size_t i = 0; i < text.len && !err; i++) {
        unsigned char u = shown(text.ptr[i]);
        if (u == ' ')
            err = buf_put(out, SV("_"));
        else if (is_plain(u))
            err = buf_append(out, &u, 1);
        else
            err = buf_printf(out, "=%02X", u);
    }
    return err;
}

static int put_b(struct buf *out, struct sv text)
{
    char clean[WORD_MAX];
    for (size_t i = 0; i < text.len; i++)
        clean[i] = (char)shown(text.ptr[i]);
    return b64_encode(out, (struct sv){clean, text.len});
}

int rewrite_words_put(struct buf *out, size_t *column, struct sv text)
{
    const char *charset = rewrite_words_charset(text);
    bool is_utf8 = charset[1] == 't';
    size_t frame = strlen(charset) +
                   sizeof "=?"
                          "?Q?"
                          "?=" -
                   1;
    int err = 0;
    while (text.len && !err) {
        /* the longest run of characters that fits, in the better of the two forms */
        size_t room = LINE_GOAL > *column ? LINE_GOAL - *column : 0;
        if (room < frame + 24) /* the caller may find a space before it */
            room = frame + 24;
        size_t len = 0, q = 0, best_q = 0;
        while (len < text.len) {
            size_t n = is_utf8 ? utf8_length(sv_skip(text, len)) : 1, cost = 0;
            for (size_t i = 0; i < n; i++)
                cost += q_cost(text.ptr[len + i]);
            size_t b = (len + n + 2) / 3 * 4, least = q + cost < b ? q + cost : b;
            if (frame + least > room)
                break;
            q += cost;
            len += n;
            best_q = q;
        }
        bool use_q = best_q <= (len + 2) / 3 * 4;
        size_t before = buf_len(out);
        err = buf_printf(out, "=?%s?%c?", charset, use_q ? 'Q' : 'B');
        if (!err)
            err = use_q ? put_q(out, sv_first(text, len)) : put_b(out, sv_first(text, len));
        if (!err)
            err = buf_put(out, SV("?="));
        *column += buf_len(out) - before;
        text = sv_skip(text, len);
        if (!err && text.len) {
            err = buf_put(out, SV("\r\n "));
            *column = 1;
        }
    }
    return err;
}

/* ---- folding ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Length of the first line of text once it is folded; all of it if that cannot be. */
static size_t fold_at(struct sv line, bool has_quotes)
{
    size_t best = 0, words = 0;
    bool quoted = false;
    while (words < line.len && is_space(line.ptr[words]))
        words++;
    for (size_t i = words; i + 1 < line.len && (i <= LINE_MAX_BYTES || !best); i++) {
        if (has_quotes && line.ptr[i] == '"')
            quoted = !quoted;
        else if (quoted && line.ptr[i] == '\\')
            i++;
        else if (!quoted && is_space(line.ptr[i]))
            best = i;
    }
    return best ? best : line.len;
}

static bool has_encoded(struct sv line)
{
    for (size_t i = 0; i + 1 < line.len; i++)
        if (line.ptr[i] == '=' && line.ptr[i + 1] == '?')
            return true;
    return false;
}

int rewrite_words_fold(struct buf *out, size_t from, bool has_quotes)
{
    struct buf copy;
    struct sv text = sv_skip(buf_view(out), from);
    buf_init(&copy, text.len, 0);
    int err = buf_put(&copy, text);
    buf_truncate(out, from);
    text = buf_view(&copy);
    while (text.len && !err) {
        struct sv line = sv_first(text, sv_find(text, '\n') + 1);
        text = sv_skip(text, line.len);
        size_t words = line.len;
        while (words && is_space(line.ptr[words - 1]))
            words--;
        bool folds = words > LINE_MAX_BYTES && has_encoded(line);
        while (folds && words > LINE_MAX_BYTES && !err) {
            size_t len = fold_at(sv_first(line, words), has_quotes);
            if (len == words)
                break;
            err = buf_put(out, sv_first(line, len));
            if (!err)
                err = buf_put(out, SV("\r\n"));
            line = sv_skip(line, len);
            words -= len;
        }
        if (!err)
            err = buf_put(out, line);
    }
    buf_deinit(&copy);
    return err;
}

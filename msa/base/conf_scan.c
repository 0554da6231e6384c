/*
 * A tokenizer with libconfig's own lexical rules, and a stack of open groups, lists and arrays,
 * which is all it takes to know the full key of each token. It judges no grammar: that is
 * libconfig's work on the text written here.
 */
#include "msa/base/conf_scan.h"

#include "msa/base/require.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 16

struct name {
    struct sv text;
    unsigned line;
    struct name *next;
};

struct frame {
    char open;          /* { [ ( */
    unsigned line;      /* of the bracket */
    const char *prefix; /* full key of what is open */
    const char *key;    /* full key of the setting or element at hand */
    bool value_next;    /* in a group: a "=" was read, its value not yet */
    bool placed;        /* in a list or array: this element has its place */
    size_t index;       /* in a list or array */
    struct name *names; /* in a group: keys read so far */
};

struct place_node {
    struct conf_place place;
    struct place_node *next;
};

struct scan {
    struct sv text; /* not yet read */
    unsigned line;
    struct arena *arena;
    struct conf_faults *faults;
    struct buf *out;
    struct frame frames[DEPTH_MAX];
    size_t depth; /* frames in use; the first is the file itself */
    struct place_node *places;
    size_t nplaces;
    unsigned duplicates;
    size_t comma_at; /* length of out just before a comma with nothing behind it, or SIZE_MAX */
    bool broken;     /* no use in going on */
};

static struct frame *top(struct scan *s)
{
    return &s->frames[s->depth - 1];
}

static void put(struct scan *s, struct sv text)
{
    int err = buf_put(s->out, text);
    REQUIRE(err == 0);
}

static void fault_here(struct scan *s, const char *key, unsigned line)
{
    s->faults->key = key;
    s->faults->line = line;
}

static void add_place(struct scan *s, const char *key)
{
    struct place_node *node = arena_alloc(s->arena, sizeof *node);
    char *plain = arena_str(s->arena, sv_of(key));
    char *hit = plain;
    while ((hit = strstr(hit, "[0]")) != NULL)
        memmove(hit, hit + 3, strlen(hit + 3) + 1);
    node->place = (struct conf_place){.key = key, .plain = plain, .line = s->line};
    node->next = s->places;
    s->places = node;
    s->nplaces++;
}

/* A value or a bracket begins: an element of a list gets its place. */
static void value_begins(struct scan *s)
{
    struct frame *f = top(s);
    s->comma_at = SIZE_MAX;
    if (f->open == '{' || f->placed)
        return;
    f->key = arena_printf(s->arena, "%s[%zu]", f->prefix, f->index);
    f->placed = true;
    add_place(s, f->key);
}

static void value_ends(struct scan *s)
{
    top(s)->value_next = false;
}

/* The text up to len, with its line ends counted, is dropped; only line ends are written. */
static void drop(struct scan *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (s->text.ptr[i] == '\n') {
            put(s, SV("\n"));
            s->line++;
        }
    s->text = sv_skip(s->text, len);
}

static void scan_comment(struct scan *s)
{
    if (s->text.ptr[0] == '#' || s->text.ptr[1] == '/') {
        drop(s, sv_find(s->text, '\n'));
        return;
    }
    const char *end = memmem(s->text.ptr + 2, s->text.len - 2, "*/", 2);
    if (!end) {
        fault_here(s, "", s->line);
        conf_fault(s->faults, "*/", "the comment that begins here does not end");
        s->broken = true;
        return;
    }
    put(s, SV(" "));
    drop(s, (size_t)(end - s->text.ptr) + 2);
}

/* Copies the string as it is: what it may hold is judged when its value is read. */
static void scan_string(struct scan *s)
{
    unsigned first_line = s->line;
    size_t i = 1;
    value_begins(s);
    while (i < s->text.len && s->text.ptr[i] != '"') {
        struct sv rest = sv_skip(s->text, i);
        if (sv_istarts(rest, SV("\\x00"))) {
            fault_here(s, top(s)->key, s->line);
            conf_fault(s->faults, "leave it out", "\\x00 (NUL) cannot stand in a value");
        }
        if (rest.ptr[0] == '\\' && rest.len > 1 && (rest.ptr[1] == '"' || rest.ptr[1] == '\\'))
            i++;
        if (s->text.ptr[i] == '\n')
            s->line++;
        i++;
    }
    if (i >= s->text.len) {
        fault_here(s, top(s)->key, first_line);
        conf_fault(s->faults, "\" at its end", "the string that begins here does not end");
        s->broken = true;
        return;
    }
    put(s, sv_first(s->text, i + 1));
    s->text = sv_skip(s->text, i + 1);
    value_ends(s);
}

static void quote(struct scan *s, struct sv word)
{
    fault_here(s, top(s)->key, s->line);
    conf_fault(s->faults, arena_printf(s->arena, "\"%.*s\"", SV_ARG(word)),
               "%.*s must stand in quotes", SV_ARG(word));
    put(s, SV("\""));
    put(s, word);
    put(s, SV("\""));
}

/* Splits a whole number into its base and its digits, without sign, 0x and L. */
static bool whole_number(struct sv word, int *base, struct sv *digits)
{
    *base = 10;
    *digits = word;
    if (sv_istarts(word, SV("0x"))) {
        *base = 16;
        *digits = sv_skip(word, 2);
    } else if (word.len && (word.ptr[0] == '-' || word.ptr[0] == '+')) {
        *digits = sv_skip(word, 1);
    }
    for (int i = 0; i < 2 && digits->len && digits->ptr[digits->len - 1] == 'L'; i++)
        digits->len--;
    for (size_t i = 0; i < digits->len; i++) {
        char c = ascii_lower(digits->ptr[i]);
        if (!ascii_digit(c) && !(*base == 16 && c >= 'a' && c <= 'f'))
            return false;
    }
    return digits->len > 0;
}

/* libconfig keeps the low bits of what is too large; here it becomes the largest number there is,
 * which every range refuses. */
static int64_t saturated(struct sv digits, int base, bool negative)
{
    int64_t value = 0;
    for (size_t i = 0; i < digits.len; i++) {
        char c = ascii_lower(digits.ptr[i]);
        int digit = ascii_digit(c) ? c - '0' : c - 'a' + 10;
        if (__builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return negative ? INT64_MIN + 1 : INT64_MAX;
    }
    return negative ? -value : value;
}

static bool is_float(struct sv word)
{
    char copy[64];
    if (word.len == 0 || word.len >= sizeof copy)
        return false;
    for (size_t i = 0; i < word.len; i++)
        if (!ascii_digit(word.ptr[i]) && !strchr("+-.eE", word.ptr[i]))
            return false;
    memcpy(copy, word.ptr, word.len);
    copy[word.len] = '\0';
    char *end;
    strtod(copy, &end);
    return end == copy + word.len;
}

/* A word in the place of a value: number, true or false, or text that lacks its quotes. */
static void scan_value_word(struct scan *s)
{
    size_t len = 1;
    while (len < s->text.len && (ascii_alpha(s->text.ptr[len]) || ascii_digit(s->text.ptr[len]) ||
                                 strchr("_-+.%@*", s->text.ptr[len] ? s->text.ptr[len] : ' ')))
        len++;
    struct sv word = sv_first(s->text, len), digits;
    int base;
    value_begins(s);
    if (whole_number(word, &base, &digits)) {
        char number[32];
        snprintf(number, sizeof number, "%" PRId64 "L",
                 saturated(digits, base, word.ptr[0] == '-'));
        put(s, sv_of(number));
    } else if (is_float(word) || sv_ieq(word, SV("true")) || sv_ieq(word, SV("false"))) {
        put(s, word);
    } else {
        quote(s, word);
    }
    s->text = sv_skip(s->text, len);
    value_ends(s);
}

static void scan_name(struct scan *s)
{
    struct frame *f = top(s);
    size_t len = 1;
    while (len < s->text.len &&
           (ascii_alpha(s->text.ptr[len]) || ascii_digit(s->text.ptr[len]) ||
            s->text.ptr[len] == '_' || s->text.ptr[len] == '-' || s->text.ptr[len] == '*'))
        len++;
    struct sv text = sv_first(s->text, len);
    f->key = arena_printf(s->arena, "%s%s%.*s", f->prefix, f->prefix[0] ? "." : "", SV_ARG(text));
    s->text = sv_skip(s->text, len);
    s->comma_at = SIZE_MAX;
    for (struct name *n = f->names; n; n = n->next)
        if (sv_eq(n->text, text)) {
            char renamed[40];
            fault_here(s, f->key, s->line);
            conf_fault(s->faults, "write it once", "written twice, first in line %u", n->line);
            snprintf(renamed, sizeof renamed, CONF_SCAN_DUPLICATE "%u", s->duplicates++);
            put(s, sv_of(renamed));
            return;
        }
    struct name *fresh = arena_alloc(s->arena, sizeof *fresh);
    *fresh = (struct name){.text = text, .line = s->line, .next = f->names};
    f->names = fresh;
    add_place(s, f->key);
    put(s, text);
}

static void scan_open(struct scan *s, char c)
{
    value_begins(s);
    if (s->depth == DEPTH_MAX) {
        fault_here(s, top(s)->key, s->line);
        conf_fault(s->faults, "", "nested more than %d deep", DEPTH_MAX - 1);
        s->broken = true;
        return;
    }
    const char *prefix = top(s)->key;
    s->frames[s->depth++] =
        (struct frame){.open = c, .line = s->line, .prefix = prefix, .key = prefix};
}

static void scan_close(struct scan *s, char c)
{
    char open = c == '}' ? '{' : c == ']' ? '[' : '(';
    struct frame *f = top(s);
    if (s->depth == 1 || f->open != open) {
        fault_here(s, "", s->line);
        if (s->depth == 1)
            conf_fault(s->faults, "", "%c without %c before it", c, open);
        else
            conf_fault(s->faults, "", "%c closes the %c of line %u", c, f->open, f->line);
        s->broken = true;
        return;
    }
    if (s->comma_at != SIZE_MAX && open != '{') {
        fault_here(s, f->prefix, s->line);
        conf_fault(s->faults, "no comma behind the last element", "a comma stands before %c", c);
        s->out->data[s->out->start + s->comma_at] = ' ';
    }
    s->comma_at = SIZE_MAX;
    s->depth--;
    value_ends(s);
}

static void scan_separator(struct scan *s, char c)
{
    struct frame *f = top(s);
    if (f->open == '{') {
        f->value_next = c == '=' || c == ':';
    } else if (c == ',') {
        f->index++;
        f->placed = false;
        s->comma_at = buf_len(s->out);
    }
}

static void scan_token(struct scan *s)
{
    char c = s->text.ptr[0], next = s->text.len > 1 ? s->text.ptr[1] : '\0';
    if (c == '#' || (c == '/' && (next == '/' || next == '*'))) {
        scan_comment(s);
        return;
    }
    if (c == '"') {
        scan_string(s);
        return;
    }
    if (top(s)->open == '{' && !top(s)->value_next && (ascii_alpha(c) || c == '*')) {
        scan_name(s);
        return;
    }
    if (ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '+' || c == '.' || c == '*') {
        scan_value_word(s);
        return;
    }
    if (c == '@') {
        fault_here(s, "", s->line);
        conf_fault(s->faults, "all options in one file", "@include is not supported");
        drop(s, sv_find(s->text, '\n'));
        return;
    }
    if (c == '\0') {
        fault_here(s, "", s->line);
        conf_fault(s->faults, "a text file", "a NUL byte");
        s->broken = true;
        return;
    }
    if (c == '{' || c == '[' || c == '(')
        scan_open(s, c);
    else if (c == '}' || c == ']' || c == ')')
        scan_close(s, c);
    else if (c == ';' || c == ',' || c == '=' || c == ':')
        scan_separator(s, c);
    else if (c == '\n')
        s->line++;
    put(s, sv_first(s->text, 1));
    s->text = sv_skip(s->text, 1);
}

static int compare_places(const void *a, const void *b)
{
    const struct conf_place *x = a, *y = b;
    int order = strcmp(x->plain, y->plain);
    return order ? order : (x->line > y->line) - (x->line < y->line);
}

static void sort_places(struct scan *s, struct conf_source *src)
{
    src->places = arena_alloc(s->arena, (s->nplaces + 1) * sizeof *src->places);
    src->count = s->nplaces;
    size_t i = s->nplaces;
    for (struct place_node *n = s->places; n; n = n->next)
        src->places[--i] = n->place;
    qsort(src->places, src->count, sizeof *src->places, compare_places);
}

bool conf_scan(struct sv text, struct arena *a, struct conf_faults *faults, struct conf_source *src,
               struct buf *out)
{
    struct scan s = {.text = text,
                     .line = 1,
                     .arena = a,
                     .faults = faults,
                     .out = out,
                     .depth = 1,
                     .comma_at = SIZE_MAX};
    s.frames[0] = (struct frame){.open = '{', .prefix = "", .key = ""};
    faults->file = src->file;
    if (sv_starts(text, SV("\xef\xbb\xbf"))) /* byte order mark of some editors */
        s.text = sv_skip(text, 3);
    while (s.text.len && !s.broken)
        scan_token(&s);
    if (!s.broken && s.depth > 1) {
        fault_here(&s, top(&s)->prefix, top(&s)->line);
        conf_fault(faults, "its closing bracket", "the %c of this line is not closed",
                   top(&s)->open);
        s.broken = true;
    }
    sort_places(&s, src);
    return !s.broken;
}

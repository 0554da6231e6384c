/*
 * For people: a diff for each party that changed something, whole lines of the header, each change
 * below its reason:
 *
 *     --- as submitted
 *     +++ as changed by this server
 *     @@ 8.3: Message-ID was missing (rewrite.add_message_id)
 *     +Message-ID: <...>
 *      From: alice@example.net
 *
 * As JSON lines: {"submitted"}, for each party {"layer", "by", "name", "body"} and its changes
 * {"layer", "at", "old", "new", "reasons"}, then {"sent"}. at: octets of the section, as it was
 * before the layer, in front of old.
 */
#include "msa/ctl/diff.h"

#include "msa/base/b64.h"
#include "msa/base/mem.h"
#include "msa/ctl/plain.h"
#include "msa/ctl/show.h"
#include "rewrite/provenance.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const source_names[] = {
    [REWRITE_BY_COMPLETER] = "server", [REWRITE_BY_SERVICE] = "service",
    [REWRITE_BY_MILTER] = "milter",    [REWRITE_BY_SIGNER] = "signature",
    [REWRITE_BY_SMIME] = "smime",
};
_Static_assert(sizeof source_names / sizeof *source_names == REWRITE_SOURCE_COUNT, "a name each");

/* The setting that decided, with its row where it is a list of rules. */
static void write_setting(const struct rewrite_layer_edit *e, const char *setting, char *out,
                          size_t size)
{
    if (e->why == REWRITE_WHY_RULE)
        snprintf(out, size, "%s[%u]", setting, e->rule);
    else
        snprintf(out, size, "%s", setting);
}

/* ---- text ---- */

/* A mark before each line. */
static void put_lines(char mark, struct sv text)
{
    while (text.len) {
        struct sv line = sv_split(&text, '\n');
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        putchar(mark);
        plain_put(line);
        putchar('\n');
    }
}

static void print_reason(const struct rewrite_layer_edit *e)
{
    char setting[100];
    if (e->why == REWRITE_NO_WHY)
        return;
    if (e->why >= REWRITE_WHY_COUNT) {
        printf("@@ reason %u, which this version does not know\n", e->why);
        return;
    }
    const struct rewrite_why_row *row = rewrite_why_row((enum rewrite_why)e->why);
    write_setting(e, row->setting, setting, sizeof setting);
    printf("@@ %s: %s%s%s%s\n", row->section, row->words, *setting ? " (" : "", setting,
           *setting ? ")" : "");
}

static bool is_same_reason(const struct rewrite_layer_edit *a, const struct rewrite_layer_edit *b)
{
    return a->why == b->why && a->rule == b->rule;
}

static void print_hunk(const struct rewrite_hunk *k)
{
    struct sv edits = k->edits;
    struct rewrite_layer_edit e, last = {.why = REWRITE_NO_WHY};
    if (edits.len == 0) {
        put_lines(' ', k->before);
        return;
    }
    while (rewrite_layer_next(&edits, &e)) {
        if (!is_same_reason(&e, &last))
            print_reason(&e);
        last = e;
    }
    put_lines('-', k->before);
    put_lines('+', k->after);
}

static void print_layer(const struct rewrite_layer *layer, bool first)
{
    printf("%s+++ as changed by %s%s", first ? "--- as submitted\n" : "",
           rewrite_source_words(layer->by), layer->name.len ? " " : "");
    plain_put(layer->name);
    printf("%s\n", layer->body ? ", which replaced the body" : "");
}

/* ---- JSON ---- */

/* Bytes that are not UTF-8 become "?". */
static json_t *string_of(struct sv text)
{
    json_t *value = json_stringn(text.len ? text.ptr : "", text.len);
    if (value)
        return value;
    char *copy = sv_dup(text);
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)copy[i] >= 128)
            copy[i] = '?';
    value = json_stringn(copy, text.len);
    free(copy);
    return value;
}

static json_t *reasons_of(struct sv edits)
{
    json_t *list = json_array();
    struct rewrite_layer_edit e, last = {.why = REWRITE_NO_WHY};
    for (; rewrite_layer_next(&edits, &e); last = e) {
        char setting[100];
        if (e.why >= REWRITE_WHY_COUNT || is_same_reason(&e, &last))
            continue;
        const struct rewrite_why_row *row = rewrite_why_row((enum rewrite_why)e.why);
        write_setting(&e, row->setting, setting, sizeof setting);
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "section", row->section, "words",
                                              row->words, "setting", setting));
    }
    return list;
}

static void put_json_hunk(const struct rewrite_hunk *k, struct sv section, unsigned number)
{
    if (k->edits.len)
        show_json(json_pack("{s:i, s:I, s:o, s:o, s:o}", "layer", (int)number, "at",
                            (json_int_t)(k->before.ptr - section.ptr), "old", string_of(k->before),
                            "new", string_of(k->after), "reasons", reasons_of(k->edits)));
}

static void put_json_layer(const struct rewrite_layer *layer, unsigned number)
{
    show_json(json_pack("{s:i, s:s, s:o, s:b}", "layer", (int)number, "by", source_names[layer->by],
                        "name", string_of(layer->name), "body", layer->body));
}

/* ---- both ---- */

static void show_layer(const struct rewrite_layer *layer, struct sv section, unsigned number,
                       bool json)
{
    struct rewrite_hunks h;
    struct rewrite_hunk k;
    if (json)
        put_json_layer(layer, number);
    else
        print_layer(layer, number == 1);
    rewrite_hunks_init(&h, layer, section);
    while (rewrite_hunks_next(&h, &k)) {
        if (json)
            put_json_hunk(&k, section, number);
        else
            print_hunk(&k);
    }
    rewrite_hunks_deinit(&h);
}

bool diff_show(struct sv record, bool json)
{
    struct rewrite_provenance_reader r;
    struct rewrite_layer layer;
    struct buf section, after;
    if (!rewrite_provenance_open(&r, record))
        return false;
    buf_init(&section, SIZE_MAX / 2, 0);
    int err = buf_put(&section, r.submitted);
    if (json)
        show_json(json_pack("{s:o}", "submitted", string_of(r.submitted)));
    for (unsigned number = 1; err == 0 && rewrite_provenance_next(&r, &layer); number++) {
        show_layer(&layer, buf_view(&section), number, json);
        buf_init(&after, SIZE_MAX / 2, 0);
        err = rewrite_layer_apply(&layer, buf_view(&section), &after);
        buf_deinit(&section);
        section = after;
    }
    if (json)
        show_json(json_pack("{s:o}", "sent", string_of(buf_view(&section))));
    buf_deinit(&section);
    return err == 0;
}

bool diff_show_text(const char *base64, bool json)
{
    struct buf record;
    buf_init(&record, REWRITE_PROVENANCE_MAX, 0);
    bool good = b64_decode(&record, sv_of(base64)) == 0 && diff_show(buf_view(&record), json);
    buf_deinit(&record);
    return good;
}

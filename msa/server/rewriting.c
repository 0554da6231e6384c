#include "msa/server/rewriting.h"

#include "msa/server/policy.h"

#include <stdio.h>
#include <string.h>

#define KEY_MAX 64 /* bytes of a composed key */

bool rewriting_is_map_key(const char *key)
{
    return sv_starts(sv_of(key), SV(REWRITING_MAP_PREFIX));
}

const char *rewriting_map_key(struct arena *a, const char *map)
{
    return arena_printf(a, REWRITING_MAP_PREFIX "%s", strchr(map, ':') + 1);
}

const char *rewriting_map_path(const char *key)
{
    return key + strlen(REWRITING_MAP_PREFIX);
}

static const struct rewrite_rule_options *row_at(const struct msa_options *o, size_t i)
{
    return CONF_ITEM(o->rewrite.rules, i, struct rewrite_rule_options);
}

static bool has(const struct conf_strings *words, const char *word)
{
    for (size_t i = 0; i < words->count; i++)
        if (strcmp(words->items[i], word) == 0)
            return true;
    return false;
}

static unsigned where_of(const struct rewrite_rule_options *row)
{
    return (has(&row->in, "envelope") ? REWRITE_IN_ENVELOPE : 0) |
           (has(&row->in, "header") ? REWRITE_IN_HEADER : 0) |
           (has(&row->of, "sender") ? REWRITE_OF_SENDER : 0) |
           (has(&row->of, "recipient") ? REWRITE_OF_RECIPIENT : 0);
}

/* ---- checks ---- */

struct checking {
    const struct msa_options *o;
    const struct conf_source *src;
    struct conf_faults *faults;
    struct rewrite_rules *rules; /* the rows before */
    size_t row;
};

#define FAULT(c, warning, name, right, ...) \
    conf_fault_at((c)->faults, (c)->src, (warning), key_of(c, name), (right), __VA_ARGS__)

static const char *key_of(const struct checking *c, const char *name)
{
    return arena_printf(c->faults->arena, "rewrite.rules[%zu]%s%s", c->row, *name ? "." : "", name);
}

static const char not_ours[] =
    "is none of our addresses: a rule for recipients may match those of domains only";
static const char sender_only[] = "of = \"sender\"; or a domain of domains";

static bool is_foreign(const struct rewrite_rule *rule, unsigned where, const struct msa_options *o)
{
    return (where & REWRITE_OF_RECIPIENT) && !policy_is_ours(rewrite_rule_domain(rule), o);
}

static void check_pair(struct checking *c, const struct rewrite_rule_options *row)
{
    struct rewrite_rule rule;
    struct rewrite_rule_fault fault;
    if (!rewrite_rule_parse(c->faults->arena, sv_of(row->match), sv_of(row->replace), &rule,
                            &fault))
        FAULT(c, false, fault.in_replace ? "replace" : "match", fault.right, "\"%s\" %s",
              fault.in_replace ? row->replace : row->match, fault.wrong);
    else if (is_foreign(&rule, where_of(row), c->o))
        FAULT(c, false, "match", sender_only, "\"%s\" %s", row->match, not_ours);
    else if (!rewrite_rules_add(c->rules, &rule, where_of(row), (uint16_t)c->row))
        FAULT(c, true, "match", "leave the row out", "never taken: rows before match all of it");
}

static void check_row(struct checking *c)
{
    const struct rewrite_rule_options *row = row_at(c->o, c->row);
    bool pair = *row->match || *row->replace;
    if (row->in.count == 0)
        FAULT(c, false, "in", "\"envelope\", \"header\", or both", "the rule counts nowhere");
    if (row->of.count == 0)
        FAULT(c, false, "of", "\"sender\", \"recipient\", or both", "the rule counts for nobody");
    if (*row->map && pair)
        FAULT(c, false, "map", "match and replace, or map", "stands beside match or replace");
    else if (!*row->map && !*row->match)
        FAULT(c, false, "match", "match and replace, or map", "is missing");
    else if (!*row->map && !*row->replace)
        FAULT(c, false, "replace", "\"*@example.net\" or an address", "is missing");
    else if (!*row->map)
        check_pair(c, row);
}

void rewriting_check(const struct msa_options *o, const struct conf_source *src,
                     struct conf_faults *faults)
{
    struct checking c = {
        .o = o, .src = src, .faults = faults, .rules = rewrite_rules_new(faults->arena)};
    if (o->rewrite.rules.count > UINT16_MAX)
        FAULT(&c, false, "", "a map", "there are more than %d rows", UINT16_MAX);
    else
        for (; c.row < o->rewrite.rules.count; c.row++)
            check_row(&c);
    rewrite_rules_free(c.rules);
}

/* ---- maps ---- */

/* Where all rows count that name this map. */
static unsigned places_of_map(const struct msa_options *o, const char *key, struct arena *a)
{
    unsigned where = 0;
    for (size_t i = 0; i < o->rewrite.rules.count; i++)
        if (*row_at(o, i)->map && strcmp(rewriting_map_key(a, row_at(o, i)->map), key) == 0)
            where |= where_of(row_at(o, i));
    return where;
}

static void check_line(const struct msa_options *o, struct sv match, struct sv replace,
                       unsigned where, struct rewrite_rules *rules, struct conf_faults *faults)
{
    struct rewrite_rule rule;
    struct rewrite_rule_fault fault;
    struct sv text = sv_first(match, 100);
    if (!replace.len)
        conf_fault(faults, "old@example.net new@example.net", "\"%.*s\" is no line of two words",
                   SV_ARG(text));
    else if (!rewrite_rule_parse(faults->arena, match, replace, &rule, &fault))
        conf_fault(faults, fault.right, "\"%.*s\" %s",
                   SV_ARG(fault.in_replace ? sv_first(replace, 100) : text), fault.wrong);
    else if (is_foreign(&rule, where, o))
        conf_fault(faults, sender_only, "\"%.*s\" %s", SV_ARG(text), not_ours);
    else if (!rewrite_rules_add(rules, &rule, where, 0))
        conf_fault(faults, "leave it out", "\"%.*s\" counts nowhere: lines before match all of it",
                   SV_ARG(text));
}

void rewriting_check_map(const char *key, struct sv text, const struct msa_options *o,
                         struct conf_faults *faults)
{
    struct rewrite_rules *rules = rewrite_rules_new(faults->arena);
    unsigned where = places_of_map(o, key, faults->arena);
    struct sv match, replace;
    faults->file = arena_str(faults->arena, sv_of(rewriting_map_path(key)));
    faults->key = "";
    faults->line = 0;
    while (rewrite_map_next(&text, &faults->line, &match, &replace))
        check_line(o, match, replace, where, rules, faults);
    rewrite_rules_free(rules);
}

/* ---- making ---- */

static void add(struct rewrite_rules *r, struct arena *a, struct sv match, struct sv replace,
                unsigned where, size_t row)
{
    struct rewrite_rule rule;
    struct rewrite_rule_fault fault;
    if (replace.len && rewrite_rule_parse(a, match, replace, &rule, &fault))
        rewrite_rules_add(r, &rule, where, (uint16_t)row);
}

struct rewrite_rules *rewriting_rules(const struct generation *g, struct arena *a)
{
    struct rewrite_rules *r = rewrite_rules_new(a);
    for (size_t i = 0; i < g->options.rewrite.rules.count; i++) {
        const struct rewrite_rule_options *row = row_at(&g->options, i);
        struct sv text, match, replace;
        unsigned line = 0;
        if (!*row->map)
            add(r, a, sv_of(row->match), sv_of(row->replace), where_of(row), i);
        else if (generation_file(g, rewriting_map_key(a, row->map), &text))
            while (rewrite_map_next(&text, &line, &match, &replace))
                add(r, a, match, replace, where_of(row), i);
    }
    return r;
}

/*
 * rules.h - which address becomes which: the rows of rewrite.rules, and what their maps say.
 *
 * Draft 8.8: only what matches a specific setting is altered. A rule matches
 *
 *     jru@example.net       that address
 *     *@old.example.net     every address at that domain
 *     *@*.sales.example.net every address at the domains below it; not at itself
 *
 * and gives "Random.User@example.net", or "*@example.net", which keeps the local part as it is
 * written. For each address the first rule that matches counts, in the order they were added; none
 * is applied to what another gave, so there are no loops. What is rewritten to itself stays.
 * Addresses are compared as the paths of an envelope are written (msa/smtp/path.h), local parts
 * without ASCII case, UTF-8 in normalization form C. The local part of a replacement is ASCII: a
 * message whose client did not ask for SMTPUTF8 has to hold it.
 *
 * A look-up takes the same time whatever the number of rules: it goes by hash, once for the
 * address, once for its domain, and once for each domain above that is not longer than any rule
 * has. Ownership: everything lies in the arena, but the tables: rewrite_rules_free(). Read-only
 * once all are added, any thread.
 *
 *     struct rewrite_rules *r = rewrite_rules_new(&arena);
 *     if (rewrite_rule_parse(&arena, SV("*@a.example"), SV("*@b.example"), &rule, &fault))
 *         rewrite_rules_add(r, &rule, REWRITE_IN_HEADER | REWRITE_OF_SENDER, 0);
 *     struct sv to = rewrite_rules_apply(r, REWRITE_IN_HEADER | REWRITE_OF_SENDER, &path, text,
 * &n);
 */
#ifndef REWRITE_RULES_H
#define REWRITE_RULES_H

#include "msa/smtp/path.h"

/* Where a rule counts: of each pair at least one; where an address stands: of each pair one. */
#define REWRITE_IN_ENVELOPE  1u
#define REWRITE_IN_HEADER    2u
#define REWRITE_OF_SENDER    4u
#define REWRITE_OF_RECIPIENT 8u

enum rewrite_rule_form { REWRITE_RULE_ADDRESS, REWRITE_RULE_DOMAIN, REWRITE_RULE_BELOW };

struct rewrite_rule {
    enum rewrite_rule_form form;
    struct sv key;           /* what it matches: address or domain, in lower case, A-labels */
    struct sv local, domain; /* what it gives, canonical; local empty: it is kept */
};

/* What is wrong with one, and what would be right; static. */
struct rewrite_rule_fault {
    bool in_replace; /* else in what it matches */
    const char *wrong, *right;
};

/* False: it is none. Texts lie in the arena. */
bool rewrite_rule_parse(struct arena *a, struct sv match, struct sv replace,
                        struct rewrite_rule *out, struct rewrite_rule_fault *fault_out);
/* The domain that a rule's matches are at or below. */
struct sv rewrite_rule_domain(const struct rewrite_rule *rule);

/* The next pair of a map: a line "match replace", two words with space between them; empty lines
 * and those that begin with "#" are passed over. False at the end. *line_out counts from 1; replace
 * is empty where a line is no pair. */
bool rewrite_map_next(struct sv *text, unsigned *line, struct sv *match_out,
                      struct sv *replace_out);

struct rewrite_rules;

struct rewrite_rules *rewrite_rules_new(struct arena *a);
void rewrite_rules_free(struct rewrite_rules *r); /* NULL is allowed */
/* row: for whoever asks which rule it was. False: it counts nowhere, since others before it match
 * all that it does. */
bool rewrite_rules_add(struct rewrite_rules *r, const struct rewrite_rule *rule, unsigned where,
                       uint16_t row);
/* Whether there is any rule for such a place, of either pair. NULL is allowed. */
bool rewrite_rules_has(const struct rewrite_rules *r, unsigned where);
/* An address in the form that rules are looked up by, written to out; empty: it is too long. */
struct sv rewrite_rules_key(const struct smtp_path *path, char out[SMTP_PATH_MAX],
                            size_t *local_len);
/* The rule for an address in that form; NULL: none. */
const struct rewrite_rule *rewrite_rules_find(const struct rewrite_rules *r, unsigned where,
                                              struct sv key, size_t local_len, uint16_t *row_out);
/* The new address of a mailbox, written to out, which may be too long for a path; empty: it stays
 * as it is. r may be NULL. */
#define REWRITE_RULES_TEXT (2 * SMTP_PATH_MAX)
struct sv rewrite_rules_apply(const struct rewrite_rules *r, unsigned where,
                              const struct smtp_path *path, char out[REWRITE_RULES_TEXT],
                              uint16_t *row_out);

#endif

#include "msa/server/permissions.h"

#include "msa/base/mem.h"
#include "msa/base/utf8.h"
#include "msa/server/budget.h"
#include "msa/server/pattern.h"
#include "msa/smtp/lookalike.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define KEY_MAX   80  /* bytes of a composed key */
#define LOGIN_MAX 255 /* bytes, as auth/name.h has it */

static void check_pattern(const char *value, struct conf_faults *faults)
{
    const char *wrong, *right;
    struct pattern unused;
    struct arena scratch;
    arena_init(&scratch);
    if (!pattern_parse(&scratch, sv_of(value), &unused, &wrong, &right))
        conf_fault(faults, right, "\"%s\" %s", value, wrong);
    arena_deinit(&scratch);
}

static const char *const class_names[] = {
    [PERMISSION_USER] = "user", [PERMISSION_GATEWAY] = "gateway", NULL};

static const char *const over_budget_names[] = {
    [PERMISSION_REFUSE] = "refuse", [PERMISSION_HOLD] = "hold", NULL};

const struct conf_option permission_options_rows[] = {
    CONF_ROW(CONF_STRING, struct permission_options, login, "login", NULL, "whom the row is for",
             "A user, with its realm or of the first of auth.realms, in any case. \"*\": everybody "
             "who has no "
             "row of their own. \"@trusted\": the clients within auth.trusted_networks that do not "
             "log in. No login has two rows.",
             .flags = CONF_RELOAD, .example = "\"alice@example.net\""),
    CONF_ROW(
        CONF_ENUM, struct permission_options, class, "class", "user",
        "whether the header is judged",
        "\"user\": a person or a program that writes mail; From and Sender are judged. "
        "\"gateway\": another server whose users we do not know, such as Exchange, Mailman or "
        "a forwarder; only MAIL FROM is judged, and of the header nothing is judged, completed "
        "or rewritten, but that Received and a missing Date and Message-ID are added.",
        .names = class_names, .flags = CONF_RELOAD),
    CONF_ROW(
        CONF_STRINGS, struct permission_options, may_send_as, "may_send_as", "[ \"%u\" ]",
        "addresses that may be the sender",
        "Judged are MAIL FROM, where the null reverse-path <> may always stand, and every address "
        "of From and Sender in the header, also one in a display name or a comment; anything else "
        "is answered 550 5.7.1. These fields must have one reading: groups, routes, "
        "several From fields, comments inside of addresses and the like are answered 554 5.6.0, "
        "domains that mix scripts or look like one of ours 550 5.7.1 (a domain that does so by rn "
        "for "
        "m, vv for w, 0 for o or 1 for l only where nothing but \"*\" allows it). \"%u\" is the "
        "login's own "
        "address, \"%u+*\" its sub-addresses; "
        "\"bob@example.net\" that address; \"bob+*@example.net\" the sub-addresses of bob, such as "
        "bob+shop@example.net, but not bob; \"@example.net\" all of that domain; "
        "\"@*.example.net\" all of the domains below it; \"*\" every address; \"file:/path\" "
        "what that file says of the login, in lines such as \"alice: sales@example.net, "
        "alice+*@example.net\"; \"sqlite:/path?SELECT login, address FROM aliases\" what that "
        "query "
        "of an SQLite database says, an address a row (a row with a pattern is ignored). A change "
        "of such a file or database counts "
        "within seconds. Domains "
        "are compared as A-labels, local parts without quotes and without the case of "
        "ASCII letters, other letters in Unicode's normalization form C. For \"@trusted\" the "
        "default is \"*\".",
        .flags = CONF_RELOAD, .check = check_pattern,
        .example = "[ \"%u\", \"@sales.example.net\" ]"),
    CONF_ROW(CONF_STRINGS, struct permission_options, may_send_on_behalf_of,
             "may_send_on_behalf_of", NULL, "further addresses that may stand in From",
             "Entries as in may_send_as. Such a From needs a Sender that may_send_as has, as "
             "receivers show both; where there is none, rewrite.add_sender adds it.",
             .flags = CONF_RELOAD, .check = check_pattern, .example = "[ \"boss@example.net\" ]"),
    CONF_ROW(CONF_STRINGS, struct permission_options, may_send_to, "may_send_to", "[ \"*\" ]",
             "addresses that may be written to",
             "Entries as in may_send_as. Another recipient is answered 550 5.7.1. The postmaster "
             "of our own domains may always be written to.",
             .flags = CONF_RELOAD, .check = check_pattern, .example = "[ \"@example.net\" ]"),
    CONF_ROW(CONF_BOOL, struct permission_options, allow_resent, "allow_resent", "false",
             "pass on the mail of others",
             "true: a message with Resent-From is judged by the Resent-From and Resent-Sender of "
             "its topmost block of such fields, and its From and Sender may be anybody's (RFC "
             "5322 3.6.6). false: From and Sender are judged as always, and every Resent-From and "
             "Resent-Sender must be an address of may_send_as too.",
             .flags = CONF_RELOAD),
    CONF_ROW(CONF_INT, struct permission_options, messages_per_hour, "messages_per_hour", "0",
             "budget: messages in an hour",
             "How many messages the login may send in any hour; 0: as many as it likes. In a row "
             "\"*\" each login has its own budget. At 80 % of a budget the user gets a message; "
             "when it is broken the postmaster gets one, with the figures and the commands that "
             "end it. Budgets are kept over restarts. They are counted in steps of five minutes, "
             "and the null reverse-path is not counted.",
             .min = 0, .max = 1000000, .flags = CONF_RELOAD),
    CONF_ROW(CONF_INT, struct permission_options, recipients_per_day, "recipients_per_day", "0",
             "budget: recipients in a day",
             "How many recipients the messages of a login may have in any 24 hours. A recipient "
             "counts once in a message.",
             .min = 0, .max = 10000000, .flags = CONF_RELOAD),
    CONF_ROW(CONF_INT, struct permission_options, new_recipients_per_day, "new_recipients_per_day",
             "0", "budget: recipients never written to before",
             "Likewise, but only those that the login has not written to since it has this "
             "budget: a stolen password shows there first. Up to 50000 recipients are remembered "
             "for a login; one that was not written to for 400 days is new again.",
             .min = 0, .max = 10000000, .flags = CONF_RELOAD),
    CONF_ROW(CONF_ENUM, struct permission_options, over_budget, "over_budget", "hold",
             "what becomes of what is too much",
             "\"hold\": it is accepted and held, together with all that the login still has in "
             "the queue, until \"msactl queue release --user LOGIN\" lets it go, which also lets "
             "the budget begin anew, or \"msactl queue delete --user LOGIN\" removes it. "
             "\"refuse\": it is answered 450 4.7.1 with the time from which there is room again, "
             "or 550 5.7.1 where a message alone is more than the whole budget.",
             .names = over_budget_names, .flags = CONF_RELOAD),
    CONF_ROW(CONF_BOOL, struct permission_options, lock_auth, "lock_auth", "false",
             "lock the login when a budget is broken",
             "true: the login is locked as well. Its sessions end, and nobody logs in with it, "
             "also not its owner, until \"msactl user unlock LOGIN\".",
             .flags = CONF_RELOAD),
    CONF_ROW(CONF_STRING, struct permission_options, include, "include", NULL,
             "a folder with further rows",
             "Stands alone in its row, and for the rows of every file in that folder whose name "
             "ends with .conf; each has the key permissions as the main file has it. A "
             "relative path begins at the folder of the main file. The files are read, and "
             "checked, with the main file.",
             .flags = CONF_RELOAD, .example = "\"permissions.d\""),
    CONF_END,
};

const struct conf_option permissions_file_rows[] = {
    CONF_ROW(CONF_LIST, struct permissions_file, permissions, "permissions", NULL,
             "rows of permissions", "As in the main file.", .flags = CONF_RELOAD,
             .rows = permission_options_rows, .item_bytes = sizeof(struct permission_options)),
    CONF_END,
};

static const struct permission_options *row_at(const struct conf_list *rows, size_t i)
{
    return CONF_ITEM(*rows, i, struct permission_options);
}

static bool is_login(const struct permission_options *row)
{
    return strcmp(row->login, PERMISSION_EVERYBODY_ELSE) != 0 &&
           strcmp(row->login, PERMISSION_TRUSTED) != 0;
}

/* user@realm in lower case: some databases take a name in any case, and it must not be the way
 * around a row. */
static const char *full_login(struct arena *a, struct sv text, const struct conf_strings *realms)
{
    bool bare = sv_find(text, '@') == text.len && realms->count;
    char *full =
        bare ? arena_printf(a, "%.*s@%s", SV_ARG(text), realms->items[0]) : arena_str(a, text);
    for (char *c = full; *c; c++)
        *c = ascii_lower(*c);
    return full;
}

static bool is_written(const struct conf_source *src, size_t i, const char *name)
{
    char key[KEY_MAX];
    snprintf(key, sizeof key, "permissions[%zu].%s", i, name);
    return conf_source_find(src, key) != NULL;
}

void permissions_complete(struct arena *a, const struct conf_list *rows,
                          const struct conf_strings *realms, const struct conf_source *src)
{
    static const char *all[] = {"*"};
    for (size_t i = 0; i < rows->count; i++) {
        struct permission_options *row = CONF_ITEM(*rows, i, struct permission_options);
        if (strcmp(row->login, PERMISSION_TRUSTED) == 0 && !is_written(src, i, "may_send_as"))
            row->may_send_as = (struct conf_strings){all, 1};
        if (row->login[0] && is_login(row))
            row->login = full_login(a, sv_of(row->login), realms);
    }
}

static bool fail(const char **wrong_out, const char *wrong, const char **right_out,
                 const char *right)
{
    *wrong_out = wrong;
    *right_out = right;
    return false;
}

static bool is_name(struct sv user)
{
    return user.len && sv_find(user, '@') == user.len && sv_find(user, ' ') == user.len &&
           sv_find(user, '*') == user.len && utf8_is_printable(user);
}

static bool is_realm(struct sv text, const struct conf_strings *realms)
{
    for (size_t i = 0; i < realms->count; i++)
        if (sv_eq(text, sv_of(realms->items[i])))
            return true;
    return false;
}

const char *permissions_login(struct arena *a, struct sv text, const struct conf_strings *realms,
                              const char **wrong_out, const char **right_out)
{
    struct sv full = sv_of(full_login(a, text, realms));
    size_t at = sv_rfind(full, '@');
    struct sv user = sv_first(full, at);
    bool good = true;
    if (!is_name(user) || full.len > LOGIN_MAX)
        good = fail(wrong_out, "can be no login", right_out,
                    "\"alice@example.net\", \"*\" or \"@trusted\"");
    else if (smtp_lookalike_mixed_text(user))
        good = fail(wrong_out, "mixes scripts: it looks like a name that it is not", right_out,
                    "the name written in one script");
    else if (!is_realm(sv_skip(full, at + 1), realms))
        good = fail(wrong_out, "is nobody's login: the realm behind the @ is none of auth.realms",
                    right_out, "one of auth.realms");
    return good ? full.ptr : NULL;
}

/* ---- checks ---- */

struct permissions_seen {
    const char *login;
    const char *file;
    unsigned line;
    UT_hash_handle hh;
};

struct checking {
    struct permissions_seen **seen;
    const struct conf_strings *realms;
    const struct conf_source *src;
    struct conf_faults *faults;
    bool included;
    size_t index;
};

static const char *key_of(const struct checking *c, const char *name)
{
    return arena_printf(c->faults->arena, "permissions[%zu]%s%s", c->index, *name ? "." : "", name);
}

#define FAULT(c, name, right, ...) \
    conf_fault_at((c)->faults, (c)->src, false, key_of(c, name), (right), __VA_ARGS__)

static void check_login(const struct checking *c, const struct permission_options *row)
{
    const char *wrong, *right;
    if (is_login(row) &&
        !permissions_login(c->faults->arena, sv_of(row->login), c->realms, &wrong, &right))
        FAULT(c, "login", right, "\"%s\" %s", row->login, wrong);
}

/* What speaks of the login has no meaning where there is none. */
static void check_trusted(const struct checking *c, const char *name,
                          const struct conf_strings *patterns)
{
    for (size_t i = 0; i < patterns->count; i++) {
        struct sv text = sv_of(patterns->items[i]);
        if (!sv_starts(text, SV("%u")) && !pattern_is_source(text))
            continue;
        FAULT(c, arena_printf(c->faults->arena, "%s[%zu]", name, i),
              "addresses, or \"*\" for all of them",
              "\"%s\" speaks of a login, which trusted clients have none of", patterns->items[i]);
    }
}

static void check_twice(const struct checking *c, const struct permission_options *row)
{
    struct permissions_seen *twin;
    HASH_FIND_STR(*c->seen, row->login, twin);
    if (twin) {
        FAULT(c, "login", "one row for each login", "\"%s\" has a row already: %s:%u", row->login,
              twin->file, twin->line);
        return;
    }
    const struct conf_place *place = conf_source_find(c->src, key_of(c, "login"));
    struct permissions_seen *fresh = NEW(struct permissions_seen);
    *fresh = (struct permissions_seen){
        .login = row->login, .file = c->src->file, .line = place ? place->line : 0};
    HASH_ADD_KEYPTR(hh, *c->seen, fresh->login, strlen(fresh->login), fresh);
}

/* What speaks of the header counts only where that is judged. */
static void check_gateway(const struct checking *c, const struct permission_options *row)
{
    if (row->class != PERMISSION_GATEWAY)
        return;
    if (row->may_send_on_behalf_of.count)
        FAULT(c, "may_send_on_behalf_of", "leave it out, or class = \"user\"",
              "a gateway's header is not judged");
    if (row->allow_resent)
        FAULT(c, "allow_resent", "leave it out, or class = \"user\"",
              "a gateway's header is not judged");
}

/* Those have no login that could be counted for. */
static void check_budgets(const struct checking *c, const struct permission_options *row)
{
    const int64_t most[BUDGET_COUNT] = {[BUDGET_MESSAGES] = row->messages_per_hour,
                                        [BUDGET_RECIPIENTS] = row->recipients_per_day,
                                        [BUDGET_NEW_RECIPIENTS] = row->new_recipients_per_day};
    for (size_t k = 0; k < BUDGET_COUNT; k++)
        if (most[k])
            FAULT(c, budget_key((enum budget_kind)k), "a row for a login",
                  "clients without a login have no budget; limits.connections_per_client and "
                  "limits.messages_per_session bound them");
}

/* A row that includes has nothing else; a folder is not included by its own files. */
static void check_include(const struct checking *c)
{
    for (const struct conf_option *o = permission_options_rows; o->name; o++)
        if (strcmp(o->name, "include") != 0 && is_written(c->src, c->index, o->name))
            FAULT(c, o->name, "in a row of its own", "it stands beside include");
    if (c->included)
        FAULT(c, "include", "in the main file alone", "a file that is included includes nothing");
}

static void check_lock(const struct checking *c, const struct permission_options *row)
{
    if (row->lock_auth && !row->messages_per_hour && !row->recipients_per_day &&
        !row->new_recipients_per_day)
        FAULT(c, "lock_auth", "a budget, for example messages_per_hour = 100",
              "there is no budget in this row that could be broken");
}

static void check_row(const struct checking *c, const struct permission_options *row)
{
    if (row->include[0]) {
        check_include(c);
        return;
    }
    if (!row->login[0]) {
        FAULT(c, "login", "login = \"alice@example.net\";", "is missing");
        return;
    }
    check_login(c, row);
    check_twice(c, row);
    if (strcmp(row->login, PERMISSION_TRUSTED) == 0) {
        check_trusted(c, "may_send_as", &row->may_send_as);
        check_trusted(c, "may_send_on_behalf_of", &row->may_send_on_behalf_of);
        check_trusted(c, "may_send_to", &row->may_send_to);
        check_budgets(c, row);
    }
    check_gateway(c, row);
    check_lock(c, row);
}

void permissions_check(struct permissions_seen **seen, const struct conf_list *rows,
                       const struct conf_strings *realms, bool included,
                       const struct conf_source *src, struct conf_faults *faults)
{
    struct checking c = {
        .seen = seen, .realms = realms, .included = included, .src = src, .faults = faults};
    for (c.index = 0; c.index < rows->count; c.index++)
        check_row(&c, row_at(rows, c.index));
}

void permissions_seen_free(struct permissions_seen *seen)
{
    struct permissions_seen *all = seen, *s, *next;
    HASH_ITER(hh, all, s, next)
    {
        HASH_DEL(all, s);
        free(s);
    }
}

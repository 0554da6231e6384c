/*
 * Design: one hash table for everything. Its keys are the number of a set of patterns, the form of
 * a pattern and the pattern; an address asks for each form in which it could stand there, which are
 * as many as it has labels and plus signs. Rows are in the same table, under set 0.
 */
#include "msa/server/rights.h"

#include "msa/base/require.h"
#include "msa/server/aliases.h"

#include <string.h>
#include <uthash.h>

#define SHOWN_PATTERNS 5   /* of those that a refusal names */
#define SHOWN_BYTES    240 /* all of them together */

/* Forms of keys that are no patterns. */
#define FORM_LOGIN 0xFF /* a row's */
#define FORM_ALIAS 0xFE /* a login's, of a file */

struct rights_set {
    uint32_t number;
    bool all, own, own_sub;
    uint32_t *files; /* their numbers */
    size_t nfiles;
    struct conf_strings texts; /* as written */
};

struct rights_row {
    struct rights_set may_send_as, may_send_on_behalf_of, may_send_to;
    bool gateway, allow_resent;
    struct budget_limits budget;
};

struct key {
    char bytes[5 + PATTERN_SOURCE_MAX];
    size_t len;
};

struct entry {
    UT_hash_handle hh;
    const struct rights_row *row; /* FORM_LOGIN */
    struct rights_set *set;       /* FORM_ALIAS */
    size_t room;                  /* FORM_ALIAS: of the set's texts */
    uint32_t file;                /* PATTERN_FILE */
};

struct rights {
    struct arena *arena;
    const struct generation *generation;
    struct entry *entries;
    uint32_t sets;
    const struct rights_row *everybody, *trusted, *anybody;
};

/* ---- table ---- */

static struct key make_key(uint32_t set, unsigned form, struct sv text)
{
    struct key k = {.len = 5 + text.len};
    memcpy(k.bytes, &set, 4);
    k.bytes[4] = (char)form;
    if (text.len > sizeof k.bytes - 5)
        k.len = 0; /* longer than any that is kept */
    else if (text.len)
        memcpy(k.bytes + 5, text.ptr, text.len);
    return k;
}

static struct entry *find(const struct rights *r, uint32_t set, unsigned form, struct sv text)
{
    struct key k = make_key(set, form, text);
    struct entry *e = NULL;
    if (k.len)
        HASH_FIND(hh, r->entries, k.bytes, k.len, e);
    return e;
}

static struct entry *add(struct rights *r, uint32_t set, unsigned form, struct sv text)
{
    struct entry *e = find(r, set, form, text);
    if (e)
        return e;
    struct key k = make_key(set, form, text);
    REQUIRE(k.len); /* logins and addresses are bounded where they are read */
    e = arena_alloc(r->arena, sizeof *e);
    struct sv kept = arena_sv(r->arena, (struct sv){k.bytes, k.len});
    HASH_ADD_KEYPTR(hh, r->entries, kept.ptr, kept.len, e);
    return e;
}

static void add_pattern(struct rights *r, struct rights_set *set, struct sv text);

struct aliasing {
    struct rights *rights;
    uint32_t file;
};

/* One pattern of one login in a file: its set grows. */
static void add_alias(void *arg, struct sv login, struct sv pattern)
{
    struct aliasing *to = arg;
    struct rights *r = to->rights;
    struct entry *e = add(r, to->file, FORM_ALIAS, login);
    if (!e->set) {
        e->set = arena_alloc(r->arena, sizeof *e->set);
        e->set->number = ++r->sets;
    }
    struct conf_strings *texts = &e->set->texts;
    if (texts->count == e->room) {
        e->room = e->room ? 2 * e->room : 2;
        const char **items = arena_alloc(r->arena, e->room * sizeof *items);
        if (texts->count)
            memcpy(items, texts->items, texts->count * sizeof *items);
        texts->items = items;
    }
    texts->items[texts->count++] = arena_str(r->arena, pattern);
    add_pattern(r, e->set, pattern);
}

/* The number of a file or query, which is read when it is named first. */
static uint32_t file_number(struct rights *r, struct sv source)
{
    struct entry *e = add(r, 0, PATTERN_FILE, source);
    struct sv text;
    if (e->file)
        return e->file;
    e->file = ++r->sets;
    struct aliasing to = {r, e->file};
    if (generation_file(r->generation, arena_str(r->arena, source),
                        &text)) /* without it nothing would be allowed by it */
        aliases_read(text, &r->generation->options.auth.realms, r->arena, add_alias, &to);
    return e->file;
}

static void add_pattern(struct rights *r, struct rights_set *set, struct sv text)
{
    struct pattern p;
    const char *wrong, *right;
    bool good = pattern_parse(r->arena, text, &p, &wrong, &right);
    REQUIRE(good); /* the option's check, or the reader of the file, has read it */
    switch (p.form) {
    case PATTERN_ALL:
        set->all = true;
        break;
    case PATTERN_OWN:
        set->own = true;
        break;
    case PATTERN_OWN_SUB:
        set->own_sub = true;
        break;
    case PATTERN_FILE:
        REQUIRE(set->files);
        set->files[set->nfiles++] = file_number(r, p.key);
        break;
    default:
        add(r, set->number, p.form, p.key);
    }
}

static struct rights_set make_set(struct rights *r, const struct conf_strings *texts)
{
    struct rights_set set = {.number = ++r->sets, .texts = *texts};
    set.files = arena_alloc(r->arena, texts->count * sizeof *set.files);
    for (size_t i = 0; i < texts->count; i++)
        add_pattern(r, &set, sv_of(texts->items[i]));
    return set;
}

static const struct rights_row *make_row(struct rights *r, const struct permission_options *o)
{
    struct rights_row *row = arena_alloc(r->arena, sizeof *row);
    row->may_send_as = make_set(r, &o->may_send_as);
    row->may_send_on_behalf_of = make_set(r, &o->may_send_on_behalf_of);
    row->may_send_to = make_set(r, &o->may_send_to);
    row->gateway = o->class == PERMISSION_GATEWAY;
    row->allow_resent = o->allow_resent;
    row->budget.most[BUDGET_MESSAGES] = (uint64_t)o->messages_per_hour;
    row->budget.most[BUDGET_RECIPIENTS] = (uint64_t)o->recipients_per_day;
    row->budget.most[BUDGET_NEW_RECIPIENTS] = (uint64_t)o->new_recipients_per_day;
    row->budget.hold = o->over_budget == PERMISSION_HOLD;
    row->budget.lock_auth = o->lock_auth;
    return row;
}

struct rights *rights_new(const struct generation *g, struct arena *a)
{
    static const char *own[] = {"%u"}, *all[] = {"*"};
    static const struct permission_options self = {.may_send_as = {own, 1},
                                                   .may_send_to = {all, 1}},
                                           any = {.may_send_as = {all, 1}, .may_send_to = {all, 1}};
    const struct conf_list *rows = &g->options.permissions;
    struct rights *r = arena_alloc(a, sizeof *r);
    r->arena = a;
    r->generation = g;
    r->everybody = make_row(r, &self);
    r->trusted = r->anybody = make_row(r, &any);
    for (size_t i = 0; i < rows->count; i++) {
        const struct permission_options *o = CONF_ITEM(*rows, i, struct permission_options);
        const struct rights_row *row = make_row(r, o);
        if (strcmp(o->login, PERMISSION_EVERYBODY_ELSE) == 0)
            r->everybody = row;
        else if (strcmp(o->login, PERMISSION_TRUSTED) == 0)
            r->trusted = row;
        else
            add(r, 0, FORM_LOGIN, sv_of(o->login))->row = row;
    }
    return r;
}

void rights_free(struct rights *r)
{
    if (r)
        HASH_CLEAR(hh, r->entries);
}

/* In any case, as rows and files have it in lower case. */
static struct entry *find_login(const struct rights *r, uint32_t set, unsigned form,
                                struct sv login)
{
    char text[SMTP_PATH_MAX];
    if (login.len > sizeof text)
        return NULL;
    for (size_t i = 0; i < login.len; i++)
        text[i] = ascii_lower(login.ptr[i]);
    return find(r, set, form, (struct sv){text, login.len});
}

struct rights_holder rights_of_login(const struct rights *r, struct sv login)
{
    const struct entry *e = find_login(r, 0, FORM_LOGIN, login);
    return (struct rights_holder){r, e ? e->row : r->everybody, login};
}

struct rights_written rights_written(const struct rights_holder *h)
{
    const struct rights_row *row = h->row;
    return (struct rights_written){.may_send_as = &row->may_send_as.texts,
                                   .may_send_on_behalf_of = &row->may_send_on_behalf_of.texts,
                                   .may_send_to = &row->may_send_to.texts,
                                   .gateway = row->gateway,
                                   .allow_resent = row->allow_resent};
}

const struct budget_limits *rights_budget(const struct rights_holder *h)
{
    return &h->row->budget;
}

struct rights_holder rights_of_trusted(const struct rights *r)
{
    return (struct rights_holder){r, r->trusted, SV_NONE};
}

struct rights_holder rights_of_anybody(const struct rights *r)
{
    return (struct rights_holder){r, r->anybody, SV_NONE};
}

/* ---- matching ---- */

static bool in_domain(const struct rights_holder *h, const struct rights_set *set, struct sv domain)
{
    if (find(h->rights, set->number, PATTERN_DOMAIN, domain))
        return true;
    for (size_t dot; (dot = sv_find(domain, '.')) < domain.len;) {
        domain = sv_skip(domain, dot + 1);
        if (find(h->rights, set->number, PATTERN_BELOW, domain))
            return true;
    }
    return false;
}

/* key is local@domain: for each "+" that has something on both sides, without what is behind it. */
static bool is_sub_address(const struct rights_holder *h, const struct rights_set *set,
                           struct sv key, size_t local_len)
{
    char text[SMTP_PATH_MAX];
    struct sv domain = sv_skip(key, local_len);
    for (size_t plus = 1; plus + 1 < local_len && key.ptr[0] != '"'; plus++) {
        if (key.ptr[plus] != '+')
            continue;
        memcpy(text, key.ptr, plus);
        memcpy(text + plus, domain.ptr, domain.len);
        if (find(h->rights, set->number, PATTERN_SUB, (struct sv){text, plus + domain.len}))
            return true;
    }
    return false;
}

/* The login as an address, or below it. */
static bool is_own(const struct rights_holder *h, const struct rights_set *set, struct sv key,
                   size_t local_len)
{
    char text[SMTP_PATH_MAX];
    struct arena scratch;
    struct smtp_path path;
    bool own = false;
    if ((!set->own && !set->own_sub) || !h->login.len)
        return false;
    arena_init(&scratch);
    if (smtp_path_parse_address(&scratch, h->login, SMTP_PATH_FORWARD, &path) == SMTP_PATH_OK) {
        struct sv mine = pattern_key(&path, text);
        size_t my_len = sv_rfind(mine, '@');
        own = (set->own && sv_eq(mine, key)) ||
              (set->own_sub && mine.ptr[0] != '"' && local_len > my_len + 1 &&
               key.ptr[my_len] == '+' && sv_eq(sv_first(mine, my_len), sv_first(key, my_len)) &&
               sv_eq(sv_skip(mine, my_len), sv_skip(key, local_len)));
    }
    arena_deinit(&scratch);
    return own;
}

static bool has_key(const struct rights_holder *h, const struct rights_set *set,
                    const struct smtp_path *path, struct sv key)
{
    size_t local_len = sv_rfind(key, '@'); /* a path's differs where UTF-8 was composed */
    if (find(h->rights, set->number, PATTERN_ADDRESS, key) || is_own(h, set, key, local_len) ||
        is_sub_address(h, set, key, local_len))
        return true;
    return path->kind == SMTP_PATH_MAILBOX && in_domain(h, set, sv_skip(key, local_len + 1));
}

/* What a file says of the login; NULL: nothing. */
static const struct rights_set *aliases_of(const struct rights_holder *h, uint32_t file)
{
    const struct entry *e = h->login.len ? find_login(h->rights, file, FORM_ALIAS, h->login) : NULL;
    return e ? e->set : NULL;
}

static bool has_named(const struct rights_holder *h, const struct rights_set *set,
                      const struct smtp_path *path)
{
    char text[SMTP_PATH_MAX];
    struct sv key = pattern_key(path, text);
    if (has_key(h, set, path, key))
        return true;
    for (size_t i = 0; i < set->nfiles; i++) {
        const struct rights_set *aliases = aliases_of(h, set->files[i]);
        if (aliases && has_key(h, aliases, path, key))
            return true;
    }
    return false;
}

/* "*" in a file of aliases is of one login, as all that stands there. */
static bool has_all(const struct rights_holder *h, const struct rights_set *set)
{
    bool all = set->all;
    for (size_t i = 0; i < set->nfiles && !all; i++) {
        const struct rights_set *aliases = aliases_of(h, set->files[i]);
        all = aliases && aliases->all;
    }
    return all;
}

static bool has(const struct rights_holder *h, const struct rights_set *set,
                const struct smtp_path *path)
{
    return has_all(h, set) || has_named(h, set, path);
}

/* ---- refusals ---- */

/* A pattern in words of an address; "%u" is the login. */
static struct sv shown(const struct rights_holder *h, struct arena *a, struct sv text)
{
    size_t at = sv_rfind(h->login, '@');
    if (sv_eq(text, SV("%u")))
        return h->login;
    if (sv_eq(text, SV("%u+*")))
        return sv_of(arena_printf(a, "%.*s+*%.*s", SV_ARG(sv_first(h->login, at)),
                                  SV_ARG(sv_skip(h->login, at))));
    return text;
}

/* The first patterns of a set in words, and how many there are. */
struct listing {
    const char *words;
    size_t shown, all;
};

static bool list_text(struct sv text, struct arena *a, struct listing *l)
{
    if (l->shown == SHOWN_PATTERNS || strlen(l->words) + text.len > SHOWN_BYTES)
        return false;
    l->words = arena_printf(a, "%s%s%.*s", l->words, l->shown ? ", " : "", SV_ARG(text));
    l->shown++;
    return true;
}

static void list_texts(const struct rights_holder *h, const struct rights_set *set, struct arena *a,
                       struct listing *l)
{
    bool going = l->shown == l->all;
    l->all += set->texts.count - set->nfiles;
    for (size_t i = 0; going && i < set->texts.count; i++) {
        struct sv text = sv_of(set->texts.items[i]);
        going = pattern_is_source(text) || list_text(shown(h, a, text), a, l);
    }
}

static const char *allowed(const struct rights_holder *h, const struct rights_set *set,
                           struct arena *a)
{
    struct listing l = {.words = ""};
    list_texts(h, set, a, &l);
    for (size_t i = 0; i < set->nfiles; i++) {
        const struct rights_set *aliases = aliases_of(h, set->files[i]);
        if (aliases)
            list_texts(h, aliases, a, &l);
    }
    if (l.all == 0)
        return "none";
    if (l.shown < l.all)
        l.words = arena_printf(a, "%s%s%zu more", l.words, l.shown ? " and " : "", l.all - l.shown);
    return l.words;
}

static struct sv holder_name(const struct rights_holder *h)
{
    return h->login.len ? h->login : SV("a client without a login");
}

const char *rights_words(const struct rights_holder *h, bool on_behalf, struct arena *a)
{
    const struct rights_set *behalf = &h->row->may_send_on_behalf_of;
    on_behalf = on_behalf && behalf->texts.count;
    return arena_printf(a, "%.*s may send as; allowed: %s%s%s", SV_ARG(holder_name(h)),
                        allowed(h, &h->row->may_send_as, a), on_behalf ? "; on behalf of: " : "",
                        on_behalf ? allowed(h, behalf, a) : "");
}

static bool refuse(const struct smtp_path *path, const char *words, struct arena *a,
                   struct smtp_reply *reply_out)
{
    *reply_out = SMTP_REPLY_SETTING(550, 5, 7, 1, "", "permissions");
    reply_out->text =
        sv_of(arena_printf(a, "<%.*s> is not an address that %s", SV_ARG(path->text), words));
    return false;
}

/* ---- interface ---- */

bool rights_is_gateway(const struct rights_holder *h)
{
    return h->row->gateway;
}

bool rights_allow_resent(const struct rights_holder *h)
{
    return h->row->allow_resent;
}

bool rights_may_send_as_all(const struct rights_holder *h)
{
    return h->row->may_send_as.all;
}

bool rights_may_send_as(const struct rights_holder *h, const struct smtp_path *path)
{
    return has(h, &h->row->may_send_as, path);
}

bool rights_are_named(const struct rights_holder *h, const struct smtp_path *path)
{
    return has_named(h, &h->row->may_send_as, path) ||
           has_named(h, &h->row->may_send_on_behalf_of, path);
}

bool rights_may_send_on_behalf_of(const struct rights_holder *h, const struct smtp_path *path)
{
    return has(h, &h->row->may_send_on_behalf_of, path);
}

bool rights_reverse_path(const struct rights_holder *h, const struct smtp_path *path,
                         struct arena *a, struct smtp_reply *reply_out)
{
    return path->kind == SMTP_PATH_NULL || /* RFC 6409 3.2: must not be refused for itself */
           rights_may_send_as(h, path) || refuse(path, rights_words(h, false, a), a, reply_out);
}

bool rights_forward_path(const struct rights_holder *h, const struct smtp_path *path,
                         struct arena *a, struct smtp_reply *reply_out)
{
    const struct rights_set *set = &h->row->may_send_to;
    return path->kind == SMTP_PATH_POSTMASTER || has(h, set, path) ||
           refuse(path,
                  arena_printf(a, "%.*s may send to; allowed: %s", SV_ARG(holder_name(h)),
                               allowed(h, set, a)),
                  a, reply_out);
}

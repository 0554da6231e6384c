/*
 * admin.c - the work itself: one request on the databases, with a sentence for people.
 */
#include "auth/admin_inside.h"

#include "auth/change.h"
#include "auth/database.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 2048

void auth_admin_answer_init(struct auth_admin_answer *a)
{
    *a = (struct auth_admin_answer){0};
    buf_init(&a->text, TEXT_MAX, 0);
    arena_init(&a->mem);
}

void auth_admin_answer_deinit(struct auth_admin_answer *a)
{
    mem_wipe(a->secret, sizeof(a->secret));
    buf_deinit(&a->text);
    arena_deinit(&a->mem);
}

void admin_say(struct auth_admin_answer *out, int err, const char *who, const char *what)
{
    out->err = err;
    /* a name has at most 255 bytes, what is said is ours */
    REQUIRE(buf_printf(&out->text, "%.300s%s%.1400s", who, *who ? ": " : "", what) == 0);
}

void admin_say_fault(struct auth_admin_answer *out, int err, const struct auth_options *o,
                     bool in_accounts)
{
    char text[1024];

    admin_say(out, err, "",
              in_accounts ? auth_accounts_fault(o->accounts_path, err, text)
                          : auth_database_fault(o, err, text));
}

/* What a verb needs and does. */
static const struct rule {
    bool is_question, has_password, has_label;
    bool ends_sessions; /* of the user, once it is done */
    const char *done;
} rules[AUTH_ADMIN_VERBS] = {
    [AUTH_ADMIN_ADD] = {.has_password = true, .done = "added"},
    [AUTH_ADMIN_PASSWD] = {.has_password = true, .ends_sessions = true, .done = "password set"},
    [AUTH_ADMIN_DELETE] = {.ends_sessions = true, .done = "deleted"},
    [AUTH_ADMIN_LIST] = {.is_question = true},
    [AUTH_ADMIN_SHOW] = {.is_question = true},
    [AUTH_ADMIN_DISABLE] = {.ends_sessions = true, .done = "disabled"},
    [AUTH_ADMIN_ENABLE] = {.done = "enabled"},
    [AUTH_ADMIN_UNLOCK] = {.done = "unlocked"},
    [AUTH_ADMIN_ROLE] = {.done = "role set"},
    [AUTH_ADMIN_APP_ADD] = {.has_label = true, .done = "added"},
    [AUTH_ADMIN_APP_LIST] = {.is_question = true},
    [AUTH_ADMIN_PROBE] = {.is_question = true},
    [AUTH_ADMIN_APP_REVOKE] = {.has_label = true, .ends_sessions = true, .done = "revoked"},
};

bool auth_admin_is_question(enum auth_admin_verb verb)
{
    return rules[verb].is_question;
}

/* NULL, or what is wrong with the request's words. */
static const char *fault_of(const struct auth_admin_request *r, const struct auth_name *name)
{
    const struct rule *rule = &rules[r->verb];

    /* "user/LABEL" is how SCRAM names an app password; users of saslpasswd2 may have one */
    if (r->verb == AUTH_ADMIN_ADD && sv_find(auth_name_user(name), '/') < name->user_len)
        return "a new name cannot have '/': it stands before the label of an app password";
    if (rule->has_password)
        return auth_password_fault(r->password);
    if (rule->has_label)
        return auth_app_label_fault(r->word);
    if (r->verb == AUTH_ADMIN_ROLE && !sv_eq(r->word, SV("admin")) && !sv_eq(r->word, SV("none")))
        return "the roles are \"admin\" and \"none\"";
    if (r->verb == AUTH_ADMIN_DISABLE && r->word.len > AUTH_REASON_MAX)
        return "the reason is longer than 200 bytes";
    if (r->verb == AUTH_ADMIN_DISABLE && r->word.len > 0 && !utf8_is_printable(r->word))
        return "the reason has a control character or is not UTF-8";
    return NULL;
}

/* One request under way. */
struct work {
    struct auth_change change;
    const struct auth_admin_request *request;
    const struct auth_name *name;
    struct auth_admin_answer *out;
    const char *refusal; /* why nothing was done, though nothing failed */
    bool user_known;     /* APP_REVOKE: only the label is not there */
};

static int set_state(struct work *w, enum auth_state state, unsigned from, const char *refusal)
{
    struct auth_account before;
    int err = auth_change_state(&w->change, w->name, state, from, w->request->word, &before);

    if (err == 0 && (from & 1u << before.state) == 0 && before.state != state)
        w->refusal = refusal;
    return err;
}

static int change(struct work *w)
{
    const struct auth_admin_request *r = w->request;
    struct auth_change *c = &w->change;

    switch (r->verb) {
    case AUTH_ADMIN_ADD:
        return auth_change_add(c, w->name, r->password);
    case AUTH_ADMIN_PASSWD:
        return auth_change_passwd(c, w->name, r->password);
    case AUTH_ADMIN_DELETE:
        return auth_change_delete(c, w->name);
    case AUTH_ADMIN_DISABLE:
        return set_state(w, AUTH_STATE_DISABLED, ~0u, "");
    case AUTH_ADMIN_ENABLE:
        return set_state(w, AUTH_STATE_ENABLED, 1u << AUTH_STATE_DISABLED,
                         "is locked; user unlock ends that");
    case AUTH_ADMIN_UNLOCK:
        return set_state(w, AUTH_STATE_ENABLED, 1u << AUTH_STATE_LOCKED,
                         "is disabled; user enable ends that");
    case AUTH_ADMIN_ROLE:
        return auth_change_admin(c, w->name, sv_eq(r->word, SV("admin")));
    case AUTH_ADMIN_APP_ADD:
        return auth_change_app_add(c, w->name, r->word, w->out->secret);
    case AUTH_ADMIN_APP_REVOKE:
        return auth_change_app_revoke(c, w->name, r->word, &w->user_known);
    case AUTH_ADMIN_LIST:
    case AUTH_ADMIN_SHOW:
    case AUTH_ADMIN_APP_LIST:
    case AUTH_ADMIN_PROBE:
    case AUTH_ADMIN_VERBS:
        break;
    }
    return ERR_SYNTAX;
}

/* What others keep is theirs to change. */
static void say_foreign(struct work *w, int err)
{
    const char *database = auth_options_database(w->change.options);
    char text[256];

    if (err == -ENOTSUP)
        snprintf(
            text, sizeof(text),
            "no app passwords with auth.database = \"%s\": it does not say who exists, so that "
            "they would outlive their user",
            database);
    else
        snprintf(text, sizeof(text), "msad does not write the users of auth.database = \"%s\": %s",
                 database,
                 w->request->verb == AUTH_ADMIN_ADD      ? "add them there"
                 : w->request->verb == AUTH_ADMIN_PASSWD ? "set the password there"
                 : w->change.options->database == AUTH_DATABASE_SASLAUTHD
                     ? "disable the login here, or remove it there"
                     : "remove it there first");
    admin_say(w->out, err, w->name->text, text);
}

static void say_result(struct work *w, int err)
{
    const struct auth_admin_request *r = w->request;
    bool is_app = rules[r->verb].has_label;
    char done[192];

    snprintf(done, sizeof(done), "%s%.*s%s%s%s", is_app ? "app password " : "",
             is_app ? (int)r->word.len : 0, r->word.ptr ? r->word.ptr : "", is_app ? " " : "",
             rules[r->verb].done,
             w->change.unsure ? "; whether there is such a user could not be asked" : "");
    if (err == 0 && w->refusal != NULL)
        admin_say(w->out, ERR_EXISTS, w->name->text, w->refusal);
    else if (err == 0)
        admin_say(w->out, 0, w->name->text, done);
    else if (err == -EROFS || err == -ENOTSUP)
        say_foreign(w, err);
    else if (err == ERR_EXISTS)
        admin_say(w->out, err, w->name->text,
                  is_app ? "this label is in use" : "there is such a user already");
    else if (err == ERR_NOT_FOUND)
        admin_say(w->out, err, w->name->text,
                  w->user_known ? "there is no such app password" : "there is no such user");
    else if (err == ERR_LIMIT)
        admin_say(w->out, err, w->name->text,
                  "there are 100 app passwords, or the name with the label is too long");
    else
        admin_say_fault(w->out, err, w->change.options, w->change.in_accounts);
}

/* Also of what has failed behind itself: a user who is gone from one database, a file whose folder
 * could not be synced. What was refused has changed nothing. */
static bool may_be_done(int err)
{
    return err != ERR_NOT_FOUND && err != ERR_EXISTS && err != ERR_LIMIT && err != ERR_SYNTAX &&
           err != -EROFS && err != -ENOTSUP;
}

static void apply_change(const struct auth_options *o, const struct auth_admin_request *r,
                         const struct auth_name *name, struct auth_admin_answer *out,
                         struct auth_name *changed_out)
{
    struct work w = {.request = r, .name = name, .out = out};
    int err;

    auth_change_begin(&w.change, o);
    err = change(&w);
    if (!w.change.in_lock) {
        say_result(&w, err);
    } else if (err == -ENOENT) { /* no state folder yet, so nobody is there */
        admin_say(out, ERR_NOT_FOUND, name->text, "there is no such user");
    } else {
        char lock[1024];

        snprintf(lock, sizeof(lock), "%.900s.lock", o->accounts_path);
        admin_say(out, err, lock, err_text(err));
    }
    auth_change_end(&w.change);
    if (changed_out != NULL && rules[r->verb].ends_sessions && !w.change.in_lock &&
        may_be_done(out->err))
        *changed_out = *name;
}

void auth_admin_apply(const struct auth_options *o, const struct auth_admin_request *r,
                      struct auth_admin_answer *out, struct auth_name *changed_out)
{
    struct auth_name name;
    enum auth_name_fault fault;
    const char *wrong;

    if (changed_out != NULL)
        *changed_out = (struct auth_name){0};
    if (r->verb == AUTH_ADMIN_LIST) {
        admin_tell_all(o, out);
        return;
    }
    if (r->verb == AUTH_ADMIN_PROBE) {
        admin_tell_health(o, out);
        return;
    }
    fault = auth_database_name(o, r->name, &name);
    wrong = fault == AUTH_NAME_OK ? fault_of(r, &name) : auth_name_fault_text(fault);
    if (wrong != NULL)
        admin_say(out, ERR_SYNTAX, "", wrong);
    else if (rules[r->verb].is_question)
        admin_tell_one(o, &name, r->verb == AUTH_ADMIN_APP_LIST, out);
    else
        apply_change(o, r, &name, out, changed_out);
}

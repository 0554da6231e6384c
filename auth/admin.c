/*
 * admin.c - the work itself: one request on the user database, with a sentence for people.
 */
#include "auth/admin.h"

#include "msa/base/require.h"

#include <string.h>

#define TEXT_MAX 1024

void auth_admin_answer_init(struct auth_admin_answer *a)
{
    *a = (struct auth_admin_answer){0};
    buf_init(&a->text, TEXT_MAX, 0);
    arena_init(&a->mem);
}

void auth_admin_answer_deinit(struct auth_admin_answer *a)
{
    buf_deinit(&a->text);
    arena_deinit(&a->mem);
}

static void say(struct auth_admin_answer *out, int err, const char *who, const char *what)
{
    out->err = err;
    /* a name has at most 255 bytes, what is said is ours */
    REQUIRE(buf_printf(&out->text, "%.300s%s%.600s", who, *who ? ": " : "", what) == 0);
}

struct listing {
    struct auth_admin_answer *out;
    size_t room;
};

static void list_user(void *arg, const struct auth_users_entry *entry)
{
    struct listing *l = arg;
    struct auth_admin_answer *out = l->out;

    if (out->nusers == l->room) {
        size_t more = l->room ? l->room * 2 : 64;
        struct auth_admin_user *grown = arena_alloc(&out->mem, more * sizeof(*grown));

        if (out->nusers > 0)
            memcpy(grown, out->users, out->nusers * sizeof(*grown));
        out->users = grown;
        l->room = more;
    }
    out->users[out->nusers++] = (struct auth_admin_user){
        .login = arena_str(&out->mem, entry->login), .cleartext = entry->cleartext};
}

static void apply_list(const struct auth_options *o, struct auth_admin_answer *out)
{
    struct listing l = {.out = out};
    int err = auth_users_list(o->path, list_user, &l);

    if (err < 0)
        say(out, err, o->path, err_text(err));
}

static int change(const struct auth_options *o, const struct auth_admin_request *r,
                  const struct auth_name *name)
{
    switch (r->verb) {
    case AUTH_ADMIN_ADD:
        return auth_users_add(o->path, name, r->password);
    case AUTH_ADMIN_PASSWD:
        return auth_users_passwd(o->path, name, r->password);
    case AUTH_ADMIN_DELETE:
        return auth_users_delete(o->path, name);
    case AUTH_ADMIN_LIST:
        break;
    }
    return ERR_SYNTAX;
}

static const char *done_text(enum auth_admin_verb verb)
{
    return verb == AUTH_ADMIN_ADD      ? "added"
           : verb == AUTH_ADMIN_PASSWD ? "password set"
                                       : "deleted";
}

void auth_admin_apply(const struct auth_options *o, const struct auth_admin_request *r,
                      struct auth_admin_answer *out, struct auth_name *changed_out)
{
    bool has_password = r->verb == AUTH_ADMIN_ADD || r->verb == AUTH_ADMIN_PASSWD;
    struct auth_name name;
    enum auth_name_fault fault;
    int err;

    if (changed_out != NULL)
        *changed_out = (struct auth_name){0};
    if (r->verb == AUTH_ADMIN_LIST) {
        apply_list(o, out);
        return;
    }
    fault = auth_name_parse(&o->realms, r->name, &name);
    if (fault != AUTH_NAME_OK) {
        say(out, ERR_SYNTAX, "", auth_name_fault_text(fault));
        return;
    }
    if (has_password && auth_password_fault(r->password) != NULL) {
        say(out, ERR_SYNTAX, "", auth_password_fault(r->password));
        return;
    }
    err = change(o, r, &name);
    if (err == 0 && changed_out != NULL && r->verb != AUTH_ADMIN_ADD)
        *changed_out = name;
    say(out, err, name.text,
        err == 0               ? done_text(r->verb)
        : err == ERR_EXISTS    ? "there is such a user already"
        : err == ERR_NOT_FOUND ? "there is no such user"
                               : err_text(err));
}

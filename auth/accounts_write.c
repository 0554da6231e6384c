/*
 * accounts_write.c - changes of users.db, one transaction each.
 */
#include "auth/accounts_private.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"

static int run(struct auth_accounts *a, sqlite3_stmt *st)
{
    return sql_run(&a->db, st);
}

int auth_accounts_set_state(struct auth_accounts *a, struct sv login, enum auth_state state,
                            struct sv reason, int64_t now_ms)
{
    int err = accounts_begin(a);

    if (err == 0) {
        sqlite3_stmt *st = accounts_of(a, ACCOUNTS_SET_STATE, login);

        sql_int(st, 2, state);
        sql_int(st, 3, now_ms);
        accounts_text(st, 4, sv_first(reason, AUTH_REASON_MAX));
        err = run(a, st);
    }
    return accounts_end(a, err, true);
}

int auth_accounts_set_admin(struct auth_accounts *a, struct sv login, bool admin)
{
    int err = accounts_begin(a);

    if (err == 0) {
        sqlite3_stmt *st = accounts_of(a, ACCOUNTS_SET_ADMIN, login);

        sql_int(st, 2, admin);
        err = run(a, st);
    }
    return accounts_end(a, err, true);
}

static struct sv bytes_of(const uint8_t *bytes, size_t len)
{
    return (struct sv){(const char *)bytes, len};
}

int auth_accounts_put_verifiers(struct auth_accounts *a, struct sv login,
                                const uint8_t main[AUTH_MAIN_BYTES], const struct auth_scram *list,
                                size_t count)
{
    int err = accounts_begin(a);

    for (size_t i = 0; err == 0 && i < count; i++) {
        char text[AUTH_SCRAM_TEXT_MAX];
        sqlite3_stmt *st = accounts_of(a, ACCOUNTS_PUT_VERIFIER, login);

        auth_scram_write(&list[i], text);
        sql_text(st, 2, auth_scram_name(list[i].hash));
        sql_blob(st, 3, bytes_of(main, AUTH_MAIN_BYTES));
        sql_text(st, 4, text);
        err = run(a, st);
        mem_wipe(text, sizeof(text));
    }
    return accounts_end(a, err, true);
}

int auth_accounts_settle(struct auth_accounts *a, struct sv login,
                         const uint8_t main[AUTH_MAIN_BYTES])
{
    int err = accounts_begin(a);

    if (err == 0) {
        sqlite3_stmt *st = accounts_of(a, ACCOUNTS_SETTLE, login);

        sql_blob(st, 2, bytes_of(main, AUTH_MAIN_BYTES));
        err = run(a, st);
    }
    return accounts_end(a, err, true);
}

int auth_accounts_forget(struct auth_accounts *a, struct sv login)
{
    static const size_t all[] = {ACCOUNTS_FORGET_ACCOUNT,       ACCOUNTS_FORGET_VERIFIERS,
                                 ACCOUNTS_FORGET_APP_VERIFIERS, ACCOUNTS_FORGET_APPS,
                                 ACCOUNTS_FORGET_PLACES,        ACCOUNTS_FORGET_NETWORKS};
    int err = accounts_begin(a);

    for (size_t i = 0; err == 0 && i < sizeof(all) / sizeof(all[0]); i++)
        err = run(a, accounts_of(a, all[i], login));
    return accounts_end(a, err, true);
}

/* In the transaction: room for one more, and a revoked one of this label gone. */
static int make_room(struct auth_accounts *a, struct sv login, struct sv label)
{
    sqlite3_stmt *st = accounts_of(a, ACCOUNTS_APP_DROP_REVOKED, login);
    int64_t count = 0;
    int err;

    accounts_text(st, 2, label);
    err = run(a, st);
    if (err < 0)
        return err;
    st = accounts_of(a, ACCOUNTS_APP_COUNT, login);
    err = accounts_row(a, st);
    if (err == 1) {
        count = sqlite3_column_int64(st, 0);
        sqlite3_reset(st);
    }
    return err < 0 ? err : count >= AUTH_APPS_MAX ? ERR_LIMIT : 0;
}

static int put_app_verifier(struct auth_accounts *a, int64_t app, const struct auth_scram *v)
{
    char text[AUTH_SCRAM_TEXT_MAX];
    sqlite3_stmt *st = sql_use(&a->db, ACCOUNTS_APP_PUT_VERIFIER);
    int err;

    auth_scram_write(v, text);
    sql_int(st, 1, app);
    sql_text(st, 2, auth_scram_name(v->hash));
    sql_text(st, 3, text);
    err = run(a, st);
    mem_wipe(text, sizeof(text));
    return err;
}

int auth_accounts_app_add(struct auth_accounts *a, struct sv login, struct sv label,
                          const uint8_t digest[AUTH_APP_DIGEST_BYTES],
                          const struct auth_scram *list, size_t count, int64_t now_ms)
{
    int err = accounts_begin(a);
    int64_t id = 0;

    REQUIRE(auth_app_label_fault(label) == NULL);
    if (err == 0)
        err = make_room(a, login, label);
    if (err == 0) {
        sqlite3_stmt *st = accounts_of(a, ACCOUNTS_APP_ADD, login);

        accounts_text(st, 2, label);
        sql_blob(st, 3, bytes_of(digest, AUTH_APP_DIGEST_BYTES));
        sql_int(st, 4, now_ms);
        err = run(a, st);
        id = sqlite3_last_insert_rowid(a->db.handle);
    }
    for (size_t i = 0; err == 0 && i < count; i++)
        err = put_app_verifier(a, id, &list[i]);
    return accounts_end(a, err, true);
}

int auth_accounts_app_revoke(struct auth_accounts *a, struct sv login, struct sv label,
                             int64_t now_ms)
{
    int err = accounts_begin(a);
    int64_t id = 0;
    sqlite3_stmt *st;

    if (err == 0) {
        st = accounts_of(a, ACCOUNTS_APP_FIND, login);
        accounts_text(st, 2, label);
        err = accounts_row(a, st);
        if (err == 1) {
            id = sqlite3_column_int64(st, 0);
            sqlite3_reset(st);
        }
        err = err == 1 ? 0 : err == 0 ? ERR_NOT_FOUND : err;
    }
    if (err == 0) {
        st = sql_use(&a->db, ACCOUNTS_APP_REVOKE);
        sql_int(st, 1, id);
        sql_int(st, 2, now_ms);
        err = run(a, st);
    }
    if (err == 0) {
        st = sql_use(&a->db, ACCOUNTS_APP_DROP_VERIFIERS);
        sql_int(st, 1, id);
        err = run(a, st);
    }
    return accounts_end(a, err, true);
}

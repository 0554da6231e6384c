/*
 * userdb.c - the Berkeley DB file of users.
 */
#include "auth/userdb.h"

#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <db.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEY_MAX (AUTH_NAME_MAX + 64)

struct auth_userdb {
    DB *db;
};

struct key {
    char bytes[KEY_MAX];
    size_t len;
};

static int error_of(int rc)
{
    if (rc == 0)
        return 0;
    if (rc == DB_NOTFOUND)
        return ERR_NOT_FOUND;
    if (rc == EINVAL || rc == DB_PAGE_NOTFOUND || rc == DB_VERIFY_BAD)
        return ERR_CORRUPT;
    return rc > 0 ? -rc : ERR_DB;
}

/* libdb would write to standard error. */
static void on_db_error(const DB_ENV *env, const char *prefix, const char *text)
{
    (void)env;
    (void)prefix;
    log_event(LOG_DEBUG, "user-database", NULL, "%s", text);
}

int auth_userdb_open(const char *path, enum auth_userdb_mode mode, struct auth_userdb **out)
{
    static const uint32_t flags[] = {
        [AUTH_USERDB_READ] = DB_RDONLY,
        [AUTH_USERDB_CHANGE] = 0,
        [AUTH_USERDB_CREATE] = DB_CREATE | DB_EXCL,
    };
    struct auth_userdb *u = NEW(struct auth_userdb);
    int rc = db_create(&u->db, NULL, 0);

    if (rc != 0) {
        free(u);
        return error_of(rc);
    }
    u->db->set_errcall(u->db, on_db_error);
    rc = u->db->open(u->db, NULL, path, NULL, DB_HASH, flags[mode], 0600);
    if (rc != 0) {
        auth_userdb_close(u);
        return error_of(rc);
    }
    *out = u;
    return 0;
}

int auth_userdb_flush(struct auth_userdb *u)
{
    return error_of(u->db->sync(u->db, 0));
}

void auth_userdb_close(struct auth_userdb *u)
{
    if (u == NULL)
        return;
    u->db->close(u->db, DB_NOSYNC);
    free(u);
}

static void key_add(struct key *k, struct sv text)
{
    REQUIRE(k->len + text.len <= KEY_MAX);
    memcpy(k->bytes + k->len, text.ptr, text.len);
    k->len += text.len;
}

/* "user \0 realm \0 property" */
static DBT key_make(struct key *k, const struct auth_name *name, const char *property)
{
    DBT dbt = {0};

    k->len = 0;
    key_add(k, auth_name_user(name));
    key_add(k, (struct sv){"", 1});
    key_add(k, auth_name_realm(name));
    key_add(k, (struct sv){"", 1});
    key_add(k, sv_of(property));
    dbt.data = k->bytes;
    dbt.size = (uint32_t)k->len;
    return dbt;
}

int auth_userdb_get(struct auth_userdb *u, const struct auth_name *name, const char *property,
                    char *out, size_t max, size_t *len_out)
{
    struct key k;
    DBT key = key_make(&k, name, property);
    DBT value = {.data = out, .ulen = (uint32_t)max, .flags = DB_DBT_USERMEM};
    int rc = u->db->get(u->db, NULL, &key, &value, 0);

    if (rc == DB_BUFFER_SMALL)
        return ERR_NOT_FOUND;
    if (rc == 0)
        *len_out = value.size;
    return error_of(rc);
}

int auth_userdb_put(struct auth_userdb *u, const struct auth_name *name, const char *property,
                    struct sv text)
{
    struct key k;
    DBT key = key_make(&k, name, property);
    DBT value = {.data = (void *)(uintptr_t)text.ptr, .size = (uint32_t)text.len};

    return error_of(u->db->put(u->db, NULL, &key, &value, 0));
}

/* Takes the key apart; false if it is none of ours. */
static bool row_of(const DBT *key, const DBT *value, struct auth_userdb_row *row)
{
    struct sv rest = {key->data, key->size};

    row->user = sv_split(&rest, '\0');
    row->realm = sv_split(&rest, '\0');
    row->property = rest;
    row->value = (struct sv){value->data, value->size};
    return row->user.len > 0 && row->realm.len > 0 && row->property.len > 0;
}

/* Calls each() for every row; deletes those for which it returns true. */
static int walk(struct auth_userdb *u, bool (*each)(void *arg, const struct auth_userdb_row *row),
                void *arg)
{
    DBT key = {0}, value = {0};
    struct auth_userdb_row row;
    DBC *cursor;
    int rc = u->db->cursor(u->db, NULL, &cursor, 0);

    if (rc != 0)
        return error_of(rc);
    while ((rc = cursor->get(cursor, &key, &value, DB_NEXT)) == 0) {
        if (row_of(&key, &value, &row) && each(arg, &row) && (rc = cursor->del(cursor, 0)) != 0)
            break;
    }
    cursor->close(cursor);
    return rc == DB_NOTFOUND ? 0 : error_of(rc);
}

struct removal {
    struct sv user, realm;
    size_t count;
};

static bool is_removed(void *arg, const struct auth_userdb_row *row)
{
    struct removal *r = arg;

    if (!sv_eq(row->user, r->user) || !sv_eq(row->realm, r->realm))
        return false;
    r->count++;
    return true;
}

int auth_userdb_remove(struct auth_userdb *u, const struct auth_name *name, size_t *count_out)
{
    struct removal r = {.user = auth_name_user(name), .realm = auth_name_realm(name)};
    int err = walk(u, is_removed, &r);

    *count_out = r.count;
    return err;
}

struct visit {
    void (*each)(void *arg, const struct auth_userdb_row *row);
    void *arg;
};

static bool visit_row(void *arg, const struct auth_userdb_row *row)
{
    struct visit *v = arg;

    v->each(v->arg, row);
    return false;
}

int auth_userdb_each(struct auth_userdb *u,
                     void (*each)(void *arg, const struct auth_userdb_row *row), void *arg)
{
    return walk(u, visit_row, &(struct visit){each, arg});
}

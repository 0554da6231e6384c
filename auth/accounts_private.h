/*
 * accounts_private.h - the statements of users.db, and how a function gets at the connection.
 */
#ifndef AUTH_ACCOUNTS_PRIVATE_H
#define AUTH_ACCOUNTS_PRIVATE_H

#include "auth/accounts.h"
#include "msa/sql/sql.h"

#include <pthread.h>

#define ACCOUNTS_SQL(XX)                                                                          \
    XX(BEGIN, "BEGIN IMMEDIATE")                                                                  \
    XX(COMMIT, "COMMIT")                                                                          \
    XX(ROLLBACK, "ROLLBACK")                                                                      \
    XX(CHANGED, "UPDATE meta SET changes=changes+1")                                              \
    XX(VERSION, "SELECT changes FROM meta")                                                       \
    XX(GET, "SELECT state, admin, since, reason FROM account WHERE login=?1")                     \
    XX(SET_STATE, "INSERT INTO account(login, state, since, reason, admin)"                       \
                  " VALUES(?1, ?2, ?3, ?4, 0) ON CONFLICT(login) DO UPDATE"                       \
                  " SET state=excluded.state, since=excluded.since, reason=excluded.reason")      \
    XX(SET_ADMIN,                                                                                 \
       "INSERT INTO account(login, state, since, reason, admin)"                                  \
       " VALUES(?1, 0, 0, '', ?2) ON CONFLICT(login) DO UPDATE SET admin=excluded.admin")         \
    XX(VERIFIER, "SELECT text FROM verifier WHERE login=?1 AND mechanism=?2 AND main=?3")         \
    XX(PUT_VERIFIER, "INSERT OR REPLACE INTO verifier(login, mechanism, main, text)"              \
                     " VALUES(?1, ?2, ?3, ?4)")                                                   \
    XX(SETTLE, "DELETE FROM verifier WHERE login=?1 AND main<>?2")                                \
    XX(APP, "SELECT id, label FROM app WHERE digest=?1")                                          \
    XX(APP_VERIFIER, "SELECT app.id, app_verifier.text FROM app, app_verifier"                    \
                     " WHERE app.login=?1 AND app.label=?2 AND app.revoked=0"                     \
                     " AND app_verifier.app=app.id AND app_verifier.mechanism=?3")                \
    XX(APP_COUNT, "SELECT count(*) FROM app WHERE login=?1")                                      \
    XX(APP_ADD, "INSERT INTO app(login, label, digest, created, revoked, used, used_from)"        \
                " VALUES(?1, ?2, ?3, ?4, 0, 0, '')")                                              \
    XX(APP_PUT_VERIFIER, "INSERT INTO app_verifier(app, mechanism, text) VALUES(?1, ?2, ?3)")     \
    XX(APP_FIND, "SELECT id FROM app WHERE login=?1 AND label=?2 AND revoked=0")                  \
    XX(APP_REVOKE, "UPDATE app SET revoked=?2, digest=NULL WHERE id=?1")                          \
    XX(APP_DROP_VERIFIERS, "DELETE FROM app_verifier WHERE app=?1")                               \
    XX(APP_DROP_REVOKED, "DELETE FROM app WHERE login=?1 AND label=?2 AND revoked<>0")            \
    XX(FORGET_ACCOUNT, "DELETE FROM account WHERE login=?1")                                      \
    XX(FORGET_VERIFIERS, "DELETE FROM verifier WHERE login=?1")                                   \
    XX(FORGET_APP_VERIFIERS,                                                                      \
       "DELETE FROM app_verifier WHERE app IN (SELECT id FROM app WHERE login=?1)")               \
    XX(FORGET_APPS, "DELETE FROM app WHERE login=?1")                                             \
    XX(FORGET_PLACES, "DELETE FROM place WHERE login=?1")                                         \
    XX(FORGET_NETWORKS, "DELETE FROM network WHERE login=?1")                                     \
    XX(USE_APP, "UPDATE app SET used=?2, used_from=?3 WHERE id=?1 AND used<=?2")                  \
    XX(USE_PLACE, "INSERT INTO place(login, client, mechanism, label, last, count)"               \
                  " VALUES(?1, ?2, ?3, ?4, ?5, ?6)"                                               \
                  " ON CONFLICT(login, client, mechanism, label) DO UPDATE"                       \
                  " SET last=max(last, excluded.last), count=count+excluded.count")               \
    XX(TRIM_PLACES, "DELETE FROM place WHERE login=?1 AND rowid NOT IN (SELECT rowid FROM place"  \
                    " WHERE login=?1 ORDER BY last DESC LIMIT ?2)")                               \
    XX(USE_NETWORK, "INSERT INTO network(login, network, last) VALUES(?1, ?2, ?3)"                \
                    " ON CONFLICT(login, network) DO UPDATE SET last=max(last, excluded.last)")   \
    XX(DROP_NETWORKS, "DELETE FROM network WHERE last<?1")                                        \
    XX(TRIM_NETWORKS,                                                                             \
       "DELETE FROM network WHERE (login, network) IN (SELECT login, network FROM (SELECT login," \
       " network, row_number() OVER (PARTITION BY login ORDER BY last DESC) AS place"             \
       " FROM network) WHERE place>?1)")                                                          \
    XX(SEEN, "SELECT 1 FROM network WHERE login=?1 AND network=?2 AND last>=?3")                  \
    XX(EACH_NETWORK, "SELECT login, network, last FROM network WHERE last>=?1 ORDER BY last")     \
    XX(EACH, "SELECT login, state, admin FROM account ORDER BY login")                            \
    XX(EACH_APP, "SELECT label, used_from, created, used, revoked FROM app WHERE login=?1"        \
                 " ORDER BY label")                                                               \
    XX(EACH_PLACE, "SELECT client, mechanism, label, last, count FROM place WHERE login=?1"       \
                   " ORDER BY last DESC")

enum {
#define ACCOUNTS_SQL_NAME(name, text) ACCOUNTS_##name,
    ACCOUNTS_SQL(ACCOUNTS_SQL_NAME) ACCOUNTS_SQL_COUNT
#undef ACCOUNTS_SQL_NAME
};

struct auth_accounts {
    pthread_mutex_t lock; /* of all that follows */
    char *path;
    unsigned wait_ms;
    struct sql db; /* handle NULL: not open */
    uint64_t dev, ino;
    bool in_transaction;
};

/* Takes the lock and opens what the path names now: 0, ACCOUNTS_NONE or an error. Whatever the
 * result, accounts_leave() follows, which gives the lock back and passes an error on. */
#define ACCOUNTS_NONE 1 /* there is no file, and never was: nothing is stored */
int accounts_enter(struct auth_accounts *a) MUST_CHECK;
int accounts_leave(struct auth_accounts *a, int err) MUST_CHECK;
/* The same around a transaction, in a file that is made if need be; leaving ends the transaction as
 * err says. is_change: it counts in auth_accounts_version(). */
int accounts_begin(struct auth_accounts *a) MUST_CHECK;
int accounts_end(struct auth_accounts *a, int err, bool is_change) MUST_CHECK;

/* Statement n with the login as its first value. */
sqlite3_stmt *accounts_of(struct auth_accounts *a, size_t n, struct sv login);
void accounts_text(sqlite3_stmt *st, int at, struct sv text);
/* One row at most: 1 with the row, which is valid until sqlite3_reset(); 0; or an error. */
int accounts_row(struct auth_accounts *a, sqlite3_stmt *st) MUST_CHECK;

#endif

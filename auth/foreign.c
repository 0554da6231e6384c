/*
 * foreign.c - opening a foreign database, asking it, and what became of it.
 */
#include "auth/foreign.h"

#include "auth/auxprop.h"
#include "auth/ldap_answer.h"
#include "auth/saslauthd.h"
#include "auth/stored.h"
#include "msa/base/arena.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DOWN_MS    1000 /* nobody is asked again so soon after nobody has answered; doubled, */
#define DOWN_MAX   8000 /* up to so long, while that goes on */
#define SLOW_MS    4000 /* a fault that took so long is one, too */
#define BUSY_TRIES 20   /* an SQLite file that somebody is writing */
#define BUSY_MS    50
#define WHY_MAX    AUTH_AUXPROP_WHY_MAX

/* One a process. */
static struct {
    bool is_open;
    struct arena arena; /* of the texts */
    const char *const *properties;
    const char *file; /* sqlite3's; NULL */
    const char *socket, *service;
    const char *own; /* our name in the directory */
    char *password;  /* as it was at the start */
    struct auth_auxprop *auxprop;
    const char **servers; /* of pgsql, ended by NULL; NULL: another */
    pthread_mutex_t lock; /* of what follows */
    uint64_t down_ms;     /* when nobody answered; 0: somebody did since */
    uint64_t wait_ms;     /* how long nobody is asked again */
    bool is_tried;        /* somebody finds out whether it is there again */
    char why[WHY_MAX];    /* the last fault */
} foreign = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const char *const of_table[] = {"*userPassword", NULL};
static const char *const of_entry[] = {"*userPassword", "*authPassword", NULL};

/* --- opening --- */

static const char *keep(const char *text)
{
    return arena_str(&foreign.arena, sv_of(text));
}

static struct sv first_line(struct sv text)
{
    struct sv line = sv_first(text, sv_find(text, '\n'));

    return line.len > 0 && line.ptr[line.len - 1] == '\r' ? sv_first(line, line.len - 1) : line;
}

static const char *join(const struct conf_strings *words)
{
    char *text = arena_str(&foreign.arena, SV(""));

    for (size_t i = 0; i < words->count; i++)
        text = arena_printf(&foreign.arena, "%s%s%s", text, i ? "," : "", words->items[i]);
    return text;
}

/* The plugin puts the name between quotes into the words of libpq; the further words set
 * deadlines, which it has no settings for. */
static const char *pgsql_database(const struct auth_sql_options *sql, const char *ca)
{
    const char *tls = !sql->tls     ? "' sslmode='prefer"
                      : *ca == '\0' ? "' sslmode='require"
                                    : "' sslmode='verify-full' sslrootcert='";

    return arena_printf(&foreign.arena,
                        "%s' connect_timeout='5' keepalives_idle='4' keepalives_interval='2"
                        "' keepalives_count='2' tcp_user_timeout='8000%s%s",
                        sql->database, tls, ca);
}

/* libpq's words for each of the servers. */
static void keep_servers(const struct conf_strings *hostnames)
{
    size_t count = hostnames->count ? hostnames->count : 1;

    foreign.servers = arena_alloc(&foreign.arena, (count + 1) * sizeof(*foreign.servers));
    foreign.servers[0] = keep("connect_timeout='5'");
    foreign.servers[count] = NULL;
    for (size_t i = 0; i < hostnames->count; i++) {
        struct sv port = sv_of(hostnames->items[i]), host = sv_split(&port, ':');

        foreign.servers[i] =
            arena_printf(&foreign.arena, "connect_timeout='5' host='%.*s'%s%.*s%s", SV_ARG(host),
                         port.len ? " port='" : "", SV_ARG(port), port.len ? "'" : "");
    }
}

static int open_sql(const struct auth_sql_options *sql, const char *ca, char why[WHY_MAX])
{
    static const char *const engines[] = {"sqlite3", "pgsql", "mysql"};
    const struct auth_auxprop_setting settings[] = {
        {"sql_engine", engines[sql->engine]},
        {"sql_hostnames", join(&sql->hostnames)},
        {"sql_user", sql->user},
        {"sql_passwd", foreign.password},
        {"sql_database", sql->engine == AUTH_SQL_PGSQL ? pgsql_database(sql, ca) : sql->database},
        {"sql_select", sql->select},
        {"sql_usessl", sql->engine == AUTH_SQL_MYSQL && sql->tls ? "yes" : "no"},
    };

    if (sql->engine == AUTH_SQL_PGSQL && strpbrk(foreign.password, "'\\") != NULL) {
        snprintf(why, WHY_MAX,
                 "the password in auth.sql.password_file has a quote or a backslash, "
                 "which Cyrus' plugin cannot hand on to PostgreSQL");
        return ERR_SYNTAX;
    }
    foreign.properties = of_table;
    if (sql->engine == AUTH_SQL_PGSQL)
        keep_servers(&sql->hostnames);
    if (sql->engine == AUTH_SQL_SQLITE3)
        foreign.file = keep(sql->database);
    return auth_auxprop_open("sql", settings, sizeof(settings) / sizeof(settings[0]), why,
                             &foreign.auxprop);
}

/* libldap has its deadlines of the environment. */
static int open_ldapdb(const struct auth_ldapdb_options *ldap, const char *ca, char why[WHY_MAX])
{
    const struct auth_auxprop_setting settings[] = {
        {"ldapdb_uri", ldap->uri},
        {"ldapdb_id", ldap->id},
        {"ldapdb_pw", foreign.password},
        {"ldapdb_mech", ldap->mech},
        {"ldapdb_starttls", ldap->starttls ? "demand" : NULL},
    };

    setenv("LDAPNETWORK_TIMEOUT", "5", 1);
    setenv("LDAPTIMEOUT", "5", 1);
    setenv("LDAPTLS_REQCERT", "demand", 1);
    if (*ca != '\0')
        setenv("LDAPTLS_CACERT", ca, 1);
    foreign.properties = of_entry;
    foreign.own = keep(ldap->id);
    return auth_auxprop_open("ldapdb", settings, sizeof(settings) / sizeof(settings[0]), why,
                             &foreign.auxprop);
}

static int open_foreign(const struct auth_options *o, const struct auth_foreign_files *files,
                        char why[WHY_MAX])
{
    int err = 0;

    setenv("HOME", "/nonexistent", 1); /* these libraries read settings of the user's, too */
    if (o->database == AUTH_DATABASE_SQL)
        err = open_sql(&o->sql, files->ca_path, why);
    else if (o->database == AUTH_DATABASE_LDAPDB)
        err = open_ldapdb(&o->ldapdb, files->ca_path, why);
    foreign.socket = keep(o->saslauthd.socket);
    foreign.service = keep(o->saslauthd.service);
    return err;
}

static void look_at_password(const struct auth_options *o, struct sv password)
{
    if (!sv_eq(password, sv_of(foreign.password)))
        log_event(LOG_WARNING, "not-reloadable", NULL,
                  "auth.%s.password_file: the new contents count at the next start",
                  auth_options_database(o));
}

int auth_foreign_start(const struct auth_options *o, const struct auth_foreign_files *files,
                       struct buf *why)
{
    struct sv password = first_line(files->password);
    char text[WHY_MAX] = "";
    int err;

    if (foreign.is_open) {
        look_at_password(o, password);
        return 0;
    }
    arena_init(&foreign.arena);
    foreign.is_open = true;
    foreign.password = sv_dup(password);
    foreign.own = "";
    err = open_foreign(o, files, text);
    if (err == 0)
        return 0;
    auth_foreign_stop();
    if (buf_printf(why, "auth.database: %s\n", text) < 0)
        return ERR_FULL;
    return ERR_SYNTAX;
}

void auth_foreign_stop(void)
{
    if (!foreign.is_open)
        return;
    auth_auxprop_close(foreign.auxprop);
    auth_stored_forget();
    mem_wipe(foreign.password, strlen(foreign.password));
    free(foreign.password);
    arena_deinit(&foreign.arena);
    foreign.is_open = false;
    foreign.auxprop = NULL;
    foreign.servers = NULL;
    foreign.file = NULL;
    foreign.properties = NULL;
    foreign.password = NULL;
    foreign.down_ms = foreign.wait_ms = 0;
    foreign.is_tried = false;
    foreign.why[0] = '\0';
}

/* --- asking --- */

/* Whether one of the servers of pgsql answers. The plugin loses the memory of every connection that
 * it does not get, which this does not. */
static bool is_there(void)
{
    int (*ping)(const char *) =
        foreign.servers ? (int (*)(const char *))auth_auxprop_function(foreign.auxprop, "PQping")
                        : NULL;
    bool there = ping == NULL;

    for (size_t i = 0; !there && foreign.servers[i] != NULL; i++)
        there = ping(foreign.servers[i]) == 0; /* PQPING_OK */
    return there;
}

/* One question. */
struct asking {
    uint64_t began_ms;
    bool tries; /* it finds out for all whether somebody answers again */
};

static void note_down(const struct asking *q, uint64_t now)
{
    if (foreign.down_ms == 0)
        foreign.wait_ms = DOWN_MS;
    else if (q->tries && foreign.wait_ms < DOWN_MAX)
        foreign.wait_ms *= 2;
    foreign.down_ms = now;
}

/* Remembers what became of a question: err is negative, or it was answered. */
static int note(const struct asking *q, int err, const char *why)
{
    uint64_t now = clock_mono_ms();

    if (err < 0 && now - q->began_ms >= SLOW_MS)
        err = -EHOSTDOWN;
    pthread_mutex_lock(&foreign.lock);
    if (err == -EHOSTDOWN)
        note_down(q, now);
    else
        foreign.down_ms = 0;
    if (q->tries)
        foreign.is_tried = false;
    if (err < 0 && why != NULL)
        snprintf(foreign.why, sizeof(foreign.why), "%s", why);
    pthread_mutex_unlock(&foreign.lock);
    return err;
}

/* 0: it may be asked; then note() follows. */
static int may_ask(struct asking *q)
{
    bool is_down;

    *q = (struct asking){.began_ms = clock_mono_ms()};
    if (!foreign.is_open)
        return ERR_KEEPER;
    pthread_mutex_lock(&foreign.lock);
    is_down = foreign.down_ms != 0;
    q->tries = is_down && !foreign.is_tried && q->began_ms - foreign.down_ms >= foreign.wait_ms;
    foreign.is_tried |= q->tries;
    pthread_mutex_unlock(&foreign.lock);
    if (q->tries && !is_there())
        return note(q, -EHOSTDOWN, NULL);
    return is_down && !q->tries ? -EHOSTDOWN : 0;
}

struct taking {
    struct auth_secret *secret;
    enum auth_scram_hash hash;
    bool bare_is_cleartext;
};

static void take(void *arg, struct sv value)
{
    struct taking *t = arg;

    /* so the plugin writes SQLite's NULL, which could be a password otherwise */
    if (foreign.file != NULL && sv_eq(value, SV("NULL")))
        value = SV("");
    auth_stored_take(t->secret, value, t->hash, t->bare_is_cleartext);
}

static void leave(void *arg, struct sv value)
{
    (void)arg;
    (void)value;
}

/* The plugin would make a file that is not there, and waits for no lock. */
static int ask_file(const char *user, struct taking *t, char why[WHY_MAX])
{
    int result = ERR_DB;

    for (unsigned tries = 0; tries < BUSY_TRIES; tries++) {
        if (access(foreign.file, R_OK) < 0) {
            snprintf(why, WHY_MAX, "%.400s: %s", foreign.file, err_text(-errno));
            return ERR_DB;
        }
        result = auth_auxprop_ask(foreign.auxprop, user, foreign.properties, take, t, why);
        if (result != ERR_DB || strstr(why, "locked") == NULL)
            break;
        usleep(BUSY_MS * 1000);
    }
    return result;
}

static int not_let_in(const char *reason, char why[WHY_MAX])
{
    char text[WHY_MAX];

    snprintf(text, WHY_MAX, "it does not let us in as \"%.200s\" (auth.ldapdb.id): %.200s",
             foreign.own, reason);
    memcpy(why, text, WHY_MAX);
    return ERR_DB;
}

/* A directory that finds a user's entry by a search refuses to let us act for one whom it does not
 * know; and for everybody, if it cannot search. So it is asked for ourselves as well: if it answers
 * that, the refusal is about the user. For every user, so that the time tells nothing. */
static int ask_entry(const char *user, struct taking *t, char why[WHY_MAX])
{
    char about_us[WHY_MAX];
    int own, result = auth_auxprop_ask(foreign.auxprop, user, foreign.properties, take, t, why);

    if (result < 0 && result != -EACCES)
        return result == ERR_DB && !auth_ldap_answer_came() ? not_let_in(why, why) : result;
    own = auth_auxprop_ask(foreign.auxprop, foreign.own, foreign.properties, leave, NULL, about_us);
    if (result >= 0 || own >= 0)
        return result >= 0 ? result : 0;
    if (own != -EHOSTDOWN)
        return not_let_in(about_us, why);
    snprintf(why, WHY_MAX, "%s", about_us);
    return own;
}

int auth_foreign_secret(const struct auth_options *o, const struct auth_name *name,
                        enum auth_scram_hash hash, struct auth_secret *out)
{
    struct taking t = {out, hash, auth_options_bare_cleartext(o)};
    struct asking q;
    char why[WHY_MAX] = "";
    int err, result;

    if (foreign.is_open && foreign.auxprop == NULL) {
        out->kind = AUTH_SECRET_ELSEWHERE; /* saslauthd */
        return 0;
    }
    err = may_ask(&q);
    if (err < 0)
        return err;
    result = foreign.file != NULL ? ask_file(name->text, &t, why)
             : foreign.properties == of_entry
                 ? ask_entry(name->text, &t, why)
                 : auth_auxprop_ask(foreign.auxprop, name->text, foreign.properties, take, &t, why);
    if (result == 1 && out->kind == AUTH_SECRET_NONE)
        out->kind = AUTH_SECRET_LOCKED;
    err = note(&q, result, why);
    return err < 0 ? err : 0;
}

int auth_foreign_password(const struct auth_name *name, struct sv password)
{
    struct auth_saslauthd_question question = {.user = auth_name_user(name),
                                               .password = password,
                                               .service = sv_of(foreign.service),
                                               .realm = auth_name_realm(name)};
    char why[WHY_MAX] = "";
    struct asking q;
    int err;

    if (!auth_saslauthd_takes(&question))
        return 0; /* without a question, so this says nothing of whether it answers */
    err = may_ask(&q);
    if (err < 0)
        return err;
    err = auth_saslauthd_ask(foreign.socket, &question, why, sizeof(why));
    return note(&q, err, why);
}

int auth_foreign_identity(struct auth_users_identity *out)
{
    struct auth_users_identity log;
    char path[PATH_MAX];
    int err;

    *out = (struct auth_users_identity){0};
    if (foreign.file == NULL)
        return 0;
    err = auth_users_identity(foreign.file, out);
    if (err < 0 || snprintf(path, sizeof(path), "%s-wal", foreign.file) >= (int)sizeof(path))
        return err;
    err = auth_users_identity(path, &log);
    out->size += log.size;
    out->mtime_ns += log.mtime_ns;
    out->ctime_ns = out->ctime_ns > log.ctime_ns ? out->ctime_ns : log.ctime_ns;
    return err;
}

void auth_foreign_why(char out[AUTH_FOREIGN_WHY_MAX])
{
    pthread_mutex_lock(&foreign.lock);
    snprintf(out, AUTH_FOREIGN_WHY_MAX, "%s", foreign.why);
    pthread_mutex_unlock(&foreign.lock);
}

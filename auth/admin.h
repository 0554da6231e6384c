/*
 * admin.h - managing users: msactl and the keeper over <state>/auth/keeper.sock.
 *
 * One connection carries one request and its answer, each a frame of msa/loop/chan.h; the socket is
 * 0600, and the keeper looks at the peer's uid as well (root or its own). Where there is no socket
 * the daemon is stopped and msactl calls auth_admin_apply() itself; both ways take the same locks.
 * Ownership: auth_admin_new() duplicates the listening descriptor. Thread: the loop's; the work
 * runs on a pool of one thread.
 */
#ifndef AUTH_ADMIN_H
#define AUTH_ADMIN_H

#include "auth/accounts.h"
#include "auth/blocks.h"
#include "auth/options.h"
#include "auth/tokens.h"
#include "msa/base/arena.h"
#include "msa/base/buf.h"
#include "msa/loop/loop.h"

#define AUTH_ADMIN_TIMEOUT_MS 30000

enum auth_admin_verb {
    AUTH_ADMIN_ADD = 1,
    AUTH_ADMIN_PASSWD,
    AUTH_ADMIN_DELETE,
    AUTH_ADMIN_LIST,
    AUTH_ADMIN_SHOW,
    AUTH_ADMIN_DISABLE,
    AUTH_ADMIN_ENABLE,
    AUTH_ADMIN_UNLOCK,
    AUTH_ADMIN_ROLE,
    AUTH_ADMIN_APP_ADD,
    AUTH_ADMIN_APP_LIST,
    AUTH_ADMIN_APP_REVOKE,
    AUTH_ADMIN_PROBE, /* can the databases be read? */
    AUTH_ADMIN_VERBS
};

struct auth_admin_request {
    enum auth_admin_verb verb;
    struct sv name;     /* NAME or NAME@realm; not for LIST and PROBE */
    struct sv password; /* ADD, PASSWD */
    struct sv word;     /* DISABLE: why, may be empty; ROLE: "admin" or "none"; APP_*: label */
};

/* What is told of a user; texts live in the answer. */
struct auth_admin_user {
    const char *login;
    bool cleartext; /* a clear-text password is stored */
    enum auth_state state;
    bool admin;
    int64_t since_ms;   /* SHOW: of the state; 0: since ever */
    const char *reason; /* SHOW */
};
/* SHOW: one of auth.mechanisms; others that check no stored password are left out. */
struct auth_admin_mechanism {
    const char *name;
    bool usable; /* what it checks against is stored; else user passwd is needed */
};
/* SHOW, APP_LIST */
struct auth_admin_app {
    const char *label, *used_from;
    int64_t created_ms, used_ms, revoked_ms; /* 0: never */
};
/* SHOW: a place from which the user logged in; newest first. */
struct auth_admin_place {
    const char *client, *mechanism, *label; /* label "": main password */
    int64_t last_ms, count;
};

struct auth_admin_answer {
    int err;                          /* 0, or an error of this request */
    struct buf text;                  /* one line for people: what was done or what is wrong */
    char secret[AUTH_APP_SECRET_MAX]; /* APP_ADD; wiped by deinit */
    struct arena mem;                 /* of what follows */
    struct auth_admin_user *users;    /* LIST: all; SHOW: the one */
    size_t nusers;
    struct auth_admin_mechanism *mechanisms;
    size_t nmechanisms;
    struct auth_admin_app *apps;
    size_t napps;
    struct auth_admin_place *places;
    size_t nplaces;
};
void auth_admin_answer_init(struct auth_admin_answer *a);
void auth_admin_answer_deinit(struct auth_admin_answer *a);

/* True if the verb only tells. */
bool auth_admin_is_question(enum auth_admin_verb verb);
/* Does the request on the databases at once: blocking, any thread. What the keeper runs on its
 * pool, and msactl by itself when the daemon is stopped. *changed_out (may be NULL): the login
 * whose open sessions must end, "" if none. */
void auth_admin_apply(const struct auth_options *o, const struct auth_admin_request *r,
                      struct auth_admin_answer *out, struct auth_name *changed_out);
/* Asks a running keeper, blocking, on a loop of its own. ERR_KEEPER: nobody listens there. */
int auth_admin_ask(const char *socket_path, const struct auth_admin_request *r,
                   struct auth_admin_answer *out) MUST_CHECK;

/* The keeper's side. */
struct auth_admin;
struct auth_admin_ops {
    /* Options of the current generation, NULL before the first. */
    const struct auth_options *(*options)(void *arg);
    /* Open sessions of this login end; where app is not empty, only those by this app password. */
    void (*on_changed)(void *arg, struct sv login, struct sv app);
    /* "msactl user unlock": what this login (as it was asked) has failed is forgotten. */
    void (*on_unlocked)(void *arg, struct sv login);
    /* "msactl block", on the loop: the answer is filled at once. */
    void (*on_blocks)(void *arg, const struct auth_blocks_request *request,
                      struct auth_blocks *answer);
    /* "msactl status", likewise. */
    void (*on_tokens)(void *arg, struct auth_tokens *answer);
};
int auth_admin_new(struct loop *l, int listen_fd, const struct auth_admin_ops *ops, void *arg,
                   struct auth_admin **out) MUST_CHECK;
void auth_admin_free(struct auth_admin *a);

#endif

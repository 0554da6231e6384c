/*
 * admin.h - changing users while the daemon runs: msactl and the keeper over
 * <state>/auth/keeper.sock.
 *
 * One connection carries one request and its answer, each a frame of msa/loop/chan.h; the socket is
 * 0600, and the keeper looks at the peer's uid as well (root or its own). Where there is no socket
 * the daemon is stopped and msactl calls auth/users.h itself; both ways take the same file lock.
 * Ownership: auth_admin_new() duplicates the listening descriptor. Thread: the loop's; the work
 * runs on a pool of one thread.
 */
#ifndef AUTH_ADMIN_H
#define AUTH_ADMIN_H

#include "auth/blocks.h"
#include "auth/options.h"
#include "auth/users.h"
#include "msa/base/arena.h"
#include "msa/base/buf.h"
#include "msa/loop/loop.h"

#define AUTH_ADMIN_TIMEOUT_MS 30000

enum auth_admin_verb {
    AUTH_ADMIN_ADD = 1,
    AUTH_ADMIN_PASSWD,
    AUTH_ADMIN_DELETE,
    AUTH_ADMIN_LIST,
};

/* One login of a list. */
struct auth_admin_user {
    const char *login;
    bool cleartext; /* a clear-text password is stored */
};

struct auth_admin_request {
    enum auth_admin_verb verb;
    struct sv name;     /* NAME or NAME@realm; not for LIST */
    struct sv password; /* ADD, PASSWD */
};

struct auth_admin_answer {
    int err;          /* 0, ERR_EXISTS, ERR_NOT_FOUND, ERR_SYNTAX or an environment error */
    struct buf text;  /* one line for people: what was done or what is wrong */
    struct arena mem; /* of users */
    struct auth_admin_user *users;
    size_t nusers;
};
void auth_admin_answer_init(struct auth_admin_answer *a);
void auth_admin_answer_deinit(struct auth_admin_answer *a);

/* Does the request on the database at once: blocking, any thread. What the keeper runs on its pool,
 * and msactl by itself when the daemon is stopped. *changed_out (may be NULL): the login whose open
 * sessions must end, "" if none. */
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
    void (*on_changed)(void *arg, struct sv login);
    /* "msactl block", on the loop: the answer is filled at once. */
    void (*on_blocks)(void *arg, const struct auth_blocks_request *request,
                      struct auth_blocks *answer);
};
int auth_admin_new(struct loop *l, int listen_fd, const struct auth_admin_ops *ops, void *arg,
                   struct auth_admin **out) MUST_CHECK;
void auth_admin_free(struct auth_admin *a);

#endif

/*
 * client.h - the asking side of the keeper: AUTH exchanges, smarthost logins, signatures, and
 * certificates of recipients.
 *
 * One for each worker and one for the main thread, over a chan; everything here is called from its
 * loop's thread. A request is known by its id; the callback gets the id and never runs from inside
 * the call that made the request. Exactly one callback follows each start, step and sign, unless
 * auth_client_cancel() is called first: after that none.
 * Between a callback with AUTH_CONTINUE and the next step the keeper holds the exchange, for at
 * most AUTH_EXCHANGE_MAX_MS; any other verdict ends it and its id. A start, login or signature that
 * is asked for while no keeper is there waits for the next one, within its own deadline; a
 * signature that was under way when the keeper went away is asked for once more. Everything else
 * that was pending is answered with AUTH_TEMPORARY, also exchanges that are between steps (at their
 * next step). Sessions that are logged in are not touched. Secrets: payloads that carry passwords
 * are wiped after they are sent.
 *
 *     c = auth_client_new(loop, fd, &ops, worker);
 *     id = auth_client_start(c, &start, on_auth, worker);
 *
 *     on_auth(worker, id, answer): if its verdict is AUTH_CONTINUE, send answer->data to the peer;
 *     with the response then call auth_client_step(c, id, response)
 *
 * A simulation stands in tests/sim/auth, with the same symbols and scripted answers.
 */
#ifndef AUTH_CLIENT_CLIENT_H
#define AUTH_CLIENT_CLIENT_H

#include "auth/client/wire.h"
#include "msa/loop/loop.h"

#define AUTH_EXCHANGE_MAX_MS 600000 /* an exchange's whole life */
/* The asker's own deadline for one answer; the keeper's is shorter. */
#define AUTH_REQUEST_MAX_MS 15000

struct auth_client;

struct auth_client_ops {
    /* Password changed or user gone: sessions of this login end; where app is not empty, only those
     * by the app password of this label. May be NULL. */
    void (*on_user_changed)(void *arg, struct sv login, struct sv app);
    /* The keeper's end was closed; a new one comes by auth_client_attach(). May be NULL. */
    void (*on_lost)(void *arg);
};

struct auth_answer {
    enum auth_verdict verdict;
    struct sv data; /* valid during the callback */
    /* AUTH_OK of an AUTH exchange: user@realm; AUTH_DENIED or AUTH_BLOCKED of one: what the client
     * said that he is, unchecked, for the log; first answer to a login: mechanism */
    struct sv login;
    struct sv app; /* AUTH_OK by an app password: its label */
};
typedef void auth_on_answer(void *arg, uint64_t id, const struct auth_answer *answer);

/* fd: our end of a chan_pair(), taken over; -1: no keeper yet. */
struct auth_client *auth_client_new(struct loop *l, int fd, const struct auth_client_ops *ops,
                                    void *arg);
/* The new keeper's descriptor after a restart; taken over. */
void auth_client_attach(struct auth_client *c, int fd);
/* No further callback. */
void auth_client_free(struct auth_client *c);

/* A client's AUTH command, already decoded from base64. */
struct auth_start {
    struct sv mechanism;
    struct sv initial;
    bool has_initial; /* "=" is an initial response of length 0: RFC 4954 4 */
    bool tls;
    const struct auth_channel *channel; /* NULL: nothing of it matters for the mechanism */
    struct sv client;                   /* address, by which the keeper counts failures */
};
uint64_t auth_client_start(struct auth_client *c, const struct auth_start *start,
                           auth_on_answer *done, void *arg);

/* We log in at another server: secret names the route's user and password or tokens
 * (keeper_secret.name), mechanisms are the words of its AUTH keyword. The first answer has the
 * mechanism in login and the initial response in data (data.ptr NULL: send none), later ones the
 * response to a challenge. AUTH_CONTINUE: the other server must send a challenge; if it says 235
 * now it has not proved itself (SCRAM) and is not to be trusted; cancel. By token (OAUTHBEARER,
 * XOAUTH2) 235 may come now: cancel as well. AUTH_TEMPORARY: data may say why, in words, as when no
 * token can be had, or the keeper has no generation with that secret. AUTH_OK: data is our last
 * response, then only 235 counts. AUTH_DENIED: its proof or challenge is wrong, or no mechanism of
 * its list is usable.
 */
struct auth_login {
    struct sv secret;
    struct sv mechanisms;
    struct sv host;
    bool tls;
    bool again; /* by a token, once more: the one before was refused */
};
uint64_t auth_client_login(struct auth_client *c, const struct auth_login *login,
                           auth_on_answer *done, void *arg);

/* Next step of either kind of exchange, legal only after AUTH_CONTINUE. */
void auth_client_step(struct auth_client *c, uint64_t id, struct sv bytes);
/* Ends an exchange or forgets a request; an unknown id is ignored. */
void auth_client_cancel(struct auth_client *c, uint64_t id);

/* The login is locked until an operator unlocks it, and its sessions end (auth/lockout.h). why: at
 * most 200 bytes. AUTH_OK, AUTH_DENIED: there is no such user, AUTH_TEMPORARY. */
uint64_t auth_client_lock(struct auth_client *c, struct sv login, struct sv why,
                          auth_on_answer *done, void *arg);

/* key: its id (tls_key_id(), struct rewrite_dkim_key, struct rewrite_smime_cert). AUTH_OK: data is
 * the signature; AUTH_DENIED: no such key for the purpose of the form, or bytes that are no
 * signature input. */
uint64_t auth_client_sign(struct auth_client *c, struct sv key, enum auth_sign form,
                          struct sv bytes, auth_on_answer *done, void *arg);

/* The certificates of a recipient, of the directories of rewrite.certificates. AUTH_OK: data has
 * them, as auth/directory.h gives them; AUTH_DENIED: there are none; AUTH_TEMPORARY: a directory
 * did not answer. */
uint64_t auth_client_find(struct auth_client *c, struct sv address, auth_on_answer *done,
                          void *arg);

#endif

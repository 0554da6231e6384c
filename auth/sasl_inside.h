/*
 * sasl_inside.h - what the files of sasl share. The rules are in sasl.h.
 *
 * sasl.c: what one generation says. sasl_exchange.c: exchanges, by Cyrus. sasl_direct.c: the
 * mechanisms that need no Cyrus.
 */
#ifndef AUTH_SASL_INSIDE_H
#define AUTH_SASL_INSIDE_H

#include "auth/cyrus.h"
#include "auth/sasl.h"
#include "msa/base/arena.h"

#include <sasl/sasl.h>
#include <stdatomic.h>

struct auth_sasl {
    atomic_uint refs;
    struct arena arena;
    struct auth_options options;
    const char *hostname;
    struct conf_strings accepted; /* the mechanisms offered, and each SCRAM's -PLUS form */
    char *mech_list;              /* as Cyrus is told: without -PLUS, which it adds itself */
    struct auth_check *check;
    struct auth_sources sources;
    struct auth_oauth *oauth; /* NULL: no tokens */
};

struct auth_exchange {
    struct auth_sasl *sasl;
    sasl_conn_t *conn;
    sasl_callback_t callbacks[3];
    struct auth_cyrus_source source;
    const char *mechanism;
    bool tls, is_scram, has_begun;
    bool is_external, is_bearer;    /* without Cyrus */
    bool is_refused;                /* the client has been told why, and has to answer */
    struct auth_channel channel;    /* without the certificate */
    struct buf certificate;         /* for EXTERNAL */
    struct buf refusal;             /* of a token */
    sasl_channel_binding_t binding; /* Cyrus keeps the pointer */
    enum auth_scram_hash hash;      /* of SCRAM */
    bool refuses_empty; /* LOGIN: an empty response is nobody's, and Cyrus leaks memory over it */
    bool known;         /* password right, or what was served is a user's */
    bool is_judged;     /* auth_check_admit() was asked */
    unsigned messages;  /* of the client, that Cyrus has seen */
    int trouble;        /* negative: why the databases could not be asked */
    uint64_t began;     /* auth_check_now() */
    struct auth_found found;
    char tried[AUTH_NAME_MAX + 1]; /* name that was claimed, cut, for the log */
};

/* ---- sasl_exchange.c ---- */

/* Who is claimed, for the log. */
void auth_exchange_remember(struct auth_exchange *x, struct sv user);
/* Whether a success counts (auth_check_admit()): asked once it is decided, whatever it is; the
 * question costs the same for a failure. */
bool auth_exchange_admit(struct auth_exchange *x, bool success);

/* ---- sasl_direct.c ---- */

/* RFC 4422 appendix A: the message is the authorization identity, or empty. */
void auth_exchange_external(struct auth_exchange *x, struct sv authzid,
                            struct auth_sasl_result *out);
/* RFC 7628 3.2: a refusal is first a challenge with the reason, which the client answers. */
void auth_exchange_bearer(struct auth_exchange *x, struct sv message, struct auth_sasl_result *out);

#endif

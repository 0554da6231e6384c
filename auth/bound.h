/*
 * bound.h - channel binding of SCRAM: what the client's first message asks for, and whether that is
 * to be refused. Pure.
 *
 * RFC 5802 5.1 and 6, RFC 5929, RFC 9266. Cyrus lets an unbound message through under a -PLUS name,
 * and looks at "y" only where it has been given a binding; so we look ourselves. Any thread.
 */
#ifndef AUTH_BOUND_H
#define AUTH_BOUND_H

#include "auth/client/channel.h"

enum auth_bound {
    AUTH_BOUND_NOT,     /* no binding: go on */
    AUTH_BOUND_TYPE,    /* the client's proof binds *type_out, which the connection has */
    AUTH_BOUND_REFUSED, /* an unbound message under a -PLUS name, a bound one under another, a type
                           that is not there, or "y" although the client was offered -PLUS: somebody
                           between us has taken it out of the list */
};

/* Whether a mechanism's name ends in "-PLUS". */
bool auth_bound_is_plus(struct sv mechanism);
/* message: the client's first of a SCRAM mechanism. offers_plus: the same mechanism with -PLUS is
 * offered on this connection. */
enum auth_bound auth_bound_judge(struct sv mechanism, bool offers_plus, struct sv message,
                                 const struct auth_channel *channel, enum auth_binding *type_out);

#endif

/*
 * certificate.h - whom a client's certificate stands for: by auth.client_table, else by the names
 * in it (auth.client_name). Pure.
 *
 * RFC 5280 4.2.1.6 (rfc822Name), 4.1.2.6 (emailAddress in old certificates), RFC 4514. That it
 * holds, and is the client's, was found out in the handshake (auth/tls/stream.h). Any thread.
 */
#ifndef AUTH_CERTIFICATE_H
#define AUTH_CERTIFICATE_H

#include "auth/name.h"
#include "auth/options.h"

#define AUTH_CERTIFICATE_LOGINS_MAX 16 /* further names are not looked at */

/* The logins that it may take, the first by default; 0 if it names nobody in one of our realms.
 * Names with control characters, a NUL among them, are passed over. */
size_t auth_certificate_logins(const struct auth_options *o, struct sv der,
                               struct auth_name out[AUTH_CERTIFICATE_LOGINS_MAX]);
/* EXTERNAL: the one that the client means by authzid, or the first where that is empty. False: the
 * certificate does not stand for him. */
bool auth_certificate_login(const struct auth_options *o, struct sv der, struct sv authzid,
                            struct auth_name *out);

#endif

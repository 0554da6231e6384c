/*
 * app.h - app passwords: their form, and what is stored of them for PLAIN.
 *
 * An app password is made by us and shown once: four groups of five letters and digits, about 99
 * bits. Nobody can guess so much, so one hash is as good as a slow derivation, and looking it up
 * costs the same however many a user has. Its label names it: SCRAM logs in as "user/LABEL@realm".
 * Plain values, any thread.
 */
#ifndef AUTH_APP_H
#define AUTH_APP_H

#include "msa/base/sv.h"

#define AUTH_LABEL_MAX        64 /* bytes */
#define AUTH_APP_SECRET_MAX   24 /* bytes, NUL included */
#define AUTH_APP_DIGEST_BYTES 32

/* Wiped by the caller. */
void auth_app_secret(char out[AUTH_APP_SECRET_MAX]);
/* Of a login ("user@realm") and whatever a client gives as its password. */
void auth_app_digest(struct sv login, struct sv secret, uint8_t out[AUTH_APP_DIGEST_BYTES]);
/* NULL if it is a label, else what is wrong with it. */
const char *auth_app_label_fault(struct sv label);
/* Splits "user/LABEL" at its last '/'; false if that is not its form. */
bool auth_app_split(struct sv user, struct sv *owner_out, struct sv *label_out);

#endif

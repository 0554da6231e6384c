/*
 * smime_people.h - who wrote a message, and which of its recipients get which form of it.
 *
 * Draft 8.5, 8.6. A recipient that To, Cc and their Resent- forms do not name is hidden: whoever
 * reads a message encrypted to several sees all their certificates, so a hidden one gets a message
 * of its own. An address that the header writes in a way of its own (comments inside, a U-label)
 * may count as not named; that costs a message and reveals nobody.
 * Pure; linear; any thread.
 */
#ifndef REWRITE_SMIME_PEOPLE_H
#define REWRITE_SMIME_PEOPLE_H

#include "rewrite/smime_found.h"

enum rewrite_smime_share_kind {
    REWRITE_SMIME_SHARE_PLAIN,
    REWRITE_SMIME_SHARE_NAMED, /* one encrypted message for all of these */
    REWRITE_SMIME_SHARE_HIDDEN /* one of its own */
};

struct rewrite_smime_share {
    enum rewrite_smime_share_kind kind;
    const struct rewrite_smime_cert *cert; /* NULL: plain */
    enum rewrite_smime_fault fault;        /* plain: of the certificate that cannot be used */
    size_t row;                            /* rewrite.encrypt[row], where one fits */
};

/* The first address of From; empty if none can be read. */
struct sv rewrite_smime_author(struct sv section, char out[SMTP_PATH_MAX]);
/* One share for each address, as they stand in the envelope. found: what directories have of each;
 * NULL: nothing; the certificates stay theirs. False: the message must not go, since
 * addresses[*lacking_out] has to be encrypted to and has no usable certificate; its share says why,
 * those behind it are not filled. */
bool rewrite_smime_share_out(const struct rewrite_smime *set, struct sv section,
                             const struct sv *addresses, const struct rewrite_smime_found *found,
                             size_t count, int64_t now_s, struct rewrite_smime_share *out,
                             size_t *lacking_out);

#endif

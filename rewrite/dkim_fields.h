/*
 * dkim_fields.h - which header fields a DKIM signature covers, and their hash.
 *
 * RFC 6376 5.4. Signed is what belongs to the message itself; never trace fields (Received,
 * Return-Path, Authentication-Results, DKIM-Signature) nor a field that this table does not name,
 * which may be another hop's. Those marked ALWAYS stand in h= once more than the message has them,
 * so that nobody can add one (5.4, oversigning), also where it has none; those marked PRESENT only
 * where there is one, because mailing lists add them rightfully; those marked NEVER are signed as
 * they are, and who resends the message puts his own before them. Several fields of one name are
 * signed from the last one up (5.4.2); of more than REWRITE_DKIM_SAME_MAX only so many are, and
 * that name is not oversigned.
 *
 * Nothing is allocated but for the tag h=; time is linear in the section. Any thread.
 */
#ifndef REWRITE_DKIM_FIELDS_H
#define REWRITE_DKIM_FIELDS_H

#include "msa/base/buf.h"
#include "rewrite/dkim_canon.h"
#include "rewrite/fields.h"

enum rewrite_dkim_oversign { REWRITE_DKIM_ALWAYS, REWRITE_DKIM_PRESENT, REWRITE_DKIM_NEVER };

/* name, when it is oversigned; the order is that of h= */
#define REWRITE_DKIM_FIELDS(XX)                \
    XX("From", ALWAYS)                         \
    XX("Sender", PRESENT)                      \
    XX("Reply-To", ALWAYS)                     \
    XX("To", ALWAYS)                           \
    XX("Cc", ALWAYS)                           \
    XX("Subject", ALWAYS)                      \
    XX("Date", ALWAYS)                         \
    XX("Message-ID", ALWAYS)                   \
    XX("In-Reply-To", ALWAYS)                  \
    XX("References", ALWAYS)                   \
    XX("MIME-Version", ALWAYS)                 \
    XX("Content-Type", ALWAYS)                 \
    XX("Content-Transfer-Encoding", ALWAYS)    \
    XX("Content-Disposition", PRESENT)         \
    XX("Content-Description", PRESENT)         \
    XX("Content-ID", PRESENT)                  \
    XX("Content-Language", PRESENT)            \
    XX("Auto-Submitted", PRESENT)              \
    XX("Disposition-Notification-To", PRESENT) \
    XX("Mail-Followup-To", PRESENT)            \
    XX("Feedback-ID", PRESENT)                 \
    XX("Autocrypt", PRESENT)                   \
    XX("Openpgp", PRESENT)                     \
    XX("TLS-Required", PRESENT)                \
    XX("TLS-Report-Domain", PRESENT)           \
    XX("TLS-Report-Submitter", PRESENT)        \
    XX("Resent-From", NEVER)                   \
    XX("Resent-Sender", NEVER)                 \
    XX("Resent-To", NEVER)                     \
    XX("Resent-Cc", NEVER)                     \
    XX("Resent-Date", NEVER)                   \
    XX("Resent-Message-ID", NEVER)             \
    XX("List-Id", PRESENT)                     \
    XX("List-Help", PRESENT)                   \
    XX("List-Unsubscribe", PRESENT)            \
    XX("List-Unsubscribe-Post", PRESENT)       \
    XX("List-Subscribe", PRESENT)              \
    XX("List-Post", PRESENT)                   \
    XX("List-Owner", PRESENT)                  \
    XX("List-Archive", PRESENT)

#define REWRITE_DKIM_FIELD_COUNT 40
#define REWRITE_DKIM_SAME_MAX    16 /* fields of one name that are signed */
/* most bytes of h= */
#define REWRITE_DKIM_NAMES_MAX (REWRITE_DKIM_FIELD_COUNT * (REWRITE_DKIM_SAME_MAX + 1) * 32)

/* The fields of one section that are signed. */
struct rewrite_dkim_fields {
    struct sv section;
    struct {
        uint32_t count;                        /* in the section */
        uint32_t start[REWRITE_DKIM_SAME_MAX]; /* of the last ones, as a ring */
        uint32_t end[REWRITE_DKIM_SAME_MAX];
    } names[REWRITE_DKIM_FIELD_COUNT];
};

/* Finds them; out is large, and holds a view of the section. */
void rewrite_dkim_fields_find(struct rewrite_dkim_fields *out, struct sv section);
/* Gives out the canonical form of all of them, a CRLF behind each (3.7). */
void rewrite_dkim_fields_hash(const struct rewrite_dkim_fields *f, enum rewrite_dkim_canon canon,
                              rewrite_dkim_sink *sink, void *arg);
/* Calls each() for the names of h=, in their order. */
void rewrite_dkim_fields_names(const struct rewrite_dkim_fields *f,
                               void (*each)(void *arg, struct sv name), void *arg);

#endif

/*
 * envelope.h - the envelope of one mail transaction: reverse-path, recipients, parameters.
 *
 * RFC 5321 2.3.1, 3.3; parameter values by slot (ext.h has the rules that read and write them).
 * A value keeps its wire form (text) and, where the extension has one, its meaning as a number.
 * Ownership: everything lies in the arena given to smtp_envelope_init(), which the caller resets.
 * The recipients' array moves when it grows. One thread at a time.
 *
 * Text form, the one of the queue: for the reverse-path and for each recipient the path in
 * brackets with its parameters behind it, as after "FROM:" and "TO:" on the wire:
 *
 *     <a@example.net> RET=HDRS ENVID=x+20y
 *     <b@example.org> NOTIFY=FAILURE,DELAY ORCPT=rfc822;b@example.org
 */
#ifndef MSA_SMTP_ENVELOPE_H
#define MSA_SMTP_ENVELOPE_H

#include "msa/base/buf.h"
#include "msa/smtp/path.h"

/* One row a parameter: slot, keyword, extension (ext.h). */
#define SMTP_MAIL_PARAMS(XX)                    \
    XX(SIZE, "SIZE", SIZE)                      \
    XX(BODY, "BODY", 8BITMIME)                  \
    XX(RET, "RET", DSN)                         \
    XX(ENVID, "ENVID", DSN)                     \
    XX(AUTH, "AUTH", AUTH)                      \
    XX(SMTPUTF8, "SMTPUTF8", SMTPUTF8)          \
    XX(TRANSID, "TRANSID", CHECKPOINT)          \
    XX(SOLICIT, "SOLICIT", NO_SOLICITING)       \
    XX(MTRK, "MTRK", MTRK)                      \
    XX(HOLDFOR, "HOLDFOR", FUTURERELEASE)       \
    XX(HOLDUNTIL, "HOLDUNTIL", FUTURERELEASE)   \
    XX(BY, "BY", DELIVERBY)                     \
    XX(MT_PRIORITY, "MT-PRIORITY", MT_PRIORITY) \
    XX(REQUIRETLS, "REQUIRETLS", REQUIRETLS)    \
    XX(XRETURN, "XRETURN", XRETURN)
#define SMTP_RCPT_PARAMS(XX)  \
    XX(NOTIFY, "NOTIFY", DSN) \
    XX(ORCPT, "ORCPT", DSN)   \
    XX(RRVS, "RRVS", RRVS)

enum smtp_mail_slot {
#define SLOT(name, keyword, ext) SMTP_MAIL_##name,
    SMTP_MAIL_PARAMS(SLOT)
#undef SLOT
        SMTP_MAIL_SLOTS
};
enum smtp_rcpt_slot {
#define SLOT(name, keyword, ext) SMTP_RCPT_##name,
    SMTP_RCPT_PARAMS(SLOT)
#undef SLOT
        SMTP_RCPT_SLOTS
};

/* numbers of BODY, RET, XRETURN and NOTIFY */
enum smtp_body { SMTP_BODY_7BIT = 1, SMTP_BODY_8BITMIME, SMTP_BODY_BINARYMIME };
enum smtp_ret { SMTP_RET_FULL = 1, SMTP_RET_HDRS };
/* the finished message; what would become of it; the same, with what milters say */
enum smtp_return { SMTP_RETURN_MESSAGE = 1, SMTP_RETURN_VERDICT, SMTP_RETURN_FILTERED };
enum smtp_notify {
    SMTP_NOTIFY_NEVER = 1, /* alone */
    SMTP_NOTIFY_SUCCESS = 2,
    SMTP_NOTIFY_FAILURE = 4,
    SMTP_NOTIFY_DELAY = 8
};

#define SMTP_ORCPT_MAX 500 /* octets, RFC 3461 4.2 */

struct smtp_value {
    struct sv text; /* wire form; ptr NULL: not given; empty: a keyword without a value */
    /* SIZE in octets (saturated), an enum above, or what the extension says of it (signed ones
     * converted); else 0 */
    uint64_t number;
};

struct smtp_recipient {
    struct smtp_path path;
    struct smtp_value values[SMTP_RCPT_SLOTS];
};

struct smtp_envelope {
    struct arena *arena;
    struct smtp_path reverse;
    struct sv
        original_reverse; /* before it was rewritten; empty: it was not. Not in the text form */
    struct smtp_value values[SMTP_MAIL_SLOTS];
    struct smtp_recipient *recipients;
    uint32_t count, cap;
};

void smtp_envelope_init(struct smtp_envelope *e, struct arena *arena);
/* Reads the text form: reverse-path, or one more recipient. 0; ERR_SYNTAX (nothing changes): the
 * record is damaged. Line ends are not part of text. */
int smtp_envelope_parse_mail(struct smtp_envelope *e, struct sv text) MUST_CHECK;
int smtp_envelope_parse_rcpt(struct smtp_envelope *e, struct sv text) MUST_CHECK;
/* Appends the text form, without a line end; ERR_FULL. */
int smtp_envelope_write_mail(const struct smtp_envelope *e, struct buf *out) MUST_CHECK;
int smtp_envelope_write_rcpt(const struct smtp_recipient *r, struct buf *out) MUST_CHECK;
/* A new recipient behind the others, without values; path is copied shallowly. The pointer is
 * valid until the next one is added. */
struct smtp_recipient *smtp_envelope_add(struct smtp_envelope *e, const struct smtp_path *path);
void smtp_envelope_drop_last(struct smtp_envelope *e);
/* BY (RFC 2852). */
struct smtp_deliver_by {
    int64_t seconds; /* from when the message was received; may be negative with !returns */
    bool returns;    /* mode R, else N */
    bool trace;
};
/* False: none was given. */
bool smtp_envelope_deliver_by(const struct smtp_envelope *e, struct smtp_deliver_by *out);
/* FUTURERELEASE (RFC 4865): wall time in seconds; 0: at once. */
int64_t smtp_envelope_hold_until_s(const struct smtp_envelope *e, int64_t received_s);
/* MT-PRIORITY (RFC 6710), -9 to 9. */
int smtp_envelope_priority(const struct smtp_envelope *e);
/* Whether a parameter was given. */
static inline bool smtp_envelope_has(const struct smtp_envelope *e, enum smtp_mail_slot slot)
{
    return e->values[slot].text.ptr != NULL;
}
/* When to notify about a recipient: bits of enum smtp_notify, FAILURE and DELAY if not given. */
uint32_t smtp_envelope_notify(const struct smtp_recipient *r);
/* Keeps the address that a recipient was given as (RFC 3461 4.2, RFC 6533 3), unless ORCPT was,
 * or it would be too long. */
void smtp_envelope_keep_original(struct smtp_envelope *e, struct smtp_recipient *r,
                                 struct sv address);

#endif

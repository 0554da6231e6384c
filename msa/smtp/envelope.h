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
#define SMTP_MAIL_PARAMS(XX)   \
    XX(SIZE, "SIZE", SIZE)     \
    XX(BODY, "BODY", 8BITMIME) \
    XX(RET, "RET", DSN)        \
    XX(ENVID, "ENVID", DSN)    \
    XX(AUTH, "AUTH", AUTH)
#define SMTP_RCPT_PARAMS(XX)  \
    XX(NOTIFY, "NOTIFY", DSN) \
    XX(ORCPT, "ORCPT", DSN)

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

/* numbers of BODY, RET and NOTIFY */
enum smtp_body { SMTP_BODY_7BIT = 1, SMTP_BODY_8BITMIME };
enum smtp_ret { SMTP_RET_FULL = 1, SMTP_RET_HDRS };
enum smtp_notify {
    SMTP_NOTIFY_NEVER = 1, /* alone */
    SMTP_NOTIFY_SUCCESS = 2,
    SMTP_NOTIFY_FAILURE = 4,
    SMTP_NOTIFY_DELAY = 8
};

struct smtp_value {
    struct sv text;  /* wire form; ptr NULL: not given */
    uint64_t number; /* SIZE in octets (saturated), or an enum above; else 0 */
};

struct smtp_recipient {
    struct smtp_path path;
    struct smtp_value values[SMTP_RCPT_SLOTS];
};

struct smtp_envelope {
    struct arena *arena;
    struct smtp_path reverse;
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
/* When to notify about a recipient: bits of enum smtp_notify, FAILURE and DELAY if not given. */
uint32_t smtp_envelope_notify(const struct smtp_recipient *r);

#endif

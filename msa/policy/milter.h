/*
 * milter.h - one connection to a milter, without sockets: commands out, answers in.
 *
 * The milter protocol, version 6 (milter_wire.h), as an MTA speaks it. Commands append bytes to
 * the output; each has exactly one MILTER_ANSWER, at once where the milter has asked not to see it
 * or not to answer it. Changes come between MILTER_END and its answer. Whatever a milter says out
 * of turn, out of form or beyond what it has negotiated is a MILTER_FAULT: nothing follows, and the
 * connection is to be closed.
 *
 *     m = milter_new(); milter_negotiate(m);
 *     for (;;) {
 *         send milter_output(m), milter_sent(m, n);
 *         n = milter_feed(m, bytes);                     // what was read
 *         while (milter_next(m, &e)) ...                 // MILTER_ANSWER: the next command
 *     }
 *
 * Order: negotiate, connect, helo, then for each message mail, rcpt..., data, header..., eoh,
 * body..., end; milter_abort() before another mail where end was not answered; milter_quit() at
 * last. Once a verdict other than MILTER_CONTINUE has come for a message (for a recipient: only
 * MILTER_ACCEPT and MILTER_DISCARD), its further commands are not given.
 * Ownership: the caller's; views in an event are valid until the next call. Memory: one packet in,
 * and what is not yet sent. One thread at a time.
 */
#ifndef MSA_POLICY_MILTER_H
#define MSA_POLICY_MILTER_H

#include "msa/base/buf.h"
#include "msa/base/ip.h"
#include "msa/policy/milter_wire.h"

struct milter;

/* name, letter, bit "not sent", bit "not answered", words */
#define MILTER_COMMANDS(XX)                                            \
    XX(NEGOTIATE, 'O', 0, 0, "the negotiation")                        \
    XX(CONNECT, 'C', MILTER_NO_CONNECT, MILTER_NR_CONNECT, "connect")  \
    XX(HELO, 'H', MILTER_NO_HELO, MILTER_NR_HELO, "EHLO")              \
    XX(MAIL, 'M', MILTER_NO_MAIL, MILTER_NR_MAIL, "MAIL")              \
    XX(RCPT, 'R', MILTER_NO_RCPT, MILTER_NR_RCPT, "RCPT")              \
    XX(DATA, 'T', MILTER_NO_DATA, MILTER_NR_DATA, "DATA")              \
    XX(HEADER, 'L', MILTER_NO_HEADERS, MILTER_NR_HEADER, "the header") \
    XX(EOH, 'N', MILTER_NO_EOH, MILTER_NR_EOH, "the header's end")     \
    XX(BODY, 'B', MILTER_NO_BODY, MILTER_NR_BODY, "the body")          \
    XX(END, 'E', 0, 0, "the message's end")

enum milter_command {
#define MILTER_COMMAND_ENUM(name, letter, skip, mute, words) MILTER_##name,
    MILTER_COMMANDS(MILTER_COMMAND_ENUM)
#undef MILTER_COMMAND_ENUM
        MILTER_COMMAND_COUNT
};
const char *milter_command_text(enum milter_command c);

#define MILTER_AT(command) (1u << MILTER_##command)
/* name, as milters know it, the commands before which it is told unless the milter asks otherwise
 */
#define MILTER_MACROS(XX)                                   \
    XX(HOSTNAME, "j", MILTER_AT(CONNECT))                   \
    XX(VERSION, "v", MILTER_AT(CONNECT))                    \
    XX(DAEMON_NAME, "{daemon_name}", MILTER_AT(CONNECT))    \
    XX(DAEMON_PORT, "{daemon_port}", MILTER_AT(CONNECT))    \
    XX(CLIENT_NAME, "{client_name}", MILTER_AT(CONNECT))    \
    XX(CLIENT_ADDRESS, "{client_addr}", MILTER_AT(CONNECT)) \
    XX(TLS_VERSION, "{tls_version}", MILTER_AT(HELO))       \
    XX(TLS_CIPHER, "{cipher}", MILTER_AT(HELO))             \
    XX(AUTH_TYPE, "{auth_type}", MILTER_AT(MAIL))           \
    XX(AUTH_LOGIN, "{auth_authen}", MILTER_AT(MAIL))        \
    XX(MAIL_ADDRESS, "{mail_addr}", MILTER_AT(MAIL))        \
    XX(MAIL_HOST, "{mail_host}", MILTER_AT(MAIL))           \
    XX(MAIL_MAILER, "{mail_mailer}", MILTER_AT(MAIL))       \
    XX(RCPT_ADDRESS, "{rcpt_addr}", MILTER_AT(RCPT))        \
    XX(RCPT_HOST, "{rcpt_host}", MILTER_AT(RCPT))           \
    XX(RCPT_MAILER, "{rcpt_mailer}", MILTER_AT(RCPT))       \
    XX(QUEUE_ID, "i", MILTER_AT(DATA) | MILTER_AT(EOH) | MILTER_AT(END))

enum milter_macro {
#define MILTER_MACRO_ENUM(name, text, commands) MILTER_MACRO_##name,
    MILTER_MACROS(MILTER_MACRO_ENUM)
#undef MILTER_MACRO_ENUM
        MILTER_MACRO_COUNT
};
/* Values; an empty one is not told. */
struct milter_macros {
    struct sv values[MILTER_MACRO_COUNT];
};

enum milter_verdict {
    MILTER_CONTINUE,
    MILTER_ACCEPT,   /* nothing more of the message (after connect or helo: of the session) */
    MILTER_REJECT,   /* the recipient, message or session, for good */
    MILTER_TEMPFAIL, /* likewise, for now */
    MILTER_REPLY,    /* likewise, with text: "550 5.7.1 No", lines ended by CRLF */
    MILTER_DISCARD,  /* the client is told yes */
};

enum milter_change {
    MILTER_ADD_HEADER,    /* name, value */
    MILTER_INSERT_HEADER, /* index (0: before all others), name, value */
    MILTER_CHANGE_HEADER, /* index (from 1) among those of that name; value empty: delete */
    MILTER_REPLACE_BODY,  /* value: the next piece of the new body */
    MILTER_CHANGE_FROM,   /* name: the address, value: parameters */
    MILTER_ADD_RCPT,      /* likewise */
    MILTER_DELETE_RCPT,   /* name: the address */
    MILTER_QUARANTINE,    /* value: the reason */
};

enum milter_event_kind { MILTER_ANSWER, MILTER_CHANGE, MILTER_PROGRESS, MILTER_FAULT };

struct milter_event {
    enum milter_event_kind kind;
    enum milter_verdict verdict; /* ANSWER */
    struct sv text;              /* ANSWER, MILTER_REPLY */
    enum milter_change change;   /* CHANGE */
    uint32_t index;
    struct sv name, value;
    const char *why; /* FAULT */
};

struct milter *milter_new(void);
void milter_free(struct milter *m); /* NULL is allowed */

struct sv milter_output(const struct milter *m);
void milter_sent(struct milter *m, size_t bytes); /* these of the output are gone */
/* Returns the bytes consumed; after milter_next() has returned false there is room for more. */
size_t milter_feed(struct milter *m, struct sv bytes);
bool milter_next(struct milter *m, struct milter_event *out);
bool milter_waits(const struct milter *m); /* for an answer */

void milter_negotiate(struct milter *m);
/* client: address and port as far as they are known. */
void milter_connect(struct milter *m, struct sv name, const struct ip_port *client,
                    const struct milter_macros *macros);
void milter_helo(struct milter *m, struct sv helo, const struct milter_macros *macros);
/* path with its brackets; args separated by spaces. */
void milter_mail(struct milter *m, struct sv path, struct sv args,
                 const struct milter_macros *macros);
void milter_rcpt(struct milter *m, struct sv path, struct sv args,
                 const struct milter_macros *macros);
void milter_data(struct milter *m, const struct milter_macros *macros);
/* value: all that stands behind the colon, lines of it separated by CRLF. */
void milter_header(struct milter *m, struct sv name, struct sv value);
void milter_eoh(struct milter *m, const struct milter_macros *macros);
void milter_body(struct milter *m, struct sv chunk); /* at most MILTER_CHUNK_MAX bytes */
/* Whether it still wants pieces of the body. */
bool milter_wants_body(const struct milter *m);
void milter_end(struct milter *m, const struct milter_macros *macros);
void milter_abort(struct milter *m); /* no answer */
void milter_quit(struct milter *m);  /* no answer */
/* Whether values of header fields begin with the space behind the colon, in both directions. */
bool milter_has_leading_space(const struct milter *m);

#endif

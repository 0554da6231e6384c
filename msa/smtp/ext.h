/*
 * ext.h - service extensions, each declared once.
 *
 * RFC 5321 2.2. A row of smtp_exts[] has all that one extension adds: EHLO keyword and arguments,
 * MAIL and RCPT parameters, checks at MAIL, what a next hop is told, what becomes of a message
 * whose next hop lacks the extension, and what reports say. The table drivers below decide what is
 * common to all: 555 5.5.4 for an unknown parameter, 501 5.5.4 for a repeated or malformed one.
 * Adding one is a file ext_foo.c, a row in ext.c and its slots in envelope.h.
 * Pure tables: time is an argument, wall clock, seconds. Any thread.
 */
#ifndef MSA_SMTP_EXT_H
#define MSA_SMTP_EXT_H

#include "msa/smtp/envelope.h"

/* In the order of EHLO. */
enum smtp_ext_id {
    SMTP_EXT_PIPELINING,
    SMTP_EXT_SIZE,
    SMTP_EXT_8BITMIME,
    SMTP_EXT_STARTTLS,
    SMTP_EXT_AUTH,
    SMTP_EXT_ENHANCEDSTATUSCODES,
    SMTP_EXT_DSN,
    SMTP_EXT_CHUNKING,
    SMTP_EXT_BINARYMIME,
    SMTP_EXT_SMTPUTF8,
    SMTP_EXT_CHECKPOINT,
    SMTP_EXT_NO_SOLICITING,
    SMTP_EXT_MTRK,
    SMTP_EXT_FUTURERELEASE,
    SMTP_EXT_DELIVERBY,
    SMTP_EXT_MT_PRIORITY,
    SMTP_EXT_REQUIRETLS,
    SMTP_EXT_LIMITS,
    SMTP_EXT_RRVS,
    SMTP_EXT_XRETURN,
    SMTP_EXT_COUNT
};
#define SMTP_EXT_BIT(id) (1u << (id))
#define SMTP_EXT_ALL     (~0u)

/* What the configuration says about extensions; the same for all sessions of a listener. */
struct smtp_ext_config {
    uint32_t off;                  /* SMTP_EXT_BIT()s that are not spoken */
    int64_t hold_max_s;            /* FUTURERELEASE: longest hold */
    int priority_max;              /* MT-PRIORITY: highest that a login may ask for */
    struct sv no_soliciting;       /* keywords, separated by commas; may be empty */
    uint32_t messages, recipients; /* LIMITS: of a session, of a message; 0: not said */
};

/* What decides which extensions a session offers. */
struct smtp_ext_offer {
    struct smtp_ext_config config;
    bool tls;              /* the session is under TLS */
    bool starttls;         /* TLS can be started now */
    bool authenticated;    /* the session has a login */
    bool operated;         /* it is one of the operator's own tools */
    struct sv mechanisms;  /* SASL mechanisms usable now, separated by spaces; empty: no AUTH */
    uint64_t message_size; /* octets; 0: no limit */
    int64_t now_s;
};

/* What a server said in its EHLO reply: the client's view. Zero it before the first line. */
#define SMTP_PEER_AUTH_MAX 256
struct smtp_peer {
    uint32_t exts;                 /* SMTP_EXT_BIT()s */
    uint64_t size;                 /* octets; 0: nothing said, or no limit */
    char auth[SMTP_PEER_AUTH_MAX]; /* mechanisms, upper case, separated by spaces; NUL */
    int64_t by_min_s;              /* DELIVERBY: least time of mode R; 0: nothing said */
    /* LIMITS; 0: nothing said: transactions of a session, recipients of a transaction, domains of
     * a session */
    uint32_t mail_max, rcpt_max, rcpt_domain_max;
    bool demands_mtep; /* X-MTEP: whoever sends there must prove it by MTEP, which nobody here does
                        */
};

/* A message on its way to a next hop. */
struct smtp_hop {
    const struct smtp_peer *peer; /* exts: only those that may be used */
    const struct smtp_envelope *envelope;
    int64_t received_s, now_s; /* of the message; of this attempt */
    bool tls, logged_in;       /* the connection */
    bool eight_bit;            /* content holds bytes above 127 */
    bool binary;               /* content cannot be sent as lines */
    bool utf8_header;          /* the header section needs SMTPUTF8 */
};
static inline bool smtp_hop_has(const struct smtp_hop *h, enum smtp_ext_id id)
{
    return (h->peer->exts & SMTP_EXT_BIT(id)) != 0;
}
/* What must be done to the content before it may go to a hop: a set of these. */
enum smtp_convert {
    SMTP_CONVERT_7BIT = 1,         /* no byte above 127, in header or body */
    SMTP_CONVERT_LINES = 2,        /* lines of at most 998 bytes, no NUL, no CR or LF alone */
    SMTP_CONVERT_ASCII_HEADER = 4, /* no byte above 127 in header sections */
};
/* The transaction needs SMTPUTF8; MAIL says so where the hop has it. */
bool smtp_hop_needs_utf8(const struct smtp_hop *h);

/* Reads a value into *out (text in the arena, number); false: 501 5.5.4. has_value is false for a
 * keyword alone. */
typedef bool smtp_value_parse(struct arena *a, struct sv value, bool has_value,
                              struct smtp_value *out);
/* Appends the value that a next hop gets. 1: appended (nothing: the keyword alone); 0: the
 * parameter is left out; ERR_FULL. */
typedef int smtp_value_hop(const struct smtp_hop *h, const struct smtp_value *v, struct buf *out);

struct smtp_param_rule {
    struct sv keyword;
    unsigned slot; /* enum smtp_mail_slot or enum smtp_rcpt_slot */
    smtp_value_parse *parse;
    smtp_value_hop *hop; /* for a hop that has the extension; NULL: never passed on from here */
    bool made;           /* hop is asked where the client gave none, too */
};

/* The draft's word for an extension on the submission port (its section 7). */
enum smtp_ext_word { SMTP_EXT_LATER, SMTP_EXT_MUST, SMTP_EXT_SHOULD, SMTP_EXT_MAY };

struct smtp_ext {
    enum smtp_ext_id id;
    struct sv keyword;
    const char *rfc;          /* "RFC 2920" */
    enum smtp_ext_word draft; /* LATER: the draft does not list it */
    const char *lacking;      /* what becomes of a message whose next hop lacks it, in words */
    bool always;              /* cannot be switched off */
    uint32_t needs;           /* SMTP_EXT_BIT()s without which it is off as well */
    /* server */
    bool (*offered)(const struct smtp_ext_offer *o);                   /* NULL: always */
    int (*ehlo_args)(const struct smtp_ext_offer *o, struct buf *out); /* with leading space */
    struct smtp_reply (*check_mail)(const struct smtp_ext_offer *o, const struct smtp_envelope *e);
    /* After the checks: may put a value right, and say so in the 250 (code 0: the usual one). Text
     * lies in the envelope's arena. */
    void (*settle_mail)(const struct smtp_ext_offer *o, struct smtp_envelope *e,
                        struct smtp_reply *ok);
    /* both */
    const struct smtp_param_rule *mail_params, *rcpt_params; /* end with an empty keyword */
    /* client */
    void (*parse_args)(struct smtp_peer *p, struct sv args);
    /* Why the message, or one recipient, must not go to this hop: status and words of the failure
     * (static text); code 0: it may. Asked whether the hop has the extension or not. */
    struct smtp_reply (*refuse_mail)(const struct smtp_hop *h);
    struct smtp_reply (*refuse_rcpt)(const struct smtp_hop *h, const struct smtp_recipient *r);
    /* What would let refuse_mail() pass, as far as a change of the content can. */
    unsigned (*convert_mail)(const struct smtp_hop *h);
    /* Reports: appends fields for the message (RFC 3464 2.2), whole lines. */
    int (*report)(const struct smtp_envelope *e, int64_t received_s, struct buf *out);
};

extern const struct smtp_ext *const smtp_exts[SMTP_EXT_COUNT]; /* in the order of EHLO */

/* What a submission server must never speak, and why, for people; ends with an empty keyword. */
struct smtp_ext_never {
    const char *keyword, *rfc, *draft, *why;
};
extern const struct smtp_ext_never smtp_exts_never[];

/* The extension with this keyword, or NULL. */
const struct smtp_ext *smtp_ext_find(struct sv keyword);
/* off, and all that needs something that is off. */
uint32_t smtp_ext_off(uint32_t off);
/* "MUST", "SHOULD", "MAY", or "-" for a later extension. */
const char *smtp_ext_word_text(enum smtp_ext_word w);

/* Server: appends the EHLO lines after the first, "KEYWORD args" with "\n" before each. */
int smtp_ext_write_ehlo(const struct smtp_ext_offer *o, struct buf *out) MUST_CHECK;
/* Reads what follows a path into values[]; parameters of extensions in off are unknown. Code 0 is
 * good, else the refusal (text in the arena). */
struct smtp_reply smtp_ext_parse_mail(struct arena *a, struct sv params, uint32_t off,
                                      struct smtp_value values[SMTP_MAIL_SLOTS]);
struct smtp_reply smtp_ext_parse_rcpt(struct arena *a, struct sv params, uint32_t off,
                                      struct smtp_value values[SMTP_RCPT_SLOTS]);
/* Server: runs check_mail, then settle_mail of every extension; code 0 is good, and *ok is what the
 * 250 is to say (code 0: nothing special). */
struct smtp_reply smtp_ext_check_mail(const struct smtp_ext_offer *o, struct smtp_envelope *e,
                                      struct smtp_reply *ok);
/* Queue: appends " KEYWORD=value" for each value given, in the form that is read again. */
int smtp_ext_write_mail(const struct smtp_value values[SMTP_MAIL_SLOTS],
                        struct buf *out) MUST_CHECK;
int smtp_ext_write_rcpt(const struct smtp_value values[SMTP_RCPT_SLOTS],
                        struct buf *out) MUST_CHECK;
/* Client: takes one line of the EHLO reply after the first, without code and line end. */
void smtp_ext_read_ehlo(struct smtp_peer *p, struct sv line);
/* Client: appends the parameters that the hop gets by the rules of the table. */
int smtp_ext_hop_mail(const struct smtp_hop *h, struct buf *out) MUST_CHECK;
int smtp_ext_hop_rcpt(const struct smtp_hop *h, const struct smtp_recipient *r,
                      struct buf *out) MUST_CHECK;
/* Client: the first refusal by any extension; code 0: the message, the recipient may go there. */
struct smtp_reply smtp_ext_refuse_mail(const struct smtp_hop *h);
struct smtp_reply smtp_ext_refuse_rcpt(const struct smtp_hop *h, const struct smtp_recipient *r);
/* Client: the set of enum smtp_convert that the content needs for this hop; 0: none, or none that
 * could help. */
unsigned smtp_ext_convert_mail(const struct smtp_hop *h);
/* A rule's hop: the value as it was given. */
int smtp_ext_hop_same(const struct smtp_hop *h, const struct smtp_value *v, struct buf *out);
/* Reports: the fields of all extensions. */
int smtp_ext_report(const struct smtp_envelope *e, int64_t received_s, struct buf *out) MUST_CHECK;
/* Whether name is among the space-separated mechanisms, without case. */
bool smtp_mechanism_listed(struct sv mechanisms, struct sv name);

#endif

/*
 * ext.h - service extensions, each declared once.
 *
 * RFC 5321 2.2. A row of smtp_exts[] has all that one extension adds: EHLO keyword and arguments,
 * MAIL and RCPT parameters, a check at MAIL, and the client's side. The table drivers below decide
 * what is common to all: 555 5.5.4 for an unknown parameter, 501 5.5.4 for a repeated or malformed
 * one. Adding one is a file ext_foo.c, a row in ext.c and its slots in envelope.h.
 * Pure tables: any thread.
 */
#ifndef MSA_SMTP_EXT_H
#define MSA_SMTP_EXT_H

#include "msa/smtp/envelope.h"

enum smtp_ext_id {
    SMTP_EXT_PIPELINING,
    SMTP_EXT_SIZE,
    SMTP_EXT_8BITMIME,
    SMTP_EXT_STARTTLS,
    SMTP_EXT_AUTH,
    SMTP_EXT_ENHANCEDSTATUSCODES,
    SMTP_EXT_DSN,
    SMTP_EXT_CHUNKING,
    SMTP_EXT_COUNT
};
#define SMTP_EXT_BIT(id) (1u << (id))

/* What decides which extensions a session offers. */
struct smtp_ext_offer {
    bool starttls;         /* TLS can be started now */
    struct sv mechanisms;  /* SASL mechanisms usable now, separated by spaces; empty: no AUTH */
    uint64_t message_size; /* octets; 0: no limit */
};

/* What a server said in its EHLO reply: the client's view. Zero it before the first line. */
#define SMTP_PEER_AUTH_MAX 256
struct smtp_peer {
    uint32_t exts;                 /* SMTP_EXT_BIT()s */
    uint64_t size;                 /* octets; 0: nothing said, or no limit */
    char auth[SMTP_PEER_AUTH_MAX]; /* mechanisms, upper case, separated by spaces; NUL */
};

/* Reads a value into *out (text in the arena, number); false: 501 5.5.4. has_value is false for a
 * keyword alone. */
typedef bool smtp_value_parse(struct arena *a, struct sv value, bool has_value,
                              struct smtp_value *out);

struct smtp_param_rule {
    struct sv keyword;
    unsigned slot; /* enum smtp_mail_slot or enum smtp_rcpt_slot */
    smtp_value_parse *parse;
};

struct smtp_ext {
    enum smtp_ext_id id;
    struct sv keyword;
    /* server */
    bool (*offered)(const struct smtp_ext_offer *o);                   /* NULL: always */
    int (*ehlo_args)(const struct smtp_ext_offer *o, struct buf *out); /* with leading space */
    struct smtp_reply (*check_mail)(const struct smtp_ext_offer *o, const struct smtp_envelope *e);
    /* both */
    const struct smtp_param_rule *mail_params, *rcpt_params; /* end with an empty keyword */
    /* client */
    void (*parse_args)(struct smtp_peer *p, struct sv args);
    bool (*required_by)(const struct smtp_envelope *e); /* must not be sent to a peer without it */
};

extern const struct smtp_ext *const smtp_exts[SMTP_EXT_COUNT]; /* in the order of EHLO */

/* Server: appends the EHLO lines after the first, "KEYWORD args" with "\n" before each. */
int smtp_ext_write_ehlo(const struct smtp_ext_offer *o, struct buf *out) MUST_CHECK;
/* Reads what follows a path into values[]; code 0 is good, else the refusal (static text). */
struct smtp_reply smtp_ext_parse_mail(struct arena *a, struct sv params,
                                      struct smtp_value values[SMTP_MAIL_SLOTS]);
struct smtp_reply smtp_ext_parse_rcpt(struct arena *a, struct sv params,
                                      struct smtp_value values[SMTP_RCPT_SLOTS]);
/* Server: runs check_mail of every extension; code 0 is good. */
struct smtp_reply smtp_ext_check_mail(const struct smtp_ext_offer *o,
                                      const struct smtp_envelope *e);
/* Appends " KEYWORD=value" for each value given whose extension is among exts (bits; ~0u: all). */
int smtp_ext_write_mail(const struct smtp_value values[SMTP_MAIL_SLOTS], uint32_t exts,
                        struct buf *out) MUST_CHECK;
int smtp_ext_write_rcpt(const struct smtp_value values[SMTP_RCPT_SLOTS], uint32_t exts,
                        struct buf *out) MUST_CHECK;
/* Client: takes one line of the EHLO reply after the first, without code and line end. */
void smtp_ext_read_ehlo(struct smtp_peer *p, struct sv line);
/* Client: bits that the envelope needs and the peer lacks. */
uint32_t smtp_ext_missing(const struct smtp_peer *p, const struct smtp_envelope *e);
/* Whether name is among the space-separated mechanisms, without case. */
bool smtp_mechanism_listed(struct sv mechanisms, struct sv name);

#endif

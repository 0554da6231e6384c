/*
 * path.h - reverse-paths and forward-paths of the envelope.
 *
 * RFC 5321 4.1.2 (Path, Mailbox), 4.1.3 (address literals), 4.5.3.1 (lengths), RFC 6531 3.3 (UTF-8
 * in local parts, U-labels in domains).
 * The whole grammar is read: quoted local parts, IPv4, IPv6 and general address literals, source
 * routes (read and dropped, RFC 5321 C). Nothing is repaired. UTF-8 is always read: whether the
 * session permits it (had_utf8) is the caller's business.
 * Canonical form: domain in lower case and A-labels (idn.h), numbers of literals decimal, local
 * part unquoted where that is possible, else quoted with the fewest escapes. The domain is always
 * ASCII; the local part holds printable ASCII, and UTF-8 as it was given (no normalisation) without
 * control characters. Ownership: text lies in the arena. Any thread.
 *
 *     struct sv rest;
 *     enum smtp_path_verdict v = smtp_path_parse(arena, SV("<a@b.example> SIZE=1"),
 *                                                SMTP_PATH_REVERSE, &path, &rest);
 *     if (v != SMTP_PATH_OK) reply = smtp_path_refusal(v, SMTP_PATH_REVERSE);
 */
#ifndef MSA_SMTP_PATH_H
#define MSA_SMTP_PATH_H

#include "msa/base/arena.h"
#include "msa/base/ip.h"
#include "msa/smtp/idn.h"
#include "msa/smtp/reply.h"

#define SMTP_LOCAL_MAX  64  /* octets of a local part, as written */
#define SMTP_DOMAIN_MAX 255 /* octets of a domain, with A-labels */
#define SMTP_PATH_MAX   256 /* octets with "<" and ">", without a source route, with A-labels */

enum smtp_path_kind {
    SMTP_PATH_NULL,      /* <> */
    SMTP_PATH_MAILBOX,   /* local@domain */
    SMTP_PATH_LITERAL,   /* local@[address] */
    SMTP_PATH_POSTMASTER /* <Postmaster> without a domain, RFC 5321 4.1.1.3 */
};

enum smtp_path_use { SMTP_PATH_REVERSE, SMTP_PATH_FORWARD }; /* MAIL FROM, RCPT TO */

enum smtp_path_verdict {
    SMTP_PATH_OK,
    SMTP_PATH_BAD_SYNTAX, /* 501 5.1.7 or 5.1.3 */
    SMTP_PATH_TOO_LONG,   /* 501, likewise */
    SMTP_PATH_NO_DOMAIN,  /* 501, likewise: a bare local part */
    SMTP_PATH_UNQUALIFIED /* 554 5.1.8 or 5.1.2: one label, or a top level of digits only */
};

struct smtp_path {
    struct sv text;     /* canonical, without brackets; empty for <> */
    uint16_t local_len; /* octets before the "@" */
    uint8_t kind;       /* enum smtp_path_kind */
    bool utf8;          /* the local part holds UTF-8: every hop needs SMTPUTF8 */
    bool had_utf8;      /* what was read held UTF-8, in the local part or in a domain */
    bool unqualified;   /* the domain is one label, that of no address */
};

/* Reads a path with its brackets at the start of text, leading spaces tolerated. rest_out: what
 * follows it, which must be nothing or begin with a space. With SMTP_PATH_UNQUALIFIED both are set
 * as well; out->unqualified says that the domain is a single label, which could be completed. */
enum smtp_path_verdict smtp_path_parse(struct arena *a, struct sv text, enum smtp_path_use use,
                                       struct smtp_path *out, struct sv *rest_out);
/* The same for an address without brackets, as it stands in options and in the queue: the whole
 * text must be local@domain (or empty: the null path, where use allows it). */
enum smtp_path_verdict smtp_path_parse_address(struct arena *a, struct sv text,
                                               enum smtp_path_use use, struct smtp_path *out);
/* The reply that a verdict other than SMTP_PATH_OK means; static text. */
struct smtp_reply smtp_path_refusal(enum smtp_path_verdict v, enum smtp_path_use use);

/* With its brackets for a literal; empty for <> and <Postmaster>. */
static inline struct sv smtp_path_domain(const struct smtp_path *p)
{
    return sv_skip(p->text, (size_t)p->local_len + 1);
}
/* The address of an IPv4 or IPv6 literal; false for every other path. */
bool smtp_path_ip(const struct smtp_path *p, struct ip *out);
/* Same mailbox: domains and local parts without ASCII case. */
bool smtp_path_same(const struct smtp_path *a, const struct smtp_path *b);
/* Whether text is an ASCII domain by RFC 5321 4.1.2 (any number of labels, no trailing dot); labels
 * that begin with "xn--" must be A-labels. */
bool smtp_domain_valid(struct sv text);

#endif

/*
 * reply.h - one SMTP reply as a value, and its way onto the wire.
 *
 * RFC 5321 4.2 (form of replies), RFC 2034 (enhanced codes on each line). Shared by both sides:
 * the server writes it, the client core fills it from what the peer said.
 * Ownership: text is a view; static text, or the owner is named by whoever hands it over.
 * The writer cannot emit CR, LF or NUL out of text: "\n" starts another line of the reply, any
 * other control character becomes a space and a byte above 126 a "?". Lines longer than 512
 * octets are split into several of the same reply. Any thread.
 *
 *     struct smtp_reply r = SMTP_REPLY(550, 5, 7, 1, "Not yours");
 *     smtp_reply_write(&out, &r);
 */
#ifndef MSA_SMTP_REPLY_H
#define MSA_SMTP_REPLY_H

#include "msa/base/buf.h"
#include "msa/smtp/status.h"

#define SMTP_REPLY_LINE_MAX 512 /* octets with CRLF, RFC 5321 4.5.3.1.5 */

struct smtp_reply {
    int code;                    /* 200 to 599; 0: no reply */
    struct smtp_status enhanced; /* class 0: the greeting, EHLO and 3yz replies have none */
    struct sv text;              /* "\n" between lines */
    /* What an operator would change: "limits.recipients". The session adds it to the text for
     * clients that are logged in; the writer below leaves it out. */
    struct sv setting;
};

#define SMTP_REPLY(code, class, subject, detail, literal) \
    SMTP_REPLY_SETTING(code, class, subject, detail, literal, "")
#define SMTP_REPLY_SETTING(code, class, subject, detail, literal, option) \
    ((struct smtp_reply){(code),                                          \
                         {(class), (subject), (detail)},                  \
                         {literal, sizeof(literal) - 1},                  \
                         {option, sizeof(option) - 1}})
#define SMTP_REPLY_NONE ((struct smtp_reply){0, {0, 0, 0}, {NULL, 0}, {NULL, 0}})
/* Without an enhanced code, from text that is no literal. */
#define SMTP_REPLY_PLAIN(number, words) ((struct smtp_reply){.code = (number), .text = (words)})

/* Appends the reply with its line ends; ERR_FULL (nothing is appended then). The class of the
 * enhanced code must be the code's first digit. */
int smtp_reply_write(struct buf *out, const struct smtp_reply *r) MUST_CHECK;
static inline bool smtp_reply_is_ok(const struct smtp_reply *r)
{
    return r->code >= 200 && r->code < 300;
}
static inline bool smtp_reply_is_permanent(const struct smtp_reply *r)
{
    return r->code >= 500 && r->code < 600;
}

#endif

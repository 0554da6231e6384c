/*
 * reply_parse.h - replies of a remote server: bytes in, one checked reply out.
 *
 * RFC 5321 4.2 (codes, multi-line replies), RFC 2034 4 (enhanced status codes).
 * Everything is bounded: an endless, huge or codeless reply ends in a fault, never in memory.
 * A line may end with a bare LF, as old servers do. NUL, control and 8-bit bytes of the text
 * become "?", so that the kept text can go into logs and reports as it is. All lines of a reply
 * must have the same code. The first digit is 2 to 5.
 *
 * Ownership: the caller's struct, no heap. The reply is valid until the next feed.
 * Calls: init, then feed until it is not SMTP_REPLY_MORE; after SMTP_REPLY_DONE the next feed
 * begins a new reply; after a fault only init is legal. One thread at a time.
 */
#ifndef MSA_SMTP_REPLY_PARSE_H
#define MSA_SMTP_REPLY_PARSE_H

#include "msa/base/sv.h"

#define SMTP_REPLY_KEPT_BYTES 4096  /* of the text; more is dropped */
#define SMTP_REPLY_MAX_BYTES  32768 /* of one reply on the wire */

/* name, text for people */
#define SMTP_REPLY_FAULTS(XX)                                \
    XX(NONE, "")                                             \
    XX(CODE, "a line that does not begin with a reply code") \
    XX(MIXED, "a reply with different codes on its lines")   \
    XX(LONG, "a reply without end")

enum smtp_reply_fault {
#define SMTP_REPLY_FAULT_ENUM(name, text) SMTP_REPLY_FAULT_##name,
    SMTP_REPLY_FAULTS(SMTP_REPLY_FAULT_ENUM)
#undef SMTP_REPLY_FAULT_ENUM
};

struct smtp_remote_reply {
    uint16_t code; /* 200 to 599 */
    uint8_t class; /* enhanced status, 0 where there was none; equals code / 100 */
    uint16_t subject, detail;
    uint16_t text_len;
    bool cut;                         /* more was said than is kept */
    char text[SMTP_REPLY_KEPT_BYTES]; /* without codes and enhanced status of the first line; lines
                                         parted by '\n', no NUL at the end */
};

enum smtp_reply_progress { SMTP_REPLY_MORE, SMTP_REPLY_DONE, SMTP_REPLY_BAD };

struct smtp_reply_parser {
    struct smtp_remote_reply reply;
    enum smtp_reply_fault fault;
    uint32_t bytes; /* of this reply so far */
    uint8_t column; /* 0-2 code digits, 3 separator, 4 text */
    uint16_t line_code;
    bool first_line, last_line, had_cr, done;
};

void smtp_reply_parse_init(struct smtp_reply_parser *p);
/* Reads at most one reply; *used_out says how many bytes it took. */
enum smtp_reply_progress smtp_reply_parse_feed(struct smtp_reply_parser *p, struct sv bytes,
                                               size_t *used_out);
struct sv smtp_remote_reply_text(const struct smtp_remote_reply *r);
/* Words for a fault; never NULL. */
const char *smtp_reply_fault_text(enum smtp_reply_fault fault);

#endif

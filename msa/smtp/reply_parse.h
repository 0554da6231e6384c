/*
 * reply_parse.h - replies of a remote server: bytes in, one checked reply out.
 *
 * RFC 5321 4.2 (codes, multi-line replies), RFC 2034 4 (enhanced status codes).
 * Everything is bounded: an endless, huge or codeless reply ends in a fault, never in memory.
 * A line may end with a bare LF, as old servers do. NUL, control and 8-bit bytes of the text
 * become "?", so that the kept text can go into logs and reports as it is. All lines of a reply
 * must have the same code; its first digit is 2 to 5.
 * The enhanced status is taken from the first line, if its class is the code's first digit, and
 * left out of the text there and on lines that repeat it; any other stays in the text.
 *
 * Ownership: the caller's struct, no heap. The reply is valid until the next feed or init.
 * Calls: init, then feed until it is not SMTP_REPLY_MORE; after SMTP_REPLY_DONE the next feed
 * begins a new reply; after SMTP_REPLY_BAD only init is legal. One thread at a time.
 */
#ifndef MSA_SMTP_REPLY_PARSE_H
#define MSA_SMTP_REPLY_PARSE_H

#include "msa/smtp/reply.h"

#define SMTP_REPLY_KEPT_BYTES 4096  /* of the text; more is dropped */
#define SMTP_REPLY_WIRE_BYTES 32768 /* of one reply as sent; more is a fault */

/* name, text for people */
#define SMTP_REPLY_FAULTS(XX)                                \
    XX(NONE, "")                                             \
    XX(CODE, "a line that does not begin with a reply code") \
    XX(MIXED, "different codes on the lines of one reply")   \
    XX(LONG, "a reply without end")

enum smtp_reply_fault {
#define SMTP_REPLY_FAULT_ENUM(name, text) SMTP_REPLY_FAULT_##name,
    SMTP_REPLY_FAULTS(SMTP_REPLY_FAULT_ENUM)
#undef SMTP_REPLY_FAULT_ENUM
};

enum smtp_reply_progress { SMTP_REPLY_MORE, SMTP_REPLY_DONE, SMTP_REPLY_BAD };

struct smtp_reply_parser {
    struct smtp_reply reply; /* complete at SMTP_REPLY_DONE; text is in kept */
    enum smtp_reply_fault fault;
    bool cut;  /* more was said than is kept */
    bool done; /* the reply was handed out */
    bool had_cr, more_lines;
    uint8_t column; /* 0 to 2: digits of the code; 3: separator; 4: text */
    int line_code;
    uint32_t wire_bytes;
    size_t line_start, kept_len; /* in kept */
    char kept[SMTP_REPLY_KEPT_BYTES];
};

void smtp_reply_parse_init(struct smtp_reply_parser *p);
/* Reads at most one reply; *used_out says how many bytes it took. */
enum smtp_reply_progress smtp_reply_parse_feed(struct smtp_reply_parser *p, struct sv bytes,
                                               size_t *used_out);
/* Words for a fault; never NULL. */
const char *smtp_reply_fault_text(enum smtp_reply_fault fault);

#endif

/*
 * netstring.h - netstrings: "5:abcde,", the base of QMTP.
 *
 * cr.yp.to/proto/netstrings.txt. The reader is strict: one to nine decimal digits, no leading zero,
 * the colon, exactly so many bytes of any value, the comma. A length above the cap is a fault at
 * the digit that shows it. Nothing is allocated: content comes out as views of what was fed, in as
 * many pieces as it came in. A netstring within a netstring is read by a reader of its own, whose
 * cap is what is left of the outer one; NETSTRING_MORE at the outer one's end is a fault.
 * Ownership: the caller's struct. After NETSTRING_DONE the next feed begins a new netstring; after
 * NETSTRING_BAD only init is legal. Any thread.
 *
 *     netstring_init(&r, 1000);
 *     do {
 *         progress = netstring_feed(&r, bytes, &content, &used);
 *         use(content);                                  // may be empty
 *         bytes = sv_skip(bytes, used);
 *     } while (progress == NETSTRING_MORE && bytes.len);
 */
#ifndef MSA_BASE_NETSTRING_H
#define MSA_BASE_NETSTRING_H

#include "msa/base/buf.h"

#define NETSTRING_LENGTH_MAX 999999999u /* bytes of content: nine digits */
#define NETSTRING_EXTRA_MAX  11         /* bytes besides the content: nine digits, ":" and "," */

/* name, text for people */
#define NETSTRING_FAULTS(XX)                    \
    XX(NONE, "")                                \
    XX(LENGTH, "a length that is no number")    \
    XX(LONG, "a length above what is accepted") \
    XX(COMMA, "something other than a comma at the end")

enum netstring_fault {
#define NETSTRING_FAULT_ENUM(name, text) NETSTRING_FAULT_##name,
    NETSTRING_FAULTS(NETSTRING_FAULT_ENUM)
#undef NETSTRING_FAULT_ENUM
};

enum netstring_progress { NETSTRING_MORE, NETSTRING_DONE, NETSTRING_BAD };

struct netstring_reader {
    enum netstring_fault fault;
    uint32_t cap;    /* bytes of content, at most NETSTRING_LENGTH_MAX */
    uint32_t length; /* as far as it was read */
    uint32_t left;   /* bytes of content that are missing */
    uint8_t digits;
    uint8_t state;
};

void netstring_init(struct netstring_reader *r, uint32_t cap_bytes);
/* Reads at most one netstring, *used_out bytes of those given; *content_out: those of them that
 * are content. All of the bytes are used unless it ends or is bad: after NETSTRING_MORE with bytes
 * left over feed goes on. */
enum netstring_progress netstring_feed(struct netstring_reader *r, struct sv bytes,
                                       struct sv *content_out, size_t *used_out);
/* Words for a fault; never NULL. */
const char *netstring_fault_text(enum netstring_fault fault);

/* Appends what goes before so many bytes of content; a comma follows them. ERR_FULL: nothing. */
int netstring_begin(struct buf *out, uint32_t length) MUST_CHECK;
/* Appends a whole netstring. ERR_FULL: nothing. */
int netstring_put(struct buf *out, struct sv content) MUST_CHECK;
/* Bytes of a netstring with so many bytes of content. */
uint64_t netstring_size(uint32_t length);

#endif

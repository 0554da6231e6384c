/*
 * dkim.h - signs one form of a message with DKIM: content in, signature fields out.
 *
 * RFC 6376 (5, 3.5, 3.7), RFC 8301 (rsa-sha256), RFC 8463 (ed25519-sha256), draft 8.5. The content
 * is given as it goes on the wire, header section first, in pieces of any size: the header section
 * is kept until it is whole, then hashed and forgotten; the body is hashed as it passes, and only
 * if a key exists for the domain of From. No second look at either is needed.
 * Sans-I/O: the private keys are the keeper's. next() gives out one SIGN request for each key: its
 * id and 32 bytes of hash, to which signed() brings the signature; how it is asked for is the
 * caller's business (relay/signing.h asks the keeper). Then fields() writes the finished fields,
 * which belong before the first byte of the content.
 *
 * The author is the first mailbox in From whose domain has a key (dkim_keys.h). Where From cannot
 * be read to its end, or the section is too large, and no such author was found, nobody signs; who
 * the author is being unknown, a signature is required if any row requires one.
 * Ownership: the struct is the caller's; keys are kept by reference until deinit. What next() gives
 * out is valid until the next call of restart or deinit. Limits: as dkim_fields.h and dkim_keys.h
 * say. One thread at a time.
 * Calls: init, { feed }, end, { next, ... signed }, fields; restart at any time in between begins
 * anew, for another form of the message; deinit.
 *
 *     struct rewrite_dkim d;
 *     rewrite_dkim_init(&d, keys, header_size, now_s);
 *     rewrite_dkim_feed(&d, piece); ...
 *     rewrite_dkim_end(&d);
 *     struct rewrite_dkim_request r;
 *     while (rewrite_dkim_next(&d, &r))
 *         ask(r.key->id, r.hash);       // later: rewrite_dkim_signed(&d, r.index, signature)
 *     rewrite_dkim_fields(&d, &out);
 */
#ifndef REWRITE_DKIM_H
#define REWRITE_DKIM_H

#include "msa/base/buf.h"
#include "msa/smtp/path.h"
#include "rewrite/dkim_keys.h"
#include "rewrite/sha256.h"

#define REWRITE_DKIM_SIGNATURE_MAX 1024         /* bytes: RSA of 8192 bits */
#define REWRITE_DKIM_FIELDS_MAX    (256u << 10) /* bytes; usually one or two thousand */

/* Why nobody signs, although somebody should or might have to: name, words */
#define REWRITE_DKIM_LACKS(XX)                           \
    XX(ROW, "no row of rewrite.dkim is in force (from)") \
    XX(FROM, "From cannot be read")                      \
    XX(SIZE, "the header section is larger than can be signed")

enum rewrite_dkim_lack {
    REWRITE_DKIM_LACKS_NOTHING,
#define REWRITE_DKIM_LACK_ENUM(name, words) REWRITE_DKIM_LACKS_##name,
    REWRITE_DKIM_LACKS(REWRITE_DKIM_LACK_ENUM)
#undef REWRITE_DKIM_LACK_ENUM
};
const char *rewrite_dkim_lack_words(enum rewrite_dkim_lack lack); /* static; of nothing: "" */

enum rewrite_dkim_state {
    REWRITE_DKIM_HEADER,  /* the section is gathered */
    REWRITE_DKIM_BODY,    /* hashed */
    REWRITE_DKIM_NOTHING, /* nobody signs; content is not looked at */
    REWRITE_DKIM_ENDED,
};

/* One signature on its way. */
struct rewrite_dkim_signature {
    const struct rewrite_dkim_key *key;
    struct buf field; /* as far as it is known: up to "bh=", then up to "b=" */
    uint8_t hash[REWRITE_SHA256_BYTES];
    struct buf value; /* base64; empty: none yet, or it was refused */
};

struct rewrite_dkim_request {
    const struct rewrite_dkim_key *key;
    size_t index;   /* for rewrite_dkim_signed() */
    struct sv hash; /* REWRITE_SHA256_BYTES */
};

struct rewrite_dkim {
    struct rewrite_dkim_keys *keys;
    int64_t now_s;
    enum rewrite_dkim_state state;
    struct buf section; /* while it is gathered */
    size_t line_start;  /* in it, of the unfinished line */
    enum rewrite_dkim_lack lack;
    bool require; /* there is such a lack, and a row says that somebody must sign */
    /* by canonical form; only those in use */
    struct rewrite_sha256 header[REWRITE_DKIM_CANONS];
    struct rewrite_sha256 body[REWRITE_DKIM_CANONS];
    struct rewrite_dkim_body canon[REWRITE_DKIM_CANONS];
    uint8_t body_hash[REWRITE_DKIM_CANONS][REWRITE_SHA256_BYTES];
    struct rewrite_dkim_signature signatures[REWRITE_DKIM_SIGNERS_MAX];
    size_t count, asked;
    char domain[SMTP_DOMAIN_MAX + 1]; /* of the author; empty: unknown */
};

/* keys may be NULL: nothing is signed. header_size: most bytes of a section that is signed; what is
 * longer lacks its signatures. now_s: wall time of the signature. */
void rewrite_dkim_init(struct rewrite_dkim *d, struct rewrite_dkim_keys *keys, size_t header_size,
                       int64_t now_s);
void rewrite_dkim_deinit(struct rewrite_dkim *d); /* also of one that is all zeros */
void rewrite_dkim_restart(struct rewrite_dkim *d);
void rewrite_dkim_feed(struct rewrite_dkim *d, struct sv bytes);
void rewrite_dkim_end(struct rewrite_dkim *d);
/* The next request; false: all were given out, or nothing is signed. */
bool rewrite_dkim_next(struct rewrite_dkim *d, struct rewrite_dkim_request *out);
/* The answer to a request; an empty or too long signature counts as none. */
void rewrite_dkim_signed(struct rewrite_dkim *d, size_t index, struct sv signature);
/* After end and all answers: whether a signature that should be there is not; and whether one of
 * those was required, so that the message must not be sent. */
bool rewrite_dkim_lacks(const struct rewrite_dkim *d, bool *required_out);
/* Appends the fields of all signatures that there are, each with its CRLF: at most
 * REWRITE_DKIM_FIELDS_MAX bytes, for which out has room. */
void rewrite_dkim_fields(const struct rewrite_dkim *d, struct buf *out);

#endif

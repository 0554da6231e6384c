/*
 * survey.h - first pass over a message: what must change for a next hop, and whether it can.
 *
 * RFC 6152 3 (a hop without 8BITMIME), RFC 3030 3 (without BINARYMIME), RFC 6409 6.5 and 8.4. The
 * content goes through the walker (mime.h); each entity whose content cannot go as it is gets a
 * form (transfer.h): text quoted-printable unless base64 is shorter, all else base64, what is
 * encoded already a repair. Fields above 127 are downgraded (downgrade.h). The result is a plan of
 * one byte an entity, by which the second pass (encode.h) writes the message over the same content.
 * Never changed: what lies inside of multipart/signed and multipart/encrypted, and text with an
 * OpenPGP signature in it; message types but for messages inside and those of RFC 6532, as RFC
 * 2045 6.4 has it. If one of these would have to change, the message cannot be sent to such a hop,
 * and the verdict says why. application/ pkcs7-mime is no container here: its CMS bytes come out of
 * base64 as they were.
 *
 * Memory: the walker's, and a byte an entity. Time linear. Pure; one thread at a time.
 * Calls: init, feed..., end, then what stands in plan; rewrite_plan_deinit() frees the plan, which
 * may be taken out of the survey before deinit (rewrite_survey_take).
 */
#ifndef REWRITE_SURVEY_H
#define REWRITE_SURVEY_H

#include "msa/smtp/ext.h"
#include "rewrite/mime.h"
#include "rewrite/transfer.h"

/* What the hop cannot take; a form of a message is a set of these. */
enum rewrite_form {
    REWRITE_FORM_7BIT = SMTP_CONVERT_7BIT, /* with both others */
    REWRITE_FORM_LINES = SMTP_CONVERT_LINES,
    REWRITE_FORM_ASCII_HEADER = SMTP_CONVERT_ASCII_HEADER,
    REWRITE_FORM_ALL = REWRITE_FORM_7BIT | REWRITE_FORM_LINES | REWRITE_FORM_ASCII_HEADER
};

/* name, code and detail of the reply (5.6.x), words */
#define REWRITE_UNFIT(XX)                                                                        \
    XX(NONE, 0, 0, "")                                                                           \
    XX(SIGNED, 554, 3, "a signed part would have to be re-encoded, which breaks its signature")  \
    XX(ENCRYPTED, 554, 3, "an encrypted part would have to be re-encoded")                       \
    XX(PGP, 554, 3, "text with an OpenPGP signature would have to be re-encoded")                \
    XX(FIXED, 554, 3,                                                                            \
       "a part of a message type that allows no encoding would have to be "                      \
       "re-encoded")                                                                             \
    XX(ENCODED, 554, 3, "a part has an encoding of its own, and would have to be encoded twice") \
    XX(DEEP, 554, 3, "a part that would have to be re-encoded is nested too deeply")             \
    XX(REST, 554, 3,                                                                             \
       "a part that would have to be re-encoded is behind too many others, or its "              \
       "header is too large")                                                                    \
    XX(LINE, 554, 3, "a header line of a part is too long and has no space to fold it at")       \
    XX(ADDRESS, 550, 7, "the header holds an address with UTF-8 before its @")                   \
    XX(FIELD, 554, 9, "From or Date of the header holds UTF-8 and cannot be read")

enum rewrite_unfit {
#define REWRITE_UNFIT_ENUM(name, code, detail, words) REWRITE_UNFIT_##name,
    REWRITE_UNFIT(REWRITE_UNFIT_ENUM)
#undef REWRITE_UNFIT_ENUM
};
const char *rewrite_unfit_text(enum rewrite_unfit why); /* static */
/* What is said of it in place of a next hop; static text. */
struct smtp_reply rewrite_unfit_reply(enum rewrite_unfit why);

/* Of one entity: the low bits an enum rewrite_transfer_form, and these */
#define REWRITE_PLAN_FORM 0x07u
#define REWRITE_PLAN_UTF8                                                  \
    0x08u /* the charset that is put in, with text/plain if need be: this; \
           */
#define REWRITE_PLAN_UNKNOWN 0x10u /* unknown-8bit (RFC 1428); neither: us-ascii, with RETYPE */
#define REWRITE_PLAN_VERSION 0x20u /* what is inside has changed: a message has a MIME-Version */
#define REWRITE_PLAN_RETYPE \
    0x40u /* a multipart that nobody can read, or without a part, becomes text */

struct rewrite_plan {
    unsigned form;            /* enum rewrite_form, all that was asked */
    bool changes;             /* else the content is good as it is */
    enum rewrite_unfit unfit; /* NONE: it can be done */
    uint8_t *entities;
    uint32_t count;
};
void rewrite_plan_deinit(struct rewrite_plan *p);

struct rewrite_count { /* of a content, or of what stands between parts */
    uint64_t bytes;
    uint64_t quoted;          /* that quoted-printable writes as three */
    uint64_t line;            /* bytes of the line at hand, without CR at its end */
    unsigned pgp;             /* bytes of the mark of OpenPGP so far, of this line */
    unsigned tail, low, high; /* UTF-8: octets that must follow, and the range of the next */
    bool cr;                  /* the byte before was CR */
    bool eight_bit, is_long, is_bare, is_pgp, is_no_utf8;
};

struct rewrite_survey_level {
    uint32_t entity;
    enum rewrite_mime_kind kind;
    enum rewrite_mime_encoding encoding;
    bool lacks_charset, has_parts;
    struct rewrite_count count;
};

struct rewrite_survey {
    struct rewrite_mime walk;
    struct rewrite_plan plan;
    size_t cap; /* entities that there is memory for */
    struct rewrite_survey_level levels[REWRITE_MIME_DEPTH + 1];
    size_t nlevels;
};

void rewrite_survey_init(struct rewrite_survey *s, unsigned form, size_t header_max);
void rewrite_survey_deinit(struct rewrite_survey *s);
void rewrite_survey_feed(struct rewrite_survey *s, struct sv bytes);
void rewrite_survey_end(struct rewrite_survey *s);
/* After end: the plan becomes the caller's. */
void rewrite_survey_take(struct rewrite_survey *s, struct rewrite_plan *out);

#endif

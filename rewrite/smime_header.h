/*
 * smime_header.h - a header section divided into what stays outside and what is protected.
 *
 * RFC 8551 3.1, 3.4.3, 3.3; RFC 1847 2. The Content- fields describe the body: they go with it into
 * the protected entity, byte for byte; all other fields stay where they are, Subject among them, so
 * that they are not protected. Fields that say what the message is now are added behind them.
 * Pure; any thread.
 */
#ifndef REWRITE_SMIME_HEADER_H
#define REWRITE_SMIME_HEADER_H

#include "rewrite/edits.h"

enum rewrite_smime_form {
    REWRITE_SMIME_PLAIN,
    REWRITE_SMIME_SIGNED,    /* multipart/signed, or application/pkcs7-mime that says so */
    REWRITE_SMIME_ENCRYPTED, /* multipart/encrypted, other application/pkcs7-mime */
};

/* The first Content-Type of a header section; views of it. */
struct rewrite_smime_type {
    struct sv type, subtype, parameters;
};
/* False: there is none, or none that can be read. */
bool rewrite_smime_type_read(struct sv section, struct rewrite_smime_type *out);
/* A parameter's value, without its quotes; empty: not there. */
struct sv rewrite_smime_parameter(const struct rewrite_smime_type *t, struct sv name);
/* application/NAME, or application/x-NAME; of NAME, too, an x- does not count. */
bool rewrite_smime_is_application(const struct rewrite_smime_type *t, struct sv name);
/* What it says of the message. It is the author's word: see smime_proof.h. */
enum rewrite_smime_form rewrite_smime_form_of(struct sv section);

/* Edits of the section, sealed, that take its Content- fields out and add a missing MIME-Version
 * and the given fields (whole lines). ERR_FULL. */
int rewrite_smime_outside(struct sv section, enum rewrite_why why, struct sv added,
                          struct rewrite_edits *edits) MUST_CHECK;
/* Appends the header section of a message of nothing but the protected entity: MIME-Version, the
 * Content- fields, the empty line. What is done to it (8.4) is done to no other field. */
int rewrite_smime_alone(struct sv section, struct buf *out) MUST_CHECK;
/* Likewise that of the protected entity, made of the section of such a message: all but its MIME-
 * Version, a Content-Type where there is none. */
int rewrite_smime_unwrap(struct sv alone, struct buf *out) MUST_CHECK;
#define REWRITE_SMIME_ADDED_MAX 1024 /* bytes of texts of the edits, at most */
/* Appends the header section of the protected entity: the Content- fields, a Content-Type where
 * there is none, the empty line. */
int rewrite_smime_inside(struct sv section, struct buf *out) MUST_CHECK;

/* A header section that comes in pieces. */
struct rewrite_smime_section {
    struct buf text; /* with its empty line when it is whole */
    bool whole;
};
void rewrite_smime_section_init(struct rewrite_smime_section *s, size_t max_bytes);
void rewrite_smime_section_deinit(struct rewrite_smime_section *s);
/* *rest_out: what of bytes is body. ERR_FULL: the section is larger. */
int rewrite_smime_section_feed(struct rewrite_smime_section *s, struct sv bytes,
                               struct sv *rest_out) MUST_CHECK;
/* Its fields, without the empty line. */
struct sv rewrite_smime_section_fields(const struct rewrite_smime_section *s);

#endif

/*
 * fields.h - header fields as byte ranges of a header section.
 *
 * RFC 5322 2.2. A field is one line, and the lines behind it that begin with space or tab. Lines
 * end with CRLF. Nothing is copied: a field is offsets into the section. Reading a section is
 * linear in its size. Any thread.
 *
 *     size_t at = 0;
 *     struct rewrite_field f;
 *     while (rewrite_fields_next(section, &at, &f))
 *         if (f.kind == REWRITE_FIELD_DATE) ...
 */
#ifndef REWRITE_FIELDS_H
#define REWRITE_FIELDS_H

#include "msa/base/sv.h"

/* Fields this program knows by name: kind, name */
#define REWRITE_FIELDS(XX)                               \
    XX(RECEIVED, "Received")                             \
    XX(DATE, "Date")                                     \
    XX(MESSAGE_ID, "Message-ID")                         \
    XX(TLS_REQUIRED, "TLS-Required")                     \
    XX(SOLICITATION, "Solicitation")                     \
    XX(AUTHENTICATION_RESULTS, "Authentication-Results") \
    XX(MIME_VERSION, "MIME-Version")                     \
    XX(CONTENT_TYPE, "Content-Type")                     \
    XX(CONTENT_ENCODING, "Content-Transfer-Encoding")    \
    REWRITE_RECEIPT_FIELDS(XX)                           \
    REWRITE_ADDRESS_FIELDS(XX)
/* Those by which the author asks for a receipt (RFC 8098 2.1): addresses that nobody judges */
#define REWRITE_RECEIPT_FIELDS(XX)                                 \
    XX(DISPOSITION_NOTIFICATION_TO, "Disposition-Notification-To") \
    XX(RETURN_RECEIPT_TO, "Return-Receipt-To")
/* Those that hold addresses (RFC 5322 3.6.2, 3.6.3, 3.6.6) and are judged */
#define REWRITE_ADDRESS_FIELDS(XX)         \
    XX(FROM, "From")                       \
    XX(SENDER, "Sender")                   \
    XX(REPLY_TO, "Reply-To")               \
    XX(TO, "To")                           \
    XX(CC, "Cc")                           \
    XX(BCC, "Bcc")                         \
    XX(RESENT_FROM, "Resent-From")         \
    XX(RESENT_SENDER, "Resent-Sender")     \
    XX(RESENT_REPLY_TO, "Resent-Reply-To") \
    XX(RESENT_TO, "Resent-To")             \
    XX(RESENT_CC, "Resent-Cc")             \
    XX(RESENT_BCC, "Resent-Bcc")

enum rewrite_field_kind {
    REWRITE_FIELD_OTHER,
#define REWRITE_FIELD_ENUM(kind, name) REWRITE_FIELD_##kind,
    REWRITE_FIELDS(REWRITE_FIELD_ENUM)
#undef REWRITE_FIELD_ENUM
        REWRITE_FIELD_KINDS
};

struct rewrite_field {
    size_t start, end; /* the whole field, its last CRLF included */
    size_t name_len;   /* the name begins at start */
    size_t value;      /* offset behind the colon */
    enum rewrite_field_kind kind;
};

enum rewrite_line_kind {
    REWRITE_LINE_FIELD,    /* begins a field */
    REWRITE_LINE_FOLD,     /* goes on with the field above */
    REWRITE_LINE_END,      /* empty: the header section ends here */
    REWRITE_LINE_NO_COLON, /* none of these */
    REWRITE_LINE_BAD_NAME, /* none of these: no name, or one with octets outside 33-126 */
};

/* What one line is, given without its CRLF; field: its name is written to name_out. */
enum rewrite_line_kind rewrite_fields_line(struct sv line, struct sv *name_out);
/* Which field a name means, without regard to case. */
enum rewrite_field_kind rewrite_fields_kind(struct sv name);
bool rewrite_fields_is(struct sv name, enum rewrite_field_kind kind);
/* The name of a field that is known, as it is usually written. */
const char *rewrite_fields_name(enum rewrite_field_kind kind);
bool rewrite_fields_is_address(enum rewrite_field_kind kind);
/* The next field of a section that holds only good lines, from offset *at on; false at its end or
 * at the empty line. */
bool rewrite_fields_next(struct sv section, size_t *at, struct rewrite_field *out);

#endif

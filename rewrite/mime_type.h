/*
 * mime_type.h - the parts of a Content-Type's value: type, subtype, parameters.
 *
 * RFC 2045 5.1, RFC 2231 3, 4 (the names of pieces and percents are given with their marks). Read
 * as mail programs do: comments may stand anywhere, values may lack their quotes, what is no
 * parameter is passed over. Other structured fields are read likewise. Linear; pure; any thread.
 *
 *     struct rewrite_mime_param p;
 *     size_t at = rewrite_mime_type_read(value, &type, &subtype);
 *     while (rewrite_mime_param_next(value, &at, &p))
 *         if (sv_ieq(p.name, SV("charset"))) ...
 */
#ifndef REWRITE_MIME_TYPE_H
#define REWRITE_MIME_TYPE_H

#include "msa/base/sv.h"

/* Gives the offset behind it: parameters may be put in there. What is missing is empty. */
size_t rewrite_mime_type_read(struct sv value, struct sv *type, struct sv *subtype);

/* A parameter of a structured field, as byte ranges of text. */
struct rewrite_mime_param {
    size_t start, end; /* the semicolon before it, to the end of the value */
    struct sv name;    /* with the marks of RFC 2231 */
    size_t value, value_end;
    bool is_quoted; /* the range has the quotes */
};
/* The next parameter of a field's value from *at on; false: no more. */
bool rewrite_mime_param_next(struct sv text, size_t *at, struct rewrite_mime_param *out);
/* Its value without the quotes, its backslashes and folds as they are; one without quotes ends at
 * space or a comment. */
struct sv rewrite_mime_param_text(struct sv text, const struct rewrite_mime_param *p);

/* The token behind white space and comments from *at on, which may be empty. */
struct sv rewrite_mime_token(struct sv text, size_t *at);

#endif

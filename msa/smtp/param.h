/*
 * param.h - splitting of esmtp-params.
 *
 * RFC 5321 4.1.2: keyword ["=" value], separated by spaces; a value is 33-60 and 62-126, and UTF-8
 * (RFC 6531 3.3), which is for the parameter's own reader to refuse.
 * Views point into the text given. Several spaces, and spaces at the end, are tolerated.
 * Any thread.
 *
 *     struct smtp_param p;
 *     while ((n = smtp_param_next(&rest, &p)) == 1) ...
 *     if (n < 0) syntax error
 */
#ifndef MSA_SMTP_PARAM_H
#define MSA_SMTP_PARAM_H

#include "msa/base/err.h"
#include "msa/base/sv.h"

struct smtp_param {
    struct sv keyword;
    struct sv value; /* empty if there is none */
    bool has_value;  /* an "=" with at least one octet behind it */
};

/* 1: *out is the next parameter and *rest what follows; 0: no more; ERR_SYNTAX. */
int smtp_param_next(struct sv *rest, struct smtp_param *out) MUST_CHECK;

#endif

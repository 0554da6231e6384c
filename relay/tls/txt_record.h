/*
 * txt_record.h - the form that the TXT records of MTA-STS and TLS-RPT share: "v=NAME; field=value".
 *
 * RFC 8461 3.1, RFC 8460 3. Pure. A name's other TXT records are passed over. Ownership: what is
 * given out is a view into the texts. Any thread.
 *
 *     struct sv rest, name, value;
 *     int more;
 *     if (txt_record_find(texts, n, SV("v=STSv1"), &rest) == 1)
 *         while ((more = txt_record_next(&rest, &name, &value)) > 0) ...   more < 0: void
 */
#ifndef RELAY_TLS_TXT_RECORD_H
#define RELAY_TLS_TXT_RECORD_H

#include "msa/base/err.h"
#include "msa/base/sv.h"

/* How many of the texts begin with version and ";": only where it is one does the domain say
 * something. *rest_out is what follows in the first of them. */
size_t txt_record_find(const struct sv *texts, size_t n, struct sv version, struct sv *rest_out);
/* The next field: 1; 0: there is none left; ERR_SYNTAX: what stands there is no field. The value
 * is not judged; white space behind it is left out. */
int txt_record_next(struct sv *rest, struct sv *name_out, struct sv *value_out) MUST_CHECK;
/* sts-ext-name, tlsrpt-ext-name: 1 to 32 letters, digits and "_-.", the first a letter or digit. */
bool txt_record_is_name(struct sv text);
/* sts-ext-value, tlsrpt-ext-value: visible ASCII without "=" and ";", at least one of it. */
bool txt_record_is_value(struct sv text);

#endif

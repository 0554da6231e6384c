/*
 * idn.h - labels of international domain names.
 *
 * IDNA 2008 (RFC 5890, 5891, 5893) by libidn2, which only computes. A U-label may come in the forms
 * that people type: capital letters, decomposed characters (UTS 46, non-transitional). What is
 * written with UTF-8 must be an A-label afterwards, so that no ASCII name can be disguised
 * (full-width letters, invisible characters, other dots).
 * Any thread.
 */
#ifndef MSA_SMTP_IDN_H
#define MSA_SMTP_IDN_H

#include "msa/base/err.h"
#include "msa/base/sv.h"

#define SMTP_LABEL_MAX 63 /* octets of a label */

/* Whether a label needs smtp_idn_label(): it holds UTF-8 or is meant as an A-label. */
bool smtp_idn_concerns(struct sv label);
/* Writes the A-label, lower case, of a U-label or A-label, and its length. ERR_SYNTAX: it is
 * neither by IDNA 2008; ERR_FULL: too long. */
int smtp_idn_label(struct sv label, char out[SMTP_LABEL_MAX], size_t *len_out) MUST_CHECK;
/* The code points of what an A-label stands for, and their number. ERR_SYNTAX: it is none. */
int smtp_idn_points(struct sv label, uint32_t out[SMTP_LABEL_MAX], size_t *count_out) MUST_CHECK;

#endif

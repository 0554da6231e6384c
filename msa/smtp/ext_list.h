/*
 * ext_list.h - the rows of the extension table, one in each ext_*.c. For ext.c only.
 */
#ifndef MSA_SMTP_EXT_LIST_H
#define MSA_SMTP_EXT_LIST_H

#include "msa/smtp/ext.h"

extern const struct smtp_ext smtp_ext_pipelining, smtp_ext_size, smtp_ext_8bitmime,
    smtp_ext_starttls, smtp_ext_auth, smtp_ext_enhanced, smtp_ext_dsn, smtp_ext_chunking,
    smtp_ext_binarymime, smtp_ext_smtputf8, smtp_ext_checkpoint, smtp_ext_no_soliciting,
    smtp_ext_mtrk, smtp_ext_futurerelease, smtp_ext_deliverby, smtp_ext_mt_priority,
    smtp_ext_requiretls, smtp_ext_limits, smtp_ext_rrvs, smtp_ext_xreturn;

#endif

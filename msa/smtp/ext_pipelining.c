/* PIPELINING, RFC 2920: no arguments, no parameters; the session cores do the work. */
#include "msa/smtp/ext_list.h"

const struct smtp_ext smtp_ext_pipelining = {
    .id = SMTP_EXT_PIPELINING,
    .keyword = {"PIPELINING", 10},
};

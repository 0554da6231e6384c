/* PIPELINING, RFC 2920: no arguments, no parameters; the session cores do the work. */
#include "msa/smtp/ext_list.h"

const struct smtp_ext smtp_ext_pipelining = {
    .id = SMTP_EXT_PIPELINING,
    .keyword = {"PIPELINING", 10},
    .rfc = "RFC 2920",
    .draft = SMTP_EXT_SHOULD,
    .lacking = "commands are sent one by one",
};

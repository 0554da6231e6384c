/* CHUNKING, RFC 3030: no arguments, no parameters; its verb BDAT is in the command table. */
#include "msa/smtp/ext_list.h"

const struct smtp_ext smtp_ext_chunking = {
    .id = SMTP_EXT_CHUNKING,
    .keyword = {"CHUNKING", 8},
    .rfc = "RFC 3030",
    .draft = SMTP_EXT_MAY,
    .lacking = "sent by DATA",
};

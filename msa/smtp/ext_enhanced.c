/* ENHANCEDSTATUSCODES, RFC 2034: no arguments, no parameters; reply.c writes the codes. */
#include "msa/smtp/ext_list.h"

const struct smtp_ext smtp_ext_enhanced = {
    .id = SMTP_EXT_ENHANCEDSTATUSCODES,
    .keyword = {"ENHANCEDSTATUSCODES", 19},
};

/* ENHANCEDSTATUSCODES, RFC 2034: no arguments, no parameters; the session writes the codes. */
#include "msa/smtp/ext_list.h"

const struct smtp_ext smtp_ext_enhanced = {
    .id = SMTP_EXT_ENHANCEDSTATUSCODES,
    .keyword = {"ENHANCEDSTATUSCODES", 19},
    .rfc = "RFC 2034",
    .draft = SMTP_EXT_SHOULD,
    .lacking = "codes are taken from replies where they stand all the same",
};

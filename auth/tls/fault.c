#include "auth/tls/fault.h"

#include <openssl/err.h>

int tls_fault(struct buf *why, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int full = buf_vprintf(why, fmt, args);
    va_end(args);
    (void)full; /* a sentence too many is no second fault */
    ERR_clear_error();
    return ERR_TLS;
}

const char *tls_fault_reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_error());
    return text ? text : "unknown reason";
}

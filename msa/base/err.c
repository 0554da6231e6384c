#include "msa/base/err.h"
#include "msa/base/require.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *err_text(int err)
{
    switch (err) {
#define ERR_CASE(name, value, text) \
    case name:                      \
        return text;
        ERR_TABLE(ERR_CASE)
#undef ERR_CASE
    case 0:
        return "success";
    default:
        break;
    }
    const char *text = err < 0 && err > -5000 ? strerrordesc_np(-err) : NULL;
    return text ? text : "unknown error";
}

void require_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "broken contract: %s (%s:%d)\n", cond, file, line);
    abort();
}

#include "rewrite/smime_base64.h"

#include "msa/base/b64.h"

#include <string.h>

static int put_line(struct sv bytes, struct buf *out)
{
    int err = b64_encode(out, bytes);
    return err ? err : buf_put(out, SV("\r\n"));
}

int rewrite_smime_base64_feed(struct rewrite_smime_base64 *b, struct sv bytes, struct buf *out)
{
    int err = 0;
    while (err == 0 && b->count + bytes.len >= REWRITE_SMIME_LINE_BYTES) {
        size_t wanted = REWRITE_SMIME_LINE_BYTES - b->count;
        if (b->count) {
            memcpy(b->kept + b->count, bytes.ptr, wanted);
            err = put_line((struct sv){b->kept, REWRITE_SMIME_LINE_BYTES}, out);
        } else {
            err = put_line(sv_first(bytes, wanted), out);
        }
        b->count = 0;
        bytes = sv_skip(bytes, wanted);
    }
    if (err == 0 && bytes.len) {
        memcpy(b->kept + b->count, bytes.ptr, bytes.len);
        b->count += bytes.len;
    }
    return err;
}

int rewrite_smime_base64_end(struct rewrite_smime_base64 *b, struct buf *out)
{
    size_t count = b->count;
    b->count = 0;
    return count ? put_line((struct sv){b->kept, count}, out) : 0;
}

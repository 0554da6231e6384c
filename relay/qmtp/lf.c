#include "relay/qmtp/lf.h"

size_t qmtp_lf_next(struct qmtp_lf *l, struct sv in, struct sv *run)
{
    bool had_cr = l->had_cr;
    *run = SV_NONE;
    if (!in.len)
        return 0;
    l->had_cr = false;
    if (had_cr && in.ptr[0] != '\n') {
        *run = SV("\r");
        return 0;
    }
    size_t cr = sv_find(in, '\r');
    *run = sv_first(in, cr);
    if (cr == in.len)
        return cr;
    if (cr + 1 == in.len)
        l->had_cr = true;
    else if (in.ptr[cr + 1] != '\n')
        run->len++;
    return cr + 1;
}

struct sv qmtp_lf_end(struct qmtp_lf *l)
{
    bool had_cr = l->had_cr;
    l->had_cr = false;
    return had_cr ? SV("\r") : SV_NONE;
}

uint64_t qmtp_lf_count(struct qmtp_lf *l, struct sv in)
{
    uint64_t bytes = 0;
    struct sv run;
    while (in.len) {
        in = sv_skip(in, qmtp_lf_next(l, in, &run));
        bytes += run.len;
    }
    return bytes;
}

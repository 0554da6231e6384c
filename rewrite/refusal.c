#include "rewrite/refusal.h"

#include <stdio.h>

static const struct {
    uint16_t code;
    const char *status, *words, *behind, *setting;
} rows[] = {
#define REFUSAL_ROW(name, code, status, words, behind, setting) \
    [REWRITE_REFUSAL_##name] = {code, status, words, behind, setting},
    REWRITE_REFUSALS(REFUSAL_ROW)
#undef REFUSAL_ROW
};

void rewrite_refusal_make(struct rewrite_refusal *out, enum rewrite_refusal_kind kind,
                          struct sv subject)
{
    *out = (struct rewrite_refusal){.kind = kind,
                                    .code = rows[kind].code,
                                    .status = rows[kind].status,
                                    .setting = rows[kind].setting};
    if (rows[kind].behind)
        snprintf(out->text, sizeof(out->text), "%s%.*s%s", rows[kind].words, SV_ARG(subject),
                 rows[kind].behind);
    else
        snprintf(out->text, sizeof(out->text), "%s", rows[kind].words);
    for (char *c = out->text; *c; c++)
        if (*c < 32 || *c > 126)
            *c = '?';
}

/* Syntax that is wrong by the letter, and that printers and scripts send nevertheless. */
#include "msa/smtp/session.h"

static const struct row {
    int code;
    uint8_t detail;
    const char *text;
} rows[] = {
#define ROW(name, code, detail, text) {code, detail, text},
    SMTP_TOLERATED(ROW)
#undef ROW
};

struct smtp_reply session_tolerate(struct smtp_server *s, enum smtp_tolerated what)
{
    const struct row *r = &rows[what];
    if (s->setup->strict_syntax)
        return (struct smtp_reply){.code = r->code,
                                   .enhanced = {5, 5, r->detail},
                                   .text = sv_of(r->text),
                                   .setting = SV("limits.strict_syntax")};
    s->tolerated |= 1u << what;
    return SMTP_REPLY_NONE;
}

uint32_t smtp_server_take_tolerated(struct smtp_server *s)
{
    uint32_t bits = s->tolerated;
    s->tolerated = 0;
    return bits;
}

const char *smtp_tolerated_text(enum smtp_tolerated what)
{
    return rows[what].text;
}

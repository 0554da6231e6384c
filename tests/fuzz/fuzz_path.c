/*
 * Paths: whatever is read has a canonical form that is printable, within its limits, with an ASCII
 * domain, reads back as itself, and survives the queue's text form with its parameters.
 */
#include "msa/base/require.h"
#include "msa/base/utf8.h"
#include "msa/smtp/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(struct arena *a, const struct smtp_path *p, enum smtp_path_use use)
{
    struct smtp_path again;
    struct ip ip;
    REQUIRE(p->text.len <= SMTP_PATH_MAX - 2);
    REQUIRE(p->local_len <= SMTP_LOCAL_MAX && p->local_len <= p->text.len);
    REQUIRE(utf8_is_printable(p->text) && utf8_is_ascii(smtp_path_domain(p)));
    REQUIRE(p->utf8 == !utf8_is_ascii(p->text) && (p->had_utf8 || !p->utf8));
    smtp_path_ip(p, &ip);
    if (p->kind == SMTP_PATH_POSTMASTER)
        return;
    REQUIRE(smtp_path_parse_address(a, p->text, use, &again) == SMTP_PATH_OK);
    REQUIRE(p->kind == again.kind && sv_eq(p->text, again.text));
}

static void check_envelope(struct arena *a, struct sv text, bool mail)
{
    struct smtp_envelope e, again;
    struct buf out, back;
    smtp_envelope_init(&e, a);
    smtp_envelope_init(&again, a);
    if ((mail ? smtp_envelope_parse_mail(&e, text) : smtp_envelope_parse_rcpt(&e, text)) < 0)
        return;
    buf_init(&out, 1u << 20, 0);
    buf_init(&back, 1u << 20, 0);
    int err = mail ? smtp_envelope_write_mail(&e, &out)
                   : smtp_envelope_write_rcpt(&e.recipients[0], &out);
    REQUIRE(err == 0);
    err = mail ? smtp_envelope_parse_mail(&again, buf_view(&out))
               : smtp_envelope_parse_rcpt(&again, buf_view(&out));
    REQUIRE(err == 0);
    err = mail ? smtp_envelope_write_mail(&again, &back)
               : smtp_envelope_write_rcpt(&again.recipients[0], &back);
    REQUIRE(err == 0 && sv_eq(buf_view(&out), buf_view(&back)));
    buf_deinit(&out);
    buf_deinit(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv text = {(const char *)data, size}, rest;
    struct smtp_path p;
    struct arena a;
    arena_init(&a);
    for (int use = SMTP_PATH_REVERSE; use <= SMTP_PATH_FORWARD; use++) {
        if (smtp_path_parse(&a, text, (enum smtp_path_use)use, &p, &rest) == SMTP_PATH_OK)
            check_path(&a, &p, (enum smtp_path_use)use);
        if (smtp_path_parse_address(&a, text, (enum smtp_path_use)use, &p) == SMTP_PATH_OK)
            check_path(&a, &p, (enum smtp_path_use)use);
        check_envelope(&a, text, use == SMTP_PATH_REVERSE);
    }
    arena_deinit(&a);
    return 0;
}

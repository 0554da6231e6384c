#include "msa/smtp/lookalike.h"
#include "msa/smtp/path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

/* As the envelope has it: A-labels, lower case. */
static struct sv a_labels(struct arena *a, const char *domain)
{
    struct smtp_path path;
    enum smtp_path_verdict v = smtp_path_parse_address(a, sv_of(arena_printf(a, "a@%s", domain)),
                                                       SMTP_PATH_FORWARD, &path);
    if (v != SMTP_PATH_OK)
        fail_msg("%s is no domain", domain);
    return smtp_path_domain(&path);
}

static const struct mixed_row {
    const char *domain;
    bool mixed;
} mixed_rows[] = {
    {"example.net", false},
    {"a-1.example.net", false},
    {"bücher.example", false},
    {"straße.example", false},
    {"пример.example", false}, /* a script for each label */
    {"яндекс-1.example", false},
    {"παράδειγμα.example", false},
    {"日本語.example", false},
    {"ひらがなカタカナ漢字abc.example", false},
    {"한국어abc漢字.example", false},
    {"ㄅㄆ漢字abc.example", false},
    {"ทดสอบ.example", false},
    {"उदाहरण.example", false},
    {"مثال.example", false},
    {"l·l.example", false},
    {"аpple.example", true}, /* Cyrillic a */
    {"paypаl.example", true},
    {"gοοgle.example", true}, /* Greek omicron */
    {"www.аpple.example", true},
    {"xn--pple-43d.example", true}, /* the same, as it is sent */
    {"XN--PPLE-43D.example", true},
    {"exаmple.пример.example", true},
    {"αбв.example", true}, /* Greek with Cyrillic */
    {"ひらがな한국어.example", true},
    {"ㄅㄆひらがな.example", true},
    {"օrange.example", true}, /* Armenian o */
    {"उदாहரண.example", true}, /* Devanagari with Tamil */
};

static void mixed_scripts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mixed_rows / sizeof *mixed_rows; i++) {
        struct arena a;
        arena_init(&a);
        bool got = smtp_lookalike_mixed(a_labels(&a, mixed_rows[i].domain));
        if (got != mixed_rows[i].mixed)
            fail_msg("%s: %d", mixed_rows[i].domain, got);
        arena_deinit(&a);
    }
}

static const struct mixed_row text_rows[] = {
    {"alice", false},     {"Иван", false},  {"Ivan-Иван", false},
    {"Ivan.Иван", false}, {"аlice", true},  {"alice.bоb", true},
    {"", false},          {"ölive", false}, {"o\xcc\x88live", false},
};

static void mixed_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof text_rows / sizeof *text_rows; i++)
        if (smtp_lookalike_mixed_text(sv_of(text_rows[i].domain)) != text_rows[i].mixed)
            fail_msg("%s", text_rows[i].domain);
}

static const struct like_row {
    const char *domain, *ours;
    bool like;
} like_rows[] = {
    {"example.net", "example.net", false}, /* itself */
    {"EXAMPLE.net", "example.net", false}, {"mail.example.net", "example.net", false},
    {"example.org", "example.net", false}, {"net", "example.net", false},
    {"оnе.net", "one.net", true},          {"сора.net", "copa.net", true}, /* Cyrillic throughout */
    {"mail.сора.net", "copa.net", true},   {"a.b.сора.net", "copa.net", true},
    {"сорах.net", "copa.net", false},      {"сора.org", "copa.net", false},
    {"ορα.net", "opa.net", true}, /* Greek throughout */
    {"օղ.net", "on.net", false},           {"һоре.net", "hope.net", true},
    {"ıcon.net", "icon.net", true}, /* Latin throughout: an i without its dot */
    {"bücher.net", "bucher.net", false},   {"сора.net", "сора.net", false},
    {"copa.net", "сора.net", true}, /* ours is the international one */
};

static void like_ours(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof like_rows / sizeof *like_rows; i++) {
        const struct like_row *r = &like_rows[i];
        struct arena a;
        arena_init(&a);
        struct sv domain = sv_find(sv_of(r->domain), '.') == strlen(r->domain)
                               ? sv_of(r->domain)
                               : a_labels(&a, r->domain);
        if (smtp_lookalike_of(domain, a_labels(&a, r->ours)) != r->like)
            fail_msg("%s for %s", r->domain, r->ours);
        arena_deinit(&a);
    }
}

static const struct loose_row {
    const char *domain, *ours;
    bool like;
} loose_rows[] = {
    {"modem.net", "modern.net", true},
    {"modern.net", "modem.net", true},
    {"rnodern.net", "modern.net", true},
    {"examp1e.net", "example.net", true},
    {"g00d.net", "good.net", true},
    {"vvww.net", "wvvw.net", true},
    {"a.examp1e.net", "example.net", true},
    {"example.net", "example.net", false},
    {"mail.example.net", "example.net", false},
    {"exarnpl.net", "example.net", false},
    {"clear.net", "dear.net", false},
    {"mall.net", "mail.net", false},
    {"r.nodern.net", "modern.net", false}, /* rn over a dot is none */
    {"exmaple.net", "example.net", false},
    {"example.org", "example.net", false},
    {"m0dеrn.net", "modern.net", true}, /* with a Cyrillic letter beside it */
};

static void like_ours_loosely(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof loose_rows / sizeof *loose_rows; i++) {
        const struct loose_row *r = &loose_rows[i];
        struct arena a;
        arena_init(&a);
        if (smtp_lookalike_of_loosely(a_labels(&a, r->domain), a_labels(&a, r->ours)) != r->like)
            fail_msg("%s for %s", r->domain, r->ours);
        arena_deinit(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mixed_scripts),
        cmocka_unit_test(mixed_words),
        cmocka_unit_test(like_ours),
        cmocka_unit_test(like_ours_loosely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

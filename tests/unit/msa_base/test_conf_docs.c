#include "conf_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

typedef int write_docs(const struct conf_option *rows, struct buf *out);

static char *generate(write_docs *write)
{
    struct buf out;
    buf_init(&out, 1 << 16, 0);
    assert_int_equal(write(all_rows, &out), 0);
    return buf_take(&out, NULL);
}

static void expect(char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("want %s\nin %s", part, text);
}

static void help_has_key_help_and_default(void **state)
{
    (void)state;
    char *text = generate(conf_docs_help);
    expect(text, "  state                        folder\n"
                 "                               default: \"/var/lib/x\"\n");
    expect(text, "  limits.connections           how many\n"
                 "                               default: 10\n");
    expect(text, "  entries[].port               its port\n");
    free(text);
}

static void sample_has_all_and_wraps(void **state)
{
    (void)state;
    char *text = generate(conf_docs_sample);
    expect(text, "# mode: how\n#   Which way.\n"
                 "#   Values: \"fast\" or \"safe\". Takes effect at a restart.\n"
                 "#mode = \"safe\";\n");
    expect(text, "limits = {\n    # connections: how many\n    #   Count.\n"
                 "    #   Range: 1 to 100. Takes effect at a reload.\n"
                 "    #connections = 10;\n");
    expect(text, "    #   Range: 1K to 1024G, or 1% to 100%. Takes effect at a restart.\n");
    expect(text, "#     name: its name\n#       Which it is.\n"
                 "#       Takes effect at a restart.\n#       Example: name = \"x\";\n"
                 "#       Must be written.\n");
    expect(text, "#entries = ( { name = \"one\"; port = 1; }, { name = \"two\"; } );\n");
    expect(text, "#extra = ( );\n");
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") <= 90);
    free(text);
}

static void troff_cannot_be_led_astray(void **state)
{
    static const struct conf_option rows[] = {
        CONF_ROW(CONF_STRING, struct all, host, "host", "a\\b", "name", ".de x \\n(.z and -1"),
        CONF_END,
    };
    struct buf out;
    (void)state;
    buf_init(&out, 1 << 16, 0);
    assert_int_equal(conf_docs_man(rows, &out), 0);
    char *text = buf_take(&out, NULL);
    assert_string_equal(text, ".TP\n.B host\n.br\ndefault: \"a\\eb\"\n.br\nName.\n"
                              "\\&.de x \\en(.z and \\-1\nTakes effect at a restart.\n");
    free(text);
}

static void a_full_buffer_is_told(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, 100, 0);
    assert_int_equal(conf_docs_sample(all_rows, &out), ERR_FULL);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_has_key_help_and_default),
        cmocka_unit_test(sample_has_all_and_wraps),
        cmocka_unit_test(troff_cannot_be_led_astray),
        cmocka_unit_test(a_full_buffer_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

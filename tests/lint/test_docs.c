/*
 * The generated files in etc/ agree with the option table, name every key, and the sample reads
 * back to the defaults. "test_docs --update" writes the files anew.
 */
#include "msa/server/docs.h"
#include "msa/server/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX_BYTES ((size_t)256 << 10)

static const struct {
    const char *path;
    enum docs_kind kind;
} files[] = {
    {"etc/msa.conf.sample", DOCS_SAMPLE},
    {"etc/msa.conf.5", DOCS_MAN},
    {"etc/msad.8", DOCS_MSAD},
};
#define FILES (sizeof files / sizeof files[0])

static char *generate(enum docs_kind kind)
{
    struct buf out;
    buf_init(&out, FILE_MAX_BYTES, 0);
    assert_int_equal(docs_write(kind, &out), 0);
    return buf_take(&out, NULL);
}

static FILE *open_in_tree(const char *path, const char *mode)
{
    char full[4096];
    const char *root = getenv("TEST_SOURCE_DIR");
    snprintf(full, sizeof full, "%s/%s", root ? root : ".", path);
    return fopen(full, mode);
}

static int update(void)
{
    for (size_t i = 0; i < FILES; i++) {
        struct buf out;
        buf_init(&out, FILE_MAX_BYTES, 0);
        FILE *f = open_in_tree(files[i].path, "w");
        if (!f || docs_write(files[i].kind, &out) < 0 ||
            fwrite(buf_view(&out).ptr, 1, buf_len(&out), f) != buf_len(&out) || fclose(f) != 0) {
            perror(files[i].path);
            return 1;
        }
        buf_deinit(&out);
    }
    return 0;
}

static void files_are_what_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < FILES; i++) {
        char *want = generate(files[i].kind);
        char *have = calloc(1, FILE_MAX_BYTES + 1);
        FILE *f = open_in_tree(files[i].path, "r");
        assert_non_null(have);
        if (!f)
            fail_msg("%s is missing: run test_docs --update", files[i].path);
        size_t len = fread(have, 1, FILE_MAX_BYTES, f);
        fclose(f);
        if (len != strlen(want) || strcmp(have, want) != 0)
            fail_msg("%s differs from the option table: run test_docs --update", files[i].path);
        free(want);
        free(have);
    }
}

/* Takes the "#" from lines that are a key behind it, or a further group of a list; prose has a
 * space there. */
static void uncomment(char *text)
{
    bool line_begins = true;
    for (char *c = text; *c; c++) {
        if (line_begins && c[0] == '#' && (ascii_alpha(c[1]) || strncmp(c, "#  {", 4) == 0))
            *c = ' ';
        line_begins = *c == '\n' || (line_begins && *c == ' ');
    }
}

static char *whole(const struct msa_options *o)
{
    struct buf out;
    buf_init(&out, FILE_MAX_BYTES, 0);
    assert_int_equal(conf_write(msa_options_rows, o, CONF_SHOW_ALL, &out), 0);
    return buf_take(&out, NULL);
}

static void read_text(struct arena *a, const char *text, struct msa_options *o,
                      struct conf_source *src)
{
    struct conf_faults faults;
    struct buf said;
    *o = (struct msa_options){0};
    conf_faults_init(&faults, a);
    buf_init(&said, FILE_MAX_BYTES, 0);
    conf_read(msa_options_rows, "etc/msa.conf.sample", sv_of(text), a, o, &faults, src);
    conf_faults_print(&faults, &said);
    if (buf_len(&said))
        fail_msg("%.*s", SV_ARG(buf_view(&said)));
    buf_deinit(&said);
}

static void count_written(const struct conf_option *rows, const char *prefix,
                          const struct conf_source *src)
{
    for (const struct conf_option *row = rows; row->name; row++) {
        char key[128];
        snprintf(key, sizeof key, "%s%s%s", prefix, prefix[0] ? "." : "", row->name);
        if (!conf_source_find(src, key))
            fail_msg("the sample does not write %s", key);
        if (row->type == CONF_GROUP)
            count_written(row->rows, key, src);
    }
}

static void the_sample_reads_back_to_the_defaults(void **state)
{
    struct arena a;
    struct msa_options defaults, plain, opened;
    struct conf_source src;
    (void)state;
    arena_init(&a);
    char *text = generate(DOCS_SAMPLE);
    read_text(&a, "", &defaults, &src);
    read_text(&a, text, &plain, &src);
    uncomment(text);
    read_text(&a, text, &opened, &src);
    count_written(msa_options_rows, "", &src);
    char *want = whole(&defaults), *as_it_is = whole(&plain), *uncommented = whole(&opened);
    assert_string_equal(want, as_it_is);
    assert_string_equal(want, uncommented);
    free(want);
    free(as_it_is);
    free(uncommented);
    free(text);
    arena_deinit(&a);
}

/* Each key with its own help in each document. */
static void expect_rows(const struct conf_option *rows, const char *prefix, const char *help,
                        const char *sample)
{
    for (const struct conf_option *row = rows; row->name; row++) {
        char key[128];
        snprintf(key, sizeof key, "%s%s%s", prefix, prefix[0] ? "." : "", row->name);
        if (!strstr(sample, row->name))
            fail_msg("%s is not in the sample", key);
        if (row->type != CONF_GROUP) {
            if (!strstr(help, key) || !strstr(help, row->help))
                fail_msg("%s is not in the help", key);
        }
        assert_true(strlen(row->help) < 70);
        assert_true(strlen(row->text) > 4 && row->text[strlen(row->text) - 1] == '.');
        if (row->rows) {
            if (row->type == CONF_LIST)
                strcat(key, "[]");
            expect_rows(row->rows, key, help, sample);
        }
    }
}

static void every_key_is_documented(void **state)
{
    (void)state;
    char *help = generate(DOCS_HELP), *sample = generate(DOCS_SAMPLE);
    expect_rows(msa_options_rows, "", help, sample);
    free(help);
    free(sample);
}

static void kinds_have_names(void **state)
{
    enum docs_kind kind = DOCS_HELP;
    (void)state;
    assert_true(docs_kind_parse(SV("sample"), &kind));
    assert_int_equal(kind, DOCS_SAMPLE);
    assert_true(docs_kind_parse(SV("man"), &kind));
    assert_int_equal(kind, DOCS_MAN);
    assert_false(docs_kind_parse(SV("html"), &kind));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_what_the_table_says),
        cmocka_unit_test(the_sample_reads_back_to_the_defaults),
        cmocka_unit_test(every_key_is_documented),
        cmocka_unit_test(kinds_have_names),
    };
    if (argc == 2 && strcmp(argv[1], "--update") == 0)
        return update();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

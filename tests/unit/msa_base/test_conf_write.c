#include "conf_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static const char changed[] = "state = \"/srv/y\";\n"
                              "on = false;\n"
                              "host = \"a\\\"b\\\\c\";\n"
                              "mode = \"fast\";\n"
                              "secret = \"hidden\";\n"
                              "names = [ ];\n"
                              "retry = [ \"90s\", \"2h\" ];\n"
                              "ports = [ 25, 2525 ];\n"
                              "limits = {\n"
                              "    connections = 99;\n"
                              "    message_size = \"1025\";\n"
                              "    memory = \"30%\";\n"
                              "};\n"
                              "entries = (\n"
                              "    {\n"
                              "        name = \"x\";\n"
                              "        tags = [ \"t\", \"u\" ];\n"
                              "    },\n"
                              "    {\n"
                              "        name = \"y\";\n"
                              "        port = 7;\n"
                              "    }\n"
                              ");\n";

static void read_into(struct arena *a, const char *text, struct all *v)
{
    struct conf_faults faults;
    struct conf_source src;
    memset(v, 0, sizeof *v);
    conf_faults_init(&faults, a);
    assert_true(conf_read(all_rows, "x.conf", sv_of(text), a, v, &faults, &src));
}

static char *written(const struct all *v, unsigned show)
{
    struct buf out;
    buf_init(&out, 1 << 16, 0);
    assert_int_equal(conf_write(all_rows, v, show, &out), 0);
    if (buf_len(&out) == 0)
        assert_int_equal(buf_put(&out, SV("\n")), 0);
    return buf_take(&out, NULL);
}

static void what_differs_is_written_and_reads_back(void **state)
{
    struct arena a;
    struct all v, again;
    (void)state;
    arena_init(&a);
    read_into(&a, changed, &v);
    char *text = written(&v, CONF_SHOW_SECRETS);
    assert_string_equal(text, changed);
    char *whole = written(&v, CONF_SHOW_SECRETS | CONF_SHOW_ALL);
    assert_non_null(strstr(whole, "path = \"/srv/y/db\";\n"));
    assert_non_null(strstr(whole, "extra = ();\n"));
    read_into(&a, whole, &again);
    char *twice = written(&again, CONF_SHOW_SECRETS | CONF_SHOW_ALL);
    assert_string_equal(whole, twice);
    free(text);
    free(whole);
    free(twice);
    arena_deinit(&a);
}

static void secrets_are_masked(void **state)
{
    struct arena a;
    struct all v;
    (void)state;
    arena_init(&a);
    read_into(&a, changed, &v);
    char *text = written(&v, CONF_SHOW_ALL);
    assert_null(strstr(text, "hidden"));
    assert_non_null(strstr(text, "secret = \"********\";"));
    free(text);
    arena_deinit(&a);
}

static void defaults_are_not_written(void **state)
{
    struct arena a;
    struct all v;
    (void)state;
    arena_init(&a);
    read_into(&a, "on = true; limits = { wait = \"300s\" };", &v);
    char *text = written(&v, 0);
    assert_string_equal(text, "\n");
    free(text);
    arena_deinit(&a);
}

static void a_full_buffer_is_told(void **state)
{
    struct arena a;
    struct all v;
    struct buf out;
    (void)state;
    arena_init(&a);
    read_into(&a, changed, &v);
    buf_init(&out, 40, 0);
    assert_int_equal(conf_write(all_rows, &v, CONF_SHOW_ALL, &out), ERR_FULL);
    buf_deinit(&out);
    arena_deinit(&a);
}

static void note(void *arg, const char *key, const struct conf_option *row)
{
    char *all = arg;
    (void)row;
    strcat(strcat(all, key), " ");
}

static void note_value(void *arg, const char *key, const struct conf_option *row, const void *value)
{
    char *all = arg;
    if (row->type == CONF_INT)
        sprintf(all + strlen(all), "%s=%d ", key, (int)*(const int64_t *)value);
}

static void differences_are_named(void **state)
{
    struct arena a;
    struct all v, w;
    char keys[1000] = "";
    (void)state;
    arena_init(&a);
    read_into(&a, "", &v);
    conf_diff(all_rows, &v, &v, note, keys);
    assert_string_equal(keys, "");
    read_into(&a, changed, &w);
    conf_diff(all_rows, &v, &w, note, keys);
    assert_string_equal(keys, "state on host mode path secret names retry ports limits.connections "
                              "limits.message_size limits.memory entries[0].name "
                              "entries[0].port entries[0].tags entries[1].name "
                              "entries[1].port ");
    keys[0] = '\0';
    read_into(&a, "entries = { name = \"one\" }; extra = { name = \"e\" };", &w);
    conf_diff(all_rows, &v, &w, note, keys);
    assert_string_equal(keys, "entries extra ");
    arena_deinit(&a);
}

static void every_value_is_visited(void **state)
{
    struct arena a;
    struct all v;
    char keys[1000] = "";
    (void)state;
    arena_init(&a);
    read_into(&a, "", &v);
    conf_walk(all_rows, &v, note_value, keys);
    assert_string_equal(keys, "limits.connections=10 entries[0].port=1 entries[1].port=25 ");
    arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_differs_is_written_and_reads_back),
        cmocka_unit_test(secrets_are_masked),
        cmocka_unit_test(defaults_are_not_written),
        cmocka_unit_test(a_full_buffer_is_told),
        cmocka_unit_test(differences_are_named),
        cmocka_unit_test(every_value_is_visited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

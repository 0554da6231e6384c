/* Rows in the files of a folder, and files of addresses: where they come from, and each fault. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/daemon/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HEAD                                                                                     \
    "hostname = \"mail.example.net\"; domains = [ \"example.net\" ]; dns = { dnssec = \"off\"; " \
    "};\n"                                                                                       \
    "listen = { tls = \"none\"; }; auth = { require_tls = false; };\n"

static char dir[] = "/tmp/test_load_permissions.XXXXXX";

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    /* @ stands for the folder where it begins a path */
    for (const char *c = text; *c; c++)
        assert_true(c[0] == '@' && c[1] == '/' ? fputs(dir, f) >= 0 : fputc(*c, f) != EOF);
    assert_int_equal(fclose(f), 0);
}

static int make_folder(void **state)
{
    char path[128];
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/test_load_permissions.XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/permissions.d", dir);
    return mkdir(path, 0700);
}

static int remove_folder(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

static struct generation *load(struct buf *said)
{
    char path[128];
    struct arena arena;
    struct conf_faults faults;
    snprintf(path, sizeof path, "%s/conf", dir);
    arena_init(&arena);
    buf_init(said, 65536, 0);
    struct generation *g = load_generation(path, 5, &arena, &faults);
    conf_faults_print(&faults, said);
    arena_deinit(&arena);
    return g;
}

static void refused(const char *words)
{
    struct buf said;
    struct generation *g = load(&said);
    struct sv text = buf_view(&said);
    char full[512];
    snprintf(full, sizeof full, "%s/%s", dir, words);
    if (g || !memmem(text.ptr, text.len, full, strlen(full)))
        fail_msg("wanted %s, got %.*s", full, SV_ARG(text));
    buf_deinit(&said);
}

static struct generation *accepted(void)
{
    struct buf said;
    struct generation *g = load(&said);
    if (!g)
        fail_msg("%.*s", SV_ARG(buf_view(&said)));
    buf_deinit(&said);
    return g;
}

static void folders(void **state)
{
    (void)state;
    write_file("conf", HEAD "permissions = ( { login = \"m\"; }, { include = \"permissions.d\"; }, "
                            "{ login = \"n\"; } );\n");
    generation_drop(accepted()); /* an empty one is fine */
    write_file("permissions.d/20-b.conf", "permissions = { login = \"b\"; };\n");
    write_file(
        "permissions.d/10-a.conf",
        "permissions = ( { login = \"a\"; class = \"gateway\"; },\n{ login = \"@trusted\"; } "
        ");\n");
    write_file("permissions.d/README", "not read");
    write_file("permissions.d/.hidden.conf", "not read");
    write_file("permissions.d/.conf", "not read");
    struct generation *g = accepted();
    struct buf record, why;
    buf_init(&record, GENERATION_RECORD_MAX, 0);
    buf_init(&why, 4096, 0);
    assert_int_equal(generation_pack(g, false, &record), 0);
    generation_drop(g);
    g = generation_unpack(buf_view(&record), &why); /* what the server gets */
    assert_non_null(g);
    static const char *const logins[] = {"m@example.net", "n@example.net", "a@example.net",
                                         "@trusted", "b@example.net"};
    assert_int_equal(g->options.permissions.count, 5);
    for (size_t i = 0; i < 5; i++) {
        const struct permission_options *o =
            CONF_ITEM(g->options.permissions, i, struct permission_options);
        assert_string_equal(o->login, logins[i]);
        assert_string_equal(o->include, "");
        assert_string_equal(o->may_send_as.items[0], i == 3 ? "*" : "%u");
        assert_int_equal(o->class, i == 2 ? PERMISSION_GATEWAY : PERMISSION_USER);
    }
    generation_drop(g);
    buf_deinit(&record);
    buf_deinit(&why);
}

static void faults(void **state)
{
    (void)state;
    write_file("conf", HEAD "permissions = ( { login = \"m\"; },\n{ include = \"none.d\"; } );\n");
    refused("conf:4: permissions[1].include: cannot read ");
    write_file("conf",
               HEAD "permissions = ( { include = \"@/permissions.d\"; login = \"x\"; } );\n");
    refused("conf:3: permissions[0].login: it stands beside include");
    write_file("conf",
               HEAD "permissions = ( { login = \"m\"; },\n{ include = \"permissions.d\"; } );\n");
    write_file("permissions.d/a.conf",
               "permissions = ( { login = \"a\"; },\n{ login = \"m\"; } );\n");
    char twin[256];
    snprintf(twin, sizeof twin,
             "permissions.d/a.conf:2: permissions[1].login: \"m@example.net\" has a row already: "
             "%s/conf:3",
             dir);
    refused(twin);
    write_file("permissions.d/a.conf", "permissions = ( { login = \"a\"; } );\n");
    write_file("permissions.d/b.conf", "\npermissions = ( { login = \"a\"; } );\n");
    refused("permissions.d/b.conf:2: permissions[0].login: \"a@example.net\" has a row already: ");
    write_file("permissions.d/b.conf", "permissions = (\n{ may_send_as = \"*\"; } );\n");
    refused("permissions.d/b.conf:2: permissions[0].login: is missing");
    write_file("permissions.d/b.conf", "permissions = { login = \"b\"; may_send_as = \"x\"; };\n");
    refused("permissions.d/b.conf:1: permissions[0].may_send_as: \"x\" is no pattern");
    write_file("permissions.d/b.conf", "permissions = { include = \"x\"; };\n");
    refused("permissions.d/b.conf:1: permissions[0].include: a file that is included includes");
    write_file("permissions.d/b.conf", "domains = [ \"x.example\" ];\n");
    refused("permissions.d/b.conf:1: domains: unknown key");
    write_file("permissions.d/b.conf", "permissions = (\n");
    refused("permissions.d/b.conf:1: permissions: the ( of this line is not closed");
    unlink(twin);
    snprintf(twin, sizeof twin, "%s/permissions.d/b.conf", dir);
    unlink(twin);
    assert_int_equal(mkdir(twin, 0700), 0);
    refused("permissions.d/b.conf: cannot read it: ");
}

static void addresses(void **state)
{
    (void)state;
    struct sv bytes;
    char key[128];
    write_file("conf", HEAD "permissions = ( { login = \"*\"; may_send_as = [ \"%u\", "
                            "\"file:@/aliases\" ];\nmay_send_to = \"file:@/aliases\"; } );\n");
    refused("conf:3: permissions[0].may_send_as[1]: ");
    write_file("aliases", "alice: sales@example.net\nbob sales@example.net\n");
    refused("aliases:2: \"bob sales@example.net\" has no colon; login: address, address");
    write_file("aliases", "alice: sales@example.net\n");
    struct generation *g = accepted();
    snprintf(key, sizeof key, "file:%s/aliases", dir);
    assert_true(generation_file(g, key, &bytes));
    assert_true(sv_eq(bytes, SV("alice: sales@example.net\n")));
    generation_set_file(g, key, SV("alice: x@example.net\n"));
    assert_true(generation_file(g, key, &bytes));
    assert_true(sv_eq(bytes, SV("alice: x@example.net\n")));
    generation_drop(g);
    /* named by a row of a folder */
    write_file("conf", HEAD "permissions = { include = \"permissions.d\"; };\n");
    write_file("permissions.d/a.conf",
               "permissions = { login = \"a\";\nmay_send_on_behalf_of = \"file:@/others\"; };\n");
    refused("permissions.d/a.conf:2: permissions[0].may_send_on_behalf_of[0]: ");
}

/* Ten thousand rows: read, checked and packed in under a second. */
static void many(void **state)
{
    (void)state;
    struct timespec start, end;
    struct buf text;
    write_file("conf", HEAD "permissions = { include = \"permissions.d\"; };\n");
    for (int f = 0; f < 10; f++) {
        char name[40];
        buf_init(&text, 1 << 20, 0);
        int err = buf_printf(&text, "permissions = (");
        for (int i = 0; i < 1000; i++)
            err |= buf_printf(&text,
                              "%s{ login = \"u%d\"; may_send_as = [ \"%%u\", \"x%d@example.org\", "
                              "\"@d%d.example\" ]; }",
                              i ? ",\n" : "\n", f * 1000 + i, i, f * 1000 + i);
        err |= buf_printf(&text, ");\n");
        assert_int_equal(err, 0);
        char *content = buf_take(&text, NULL);
        snprintf(name, sizeof name, "permissions.d/%d.conf", f);
        write_file(name, content);
        free(content);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    struct generation *g = accepted();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    double seconds =
        (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
    assert_int_equal(g->options.permissions.count, 10000);
    generation_drop(g);
    print_message("10000 rows of 10 files loaded in %.3f s\n", seconds);
#ifndef MSA_SANITIZED
    assert_true(seconds < 1);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(folders, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(faults, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(addresses, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(many, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

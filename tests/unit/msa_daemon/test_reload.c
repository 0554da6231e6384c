#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/daemon/reload.h"

#include <string.h>

static struct generation *make(uint32_t number, const char *text)
{
    struct generation *g = generation_new(number);
    struct conf_faults faults;
    conf_faults_init(&faults, &g->arena);
    if (!options_read("c", sv_of(text), "mail.example.net", &g->arena, &g->options, &faults,
                      NULL)) {
        struct buf out;
        buf_init(&out, 65536, 0);
        conf_faults_print(&faults, &out);
        fail_msg("%.*s", SV_ARG(buf_view(&out)));
    }
    return g;
}

struct told {
    char keys[512];
};

static void on_kept(void *arg, const char *key)
{
    struct told *t = arg;
    strcat(strcat(t->keys, key), " ");
}

#define COMMON                                                                                     \
    "domains = [ \"example.net\" ]; dns = { dnssec = \"off\"; }; tls = ( { certificate = \"/c\"; " \
    "key = \"/k\"; } );"

static struct generation *merge(const char *old, const char *new, struct told *t,
                                struct generation **current)
{
    struct buf error;
    *current = make(1, old);
    struct generation *fresh = make(2, new);
    generation_add_file(fresh, "tls[0].certificate", "/c", SV("new certificate"), false);
    generation_add_file(fresh, "tls[0].key", "/k", SV("new key"), true);
    *t = (struct told){""};
    buf_init(&error, 4096, 0);
    struct generation *g = reload_merge(*current, fresh, on_kept, t, &error);
    if (!g)
        print_error("%.*s\n", SV_ARG(buf_view(&error)));
    assert_non_null(g);
    buf_deinit(&error);
    return g;
}

static void what_may_change_changes(void **state)
{
    struct told t;
    struct generation *old;
    (void)state;
    struct generation *g = merge(COMMON, COMMON "limits = { message_size = \"7M\"; };", &t, &old);
    assert_string_equal(t.keys, "");
    assert_int_equal(g->options.limits.message_size_bytes, 7 << 20);
    assert_int_equal(g->number, 2);
    generation_drop(old); /* nothing of it is needed any more */
    assert_string_equal(g->options.hostname, "mail.example.net");
    struct sv bytes;
    assert_true(generation_file(g, "tls[0].certificate", &bytes));
    assert_true(sv_eq(bytes, SV("new certificate")));
    generation_drop(g);
}

static void what_may_not_is_kept_and_told(void **state)
{
    struct told t;
    struct generation *old;
    (void)state;
    struct generation *g =
        merge(COMMON "state = \"/a\"; workers = 2;",
              COMMON "state = \"/b\"; workers = 3; limits = { recipients = 5; };", &t, &old);
    generation_drop(old);
    assert_string_equal(g->options.state, "/a");
    assert_int_equal(g->options.workers, 2);
    assert_int_equal(g->options.limits.recipients, 5);
    assert_non_null(strstr(t.keys, "state "));
    assert_non_null(strstr(t.keys, "workers "));
    assert_null(strstr(t.keys, "recipients"));
    generation_drop(g);
}

static void listeners_are_kept(void **state)
{
    struct told t;
    struct generation *old;
    (void)state;
    struct generation *g =
        merge(COMMON "listen = ( { port = 587; }, { port = 465; tls = \"implicit\"; } );",
              COMMON "listen = ( { port = 25; } );", &t, &old);
    generation_drop(old);
    assert_int_equal(g->options.listen.count, 2);
    assert_int_equal(((struct msa_listen_options *)g->options.listen.items)[1].port, 465);
    assert_non_null(strstr(t.keys, "listen"));
    generation_drop(g);
}

/* The database stays what it is until the next start, so its files do, too. */
static void files_of_kept_options_are_kept(void **state)
{
#define SQL(path)                                                                              \
    COMMON                                                                                     \
    "auth = { database = \"sql\"; sql = { engine = \"pgsql\"; hostnames = \"db\"; tls = true;" \
    "user = \"u\"; database = \"d\"; select = \"SELECT %p FROM u WHERE name = '%u' AND "       \
    "realm = '%r'\"; " path "}; };"
    static const struct {
        const char *before, *after;
        const char *before_path, *after_path; /* NULL: no file */
        const char *want;                     /* contents; NULL: no file */
    } rows[] = {
        {SQL("ca = \"/ca\";"), SQL(""), "/ca", NULL, "old"},
        {SQL("ca = \"/ca\";"), COMMON, "/ca", NULL, "old"},
        {SQL("ca = \"/ca\";"), SQL("ca = \"/other\";"), "/ca", "/other", "old"},
        {SQL("ca = \"/ca\";"), SQL("ca = \"/ca\";"), "/ca", "/ca", "new"},
        {SQL(""), SQL("ca = \"/ca\";"), NULL, "/ca", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct generation *old = make(1, rows[i].before), *fresh = make(2, rows[i].after);
        struct told t = {""};
        struct buf error;
        struct sv bytes;
        if (rows[i].before_path)
            generation_add_file(old, "auth.sql.ca", rows[i].before_path, SV("old"), false);
        if (rows[i].after_path)
            generation_add_file(fresh, "auth.sql.ca", rows[i].after_path, SV("new"), false);
        generation_add_file(fresh, "tls[0].key", "/k", SV("new key"), true);
        buf_init(&error, 4096, 0);
        struct generation *g = reload_merge(old, fresh, on_kept, &t, &error);
        assert_non_null(g);
        buf_deinit(&error);
        generation_drop(old);
        assert_int_equal(generation_file(g, "auth.sql.ca", &bytes), rows[i].want != NULL);
        if (rows[i].want)
            assert_true(sv_eq(bytes, sv_of(rows[i].want)));
        assert_string_equal(g->options.auth.sql.ca, rows[i].before_path ? "/ca" : "");
        assert_true(generation_file(g, "tls[0].key", &bytes));
        generation_drop(g);
    }
#undef SQL
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_may_change_changes),
        cmocka_unit_test(what_may_not_is_kept_and_told),
        cmocka_unit_test(listeners_are_kept),
        cmocka_unit_test(files_of_kept_options_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/daemon/load.h"
#include "tests/unit/auth_tls/fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/test_load.XXXXXX";
static char config[64];

static void write_file(const char *name, const char *bytes, size_t len)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(config, sizeof config, "%s/conf", dir);
    struct cert cert = ec_cert("DNS:mail.example.net", NULL);
    struct cert other = ec_cert("DNS:mail.example.net", NULL);
    write_file("cert", cert.pem, strlen(cert.pem));
    write_file("key", cert.key_pem, strlen(cert.key_pem));
    write_file("other", other.key_pem, strlen(other.key_pem));
    free_cert(&cert);
    free_cert(&other);
    return 0;
}

static int teardown(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

#define HEAD "hostname = \"mail.example.net\"; domains = [ \"example.net\" ];\n"
#define DNS  "dns = { dnssec = \"off\"; };\n"

/* @ stands for the folder. */
static const struct row {
    const char *text, *fault; /* NULL: none */
} rows[] = {
    {HEAD DNS "tls = ( { certificate = \"@/cert\"; key = \"@/key\"; } );\n", NULL},
    {HEAD DNS "tls = ( { certificate = \"@/cert\"; key = \"@/none\"; } );\n",
     ":3: tls[0].key: cannot read "},
    {HEAD DNS "tls = ( { certificate = \"@\"; key = \"@/key\"; } );\n",
     ":3: tls[0].certificate: cannot read "},
    {HEAD DNS "tls = ( { certificate = \"@/cert\"; key = \"@/other\"; } );\n",
     ":3: tls[0].certificate: "},
    {HEAD DNS "tls = ( { certificate = \"@/key\"; key = \"@/key\"; } );\n",
     ":3: tls[0].certificate: "},
    {HEAD DNS "nonsense = 1; tls = ( { certificate = \"@/cert\"; key = \"@/key\"; } );\n",
     ":3: nonsense: "},
    {HEAD DNS "tls = ( { certificate = \"@/large\"; key = \"@/key\"; },\n"
              "{ certificate = \"@/large\"; key = \"@/large\"; },\n"
              "{ certificate = \"@/large\"; key = \"@/key\"; } );\n",
     ": too large: "},
};

static void write_config(const char *text)
{
    struct buf b;
    buf_init(&b, 4096, 0);
    for (; *text; text++) {
        int err = *text == '@' ? buf_put(&b, sv_of(dir)) : buf_append(&b, text, 1);
        assert_int_equal(err, 0);
    }
    write_file("conf", buf_view(&b).ptr, buf_len(&b));
    buf_deinit(&b);
}

static struct generation *load(const char *path, struct buf *said)
{
    struct arena arena;
    struct conf_faults faults;
    arena_init(&arena);
    buf_init(said, 65536, 0);
    struct generation *g = load_generation(path, 5, &arena, &faults);
    conf_faults_print(&faults, said);
    arena_deinit(&arena);
    return g;
}

static void configurations(void **state)
{
    const size_t large = 4000000;
    struct buf said;
    (void)state;
    char *bytes = calloc(1, large);
    write_file("large", bytes, large);
    free(bytes);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        write_config(rows[i].text);
        struct generation *g = load(config, &said);
        struct sv words = buf_view(&said);
        bool good = rows[i].fault
                        ? !g && memmem(words.ptr, words.len, rows[i].fault, strlen(rows[i].fault))
                        : g != NULL;
        if (!good)
            print_error("row %zu: %.*s\n", i, SV_ARG(words));
        assert_true(good);
        generation_drop(g);
        buf_deinit(&said);
    }
    generation_drop(load("/nonexistent/conf", &said));
    struct sv words = buf_view(&said);
    assert_non_null(memmem(words.ptr, words.len, "cannot read it", 14));
    buf_deinit(&said);
}

/* The children cannot read these themselves. */
static void what_comes_along(void **state)
{
    struct buf said;
    struct sv bytes;
    (void)state;
    write_config(rows[0].text);
    struct generation *g = load(config, &said);
    assert_non_null(g);
    assert_int_equal(g->number, 5);
    assert_true(generation_file(g, "tls[0].certificate", &bytes));
    assert_true(sv_starts(bytes, SV("-----BEGIN CERTIFICATE-----")));
    assert_true(generation_file(g, "tls[0].key", &bytes));
    assert_true(generation_file(g, GENERATION_RESOLV_CONF, &bytes));
    assert_true(generation_file(g, GENERATION_OWN_ADDRESSES, &bytes));
    assert_true(generation_file(g, GENERATION_TOTAL_MEMORY, &bytes));
    assert_true(bytes.len >= 8);                                    /* tens of megabytes at least */
    assert_false(generation_file(g, GENERATION_CA_BUNDLE, &bytes)); /* no route verifies */
    for (size_t i = 0; i < g->nfiles; i++)
        assert_int_equal(g->files[i].secret, strcmp(g->files[i].key, "tls[0].key") == 0);
    generation_drop(g);
    buf_deinit(&said);
}

static void files(void **state)
{
    char path[128];
    struct buf out;
    (void)state;
    buf_init(&out, 8, 0);
    snprintf(path, sizeof path, "%s/f", dir);
    assert_int_equal(load_file(path, &out), -ENOENT);
    assert_int_equal(load_file(dir, &out), -EISDIR);
    write_file("f", "12345678", 8);
    assert_int_equal(load_file(path, &out), 0);
    assert_true(sv_eq(buf_view(&out), SV("12345678")));
    buf_reset(&out);
    write_file("f", "123456789", 9);
    assert_int_equal(load_file(path, &out), ERR_FULL);
    /* a pipe that nobody writes does not stop the master */
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    buf_reset(&out);
    assert_int_equal(load_file(path, &out), 0);
    assert_int_equal(buf_len(&out), 0);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configurations),
        cmocka_unit_test(what_comes_along),
        cmocka_unit_test(files),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/daemon/load.h"
#include "tests/unit/auth_tls/fixture.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
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

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void write_dkim_key(const char *name, EVP_PKEY *key)
{
    char *at;
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    long len = BIO_get_mem_data(bio, &at);
    write_file(name, at, (size_t)len);
    assert_int_equal(chmod(path_of(name), 0600), 0);
    BIO_free(bio);
    EVP_PKEY_free(key);
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
    write_dkim_key("rsa", EVP_RSA_gen(2048));
    write_dkim_key("weak", EVP_RSA_gen(1024));
    write_dkim_key("weaker", EVP_RSA_gen(768));
    write_dkim_key("ed", EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
    write_dkim_key("seen", EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
    write_file("nokey", "no key", 6);
    assert_int_equal(chmod(path_of("seen"), 0644), 0);
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

#define DKIM(name, more)                                                                          \
    HEAD DNS "tls = ( { certificate = \"@/cert\"; key = \"@/key\"; } );\n"                        \
             "rewrite = { dkim = ( { domain = \"example.net\"; selector = \"s\"; key = \"@/" name \
             "\"; " more " } ); };\n"

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
    /* all faults at once, those of files beside those of values */
    {HEAD DNS "nonsense = 1; tls = ( { certificate = \"@/cert\"; key = \"@/none\"; } );\n",
     ":3: tls[0].key: cannot read "},
    {HEAD DNS "nonsense = 1; tls = ( { certificate = \"@/cert\"; key = \"@/other\"; } );\n",
     ":3: tls[0].certificate: "},
    {DKIM("rsa", ""), NULL},
    {DKIM("ed", "from = \"2999-01-01\";"), NULL},
    {DKIM("none", ""), ":4: rewrite.dkim[0].key: cannot read "},
    {DKIM("nokey", ""), ":4: rewrite.dkim[0].key: no PEM private key (BEGIN PRIVATE KEY) is in the "
                        "file; a private key that \"msactl dkim new\" has made"},
    {DKIM("key", ""), ":4: rewrite.dkim[0].key: a key of kind id-ecPublicKey; DKIM is signed with "
                      "RSA or Ed25519; "},
    {DKIM("cert", ""), ":4: rewrite.dkim[0].key: no PEM private key"},
    {DKIM("weaker", ""), ":4: rewrite.dkim[0].key: an RSA key of 768 bits; for DKIM it must have "
                         "1024 to 8192; "},
    {DKIM("seen", ""), "/seen; chmod 600, and a new key if it was seen"},
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

static void dkim_keys_are_told(void **state)
{
    static const struct {
        const char *text, *warning; /* NULL: none */
    } cases[] = {
        {DKIM("ed", "require = true;"), NULL},
        {DKIM("weak", ""), ":4: rewrite.dkim[0].key: warning: an RSA key of 1024 bits is weak; "},
        {DKIM("ed", "require = true; from = \"2999-01-01\";"),
         ":4: rewrite.dkim[0].require: warning: no row of example.net is in force until "
         "2999-01-01: "
         "its mail is refused until then, unless a domain above signs; "},
    };
    struct buf said;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sv told, bytes;
        write_config(cases[i].text);
        struct generation *g = load(config, &said);
        assert_non_null(g);
        struct sv words = buf_view(&said);
        if (cases[i].warning
                ? !memmem(words.ptr, words.len, cases[i].warning, strlen(cases[i].warning))
                : words.len > 0)
            fail_msg("row %zu: %.*s", i, SV_ARG(words));
        assert_true(generation_file(g, GENERATION_DKIM_KEYS, &told));
        assert_true(sv_starts(told, i == 1 ? SV("0 rsa 1024 ") : SV("0 ed25519 256 ")));
        assert_int_equal(sv_find(told, '\n'), told.len - 1);
        /* the private half stays with the keeper */
        assert_null(memmem(told.ptr, told.len, "PRIVATE", 7));
        assert_true(generation_file(g, "rewrite.dkim[0].key", &bytes));
        for (size_t k = 0; k < g->nfiles; k++)
            assert_int_equal(g->files[k].secret,
                             strcmp(g->files[k].key, "tls[0].key") == 0 ||
                                 strcmp(g->files[k].key, "rewrite.dkim[0].key") == 0);
        generation_drop(g);
        buf_deinit(&said);
    }
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
    assert_true(bytes.len >= 8);                                   /* tens of megabytes at least */
    assert_true(generation_file(g, GENERATION_CA_BUNDLE, &bytes)); /* for MTA-STS */
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
        cmocka_unit_test(dkim_keys_are_told),
        cmocka_unit_test(files),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

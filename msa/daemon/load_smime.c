#include "msa/daemon/load_smime.h"

#include "auth/directory.h"
#include "auth/tls/pem.h"
#include "msa/daemon/load.h"
#include "msa/daemon/load_key.h"
#include "msa/daemon/load_permissions.h"
#include "msa/server/smime.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SUFFIX ".pem"

struct loading {
    struct generation *g;
    const struct conf_source *src;
    struct conf_faults *faults;
};

/* ---- certificates of recipients ---- */

static void add_file(struct loading *l, const char *key, const char *path, struct sv address)
{
    struct arena *a = &l->g->arena;
    struct buf bytes;
    buf_init(&bytes, LOAD_FILE_MAX_BYTES, 0);
    int err = load_file(path, &bytes);
    if (err == 0)
        generation_add_file(l->g,
                            arena_printf(a, "%s%.*s", GENERATION_CERTIFICATE, SV_ARG(address)),
                            path, buf_view(&bytes), false);
    else
        conf_fault_at(l->faults, l->src, false, key, "files that the user who starts msad can read",
                      "cannot read %s: %s", path, err_text(err));
    buf_deinit(&bytes);
}

static int is_certificate(const struct dirent *e)
{
    struct sv name = sv_of(e->d_name);
    return name.len > strlen(SUFFIX) && name.ptr[0] != '.' && sv_iends(name, SV(SUFFIX));
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void add_entry(struct loading *l, const char *key, const char *folder, const char *name)
{
    struct sv address = sv_first(sv_of(name), strlen(name) - strlen(SUFFIX));
    char text[SMTP_PATH_MAX];
    const char *path = arena_printf(&l->g->arena, "%s/%s", folder, name);
    if (rewrite_smime_key(address, text).len)
        add_file(l, key, path, address);
    else
        conf_fault_at(l->faults, l->src, true, key, "bob@example.org.pem",
                      "%s is not named by an address, and never used", path);
}

static void add_folder(struct loading *l, const char *key, const char *folder)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, is_certificate, by_name);
    if (count < 0) {
        conf_fault_at(l->faults, l->src, false, key,
                      "a folder that the user who starts msad can read", "cannot read %s: %s",
                      folder, err_text(-errno));
        return;
    }
    for (int i = 0; i < count; i++) {
        add_entry(l, key, folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

/* The keeper asks it when there is mail. */
static void check_directory(struct loading *l, const char *key, const char *url)
{
    const struct rewrite_options *o = &l->g->options.rewrite;
    const char *right;
    const char *wrong = auth_directory_fault(sv_of(url), &right);
    if (wrong)
        conf_fault_at(l->faults, l->src, false, key, right, "%s: %s", url, wrong);
    else if (auth_directory_is_open(sv_of(url)) && *o->directory.user)
        conf_fault_at(l->faults, l->src, false, key, "ldaps",
                      "%s: the password of rewrite.directory.user would be sent in clear text",
                      url);
    else if (auth_directory_is_open(sv_of(url)) && !*o->certificate_ca)
        conf_fault_at(l->faults, l->src, true, key, "ldaps, or rewrite.certificate_ca beside it",
                      "%s: whoever is on the way can answer with a certificate of his own", url);
}

static void check_directories(struct loading *l, size_t count)
{
    const struct rewrite_directory_options *o = &l->g->options.rewrite.directory;
    if (count > AUTH_DIRECTORY_MAX)
        conf_fault_at(l->faults, l->src, false, "rewrite.certificates", "fewer",
                      "more than %u directories", AUTH_DIRECTORY_MAX);
    if (!*o->user != !*o->password_file)
        conf_fault_at(l->faults, l->src, false, "rewrite.directory", "both, or neither",
                      "user and password_file belong together");
}

static void add_certificates(struct loading *l)
{
    size_t directories = 0;
    const struct conf_strings *paths = &l->g->options.rewrite.certificates;
    for (size_t i = 0; i < paths->count; i++) {
        char key[64];
        struct stat st;
        snprintf(key, sizeof key, "rewrite.certificates[%zu]", i);
        if (auth_directory_is(sv_of(paths->items[i]))) {
            directories++;
            check_directory(l, key, paths->items[i]);
        } else if (stat(paths->items[i], &st) == 0 && S_ISDIR(st.st_mode)) {
            add_folder(l, key, paths->items[i]);
        } else {
            add_file(l, key, paths->items[i], SV_NONE);
        }
    }
    check_directories(l, directories);
}

/* ---- signers ---- */

static void check_signer(struct loading *l, size_t row)
{
    const struct rewrite_smime_options *o =
        CONF_ITEM(l->g->options.rewrite.smime, row, struct rewrite_smime_options);
    char key[64];
    struct sv chain, pem;
    struct buf why;
    snprintf(key, sizeof key, "rewrite.smime[%zu].key", row);
    if (!generation_file(l->g, key, &pem) ||
        !generation_file_at(l->g, &chain, "rewrite.smime[%zu].certificate", row))
        return; /* said already */
    load_key_mode(key, o->key, l->src, l->faults);
    if (load_key_is_tls(l->g, pem) || load_key_is_dkim(l->g, pem))
        conf_fault_at(l->faults, l->src, false, key, "a key of its own",
                      "it is the key of an entry of tls or rewrite.dkim");
    buf_init(&why, 1024, 0);
    if (tls_pem_check(chain, pem, &why) < 0)
        conf_fault_at(l->faults, l->src, false, key,
                      "the key of the certificate, PEM, without passphrase", "%.*s",
                      SV_ARG(buf_view(&why)));
    buf_deinit(&why);
}

static void on_fault(void *arg, bool warning, const char *key, const char *right, const char *wrong)
{
    struct loading *l = arg;
    conf_fault_at(l->faults, l->src, warning, key, right, "%s", wrong);
}

void load_smime(struct generation *g, const struct conf_source *src, struct conf_faults *faults,
                int64_t now_s)
{
    struct loading l = {.g = g, .src = src, .faults = faults};
    add_certificates(&l);
    rewrite_smime_drop(smime_set(g, now_s, on_fault, &l));
    for (size_t i = 0; i < g->options.rewrite.smime.count; i++)
        check_signer(&l, i);
}

#include "msa/ctl/dkim.h"
#include "auth/dkim_key.h"
#include "msa/base/require.h"
#include "msa/ctl/codes.h"
#include "msa/ctl/state.h"
#include "msa/smtp/path.h"
#include "rewrite/dkim_record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEM_MAX        16384
#define RECORD_MAX     4096
#define NAME_MAX_BYTES 253

/* Selectors are records of one key each, so the second key has a selector of its own. */
static const struct {
    const char *kind, *suffix;
} made[] = {{AUTH_DKIM_KIND_RSA, ""}, {AUTH_DKIM_KIND_ED, "-ed25519"}};
#define MADE 2

struct new_key {
    char selector[256];
    char path[4096];
    struct auth_dkim_key key;
    char record[RECORD_MAX];
};

static int refuse(const char *fmt, ...) PRINTF_LIKE(1, 2);

static int refuse(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "msactl: ");
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "\n");
    va_end(args);
    return CTL_REFUSED;
}

static void lower(char *text)
{
    for (; *text; text++)
        *text = ascii_lower(*text);
}

/* ---- files ---- */

static int sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int err = fd < 0 || fsync(fd) < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    return err;
}

/* False, and said why: in a folder that others may write, or that is a link, a key may be
 * exchanged.
 */
static bool make_folder(const char *path)
{
    struct stat st;
    if ((mkdir(path, 0700) < 0 && errno != EEXIST) || lstat(path, &st) < 0) {
        refuse("cannot make %s: %s", path, strerror(errno));
        return false;
    }
    if (S_ISDIR(st.st_mode) && !(st.st_mode & (S_IWGRP | S_IWOTH)))
        return true;
    refuse("%s must be a folder that only its owner can write", path);
    return false;
}

/* A new file that only its owner can read. */
static int write_file(const char *path, struct sv bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int err = 0;
    while (bytes.len && err == 0) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);
        if (n < 0 && errno != EINTR)
            err = -errno;
        else if (n > 0)
            bytes = sv_skip(bytes, (size_t)n);
    }
    if (err == 0 && fsync(fd) < 0)
        err = -errno;
    if (close(fd) < 0 && err == 0)
        err = -errno;
    if (err < 0)
        unlink(path);
    return err;
}

static int make_key(struct new_key *k, const char *kind)
{
    struct buf pem, why, record;
    enum rewrite_dkim_algorithm algorithm = REWRITE_DKIM_RSA;
    buf_init(&pem, PEM_MAX, BUF_SECRET);
    buf_init(&why, 512, 0);
    buf_init(&record, RECORD_MAX - 1, 0);
    int err = auth_dkim_key_make(kind, &pem);
    if (err == 0)
        err = auth_dkim_key_read(buf_view(&pem), &k->key, &why);
    if (err == 0)
        err = write_file(k->path, buf_view(&pem));
    if (err == 0) {
        REQUIRE(rewrite_dkim_algorithm_of(sv_of(kind), &algorithm));
        REQUIRE(rewrite_dkim_record_write(&record, algorithm, sv_of(k->key.public_half)) == 0);
        snprintf(k->record, sizeof k->record, "%.*s", SV_ARG(buf_view(&record)));
    }
    buf_deinit(&pem);
    buf_deinit(&why);
    buf_deinit(&record);
    return err;
}

/* Both, or none. */
static int make_keys(struct new_key *keys, const char *folder)
{
    for (size_t i = 0; i < MADE; i++)
        if (access(keys[i].path, F_OK) == 0)
            return refuse("%s exists already; another selector makes another key", keys[i].path);
    size_t done = 0;
    int err = 0;
    while (err == 0 && done < MADE) {
        err = make_key(&keys[done], made[done].kind);
        done += err == 0;
    }
    const char *path = done < MADE ? keys[done].path : folder;
    if (err == 0)
        err = sync_folder(folder);
    if (err == 0)
        return CTL_DONE;
    while (done > 0)
        unlink(keys[--done].path);
    return refuse("cannot write %s: %s", path, err_text(err));
}

/* ---- what is printed ---- */

/* The strings of a record, each in quotes, as a zone file has them. */
static void put_strings(const char *record)
{
    struct sv rest = sv_of(record);
    bool several = rest.len > REWRITE_DKIM_STRING_MAX;
    printf("%s", several ? "(" : "");
    while (rest.len) {
        printf("%s\"%.*s\"", several ? "\n    " : "",
               SV_ARG(sv_first(rest, REWRITE_DKIM_STRING_MAX)));
        rest = sv_skip(rest, REWRITE_DKIM_STRING_MAX);
    }
    printf("%s\n", several ? " )" : "");
}

static bool has_rows(const struct msa_options *o, const char *domain)
{
    for (size_t i = 0; i < o->rewrite.dkim.count; i++)
        if (strcmp(CONF_ITEM(o->rewrite.dkim, i, struct rewrite_dkim_options)->domain, domain) == 0)
            return true;
    return false;
}

static void put_rows(const struct new_key *keys, const char *domain)
{
    printf("rewrite = { dkim = (\n");
    for (size_t i = 0; i < MADE; i++)
        printf("    { domain = \"%s\"; selector = \"%s\";\n      key = \"%s\"; }%s\n", domain,
               keys[i].selector, keys[i].path, i + 1 < MADE ? "," : "");
    printf("); };\n");
}

static void put_text(const struct msa_options *o, const struct new_key *keys, const char *domain)
{
    printf("Made, for root only to read:\n\n");
    for (size_t i = 0; i < MADE; i++)
        printf("    %s  (%s, %d bits)\n", keys[i].path, keys[i].key.kind, keys[i].key.bits);
    printf("\n1. Publish these records in the zone of %s:\n\n", domain);
    for (size_t i = 0; i < MADE; i++) {
        printf("%s._domainkey.%s. IN TXT ", keys[i].selector, domain);
        put_strings(keys[i].record);
    }
    printf("\n2. When they are there, put these rows into the configuration:\n\n");
    put_rows(keys, domain);
    if (has_rows(o, domain))
        printf("\n   They go beside the rows that are there. With from = \"2026-01-31\"; the new "
               "selectors\n   take over at that date, in UTC; the old rows may go a week later.\n");
    printf("\n3. \"msactl reload\", then \"msactl dkim list\" compares the keys with the DNS.\n");
}

static void put_json(const struct new_key *k, const char *domain)
{
    json_t *strings = json_array();
    json_t *name = json_sprintf("%s._domainkey.%s", k->selector, domain);
    for (struct sv rest = sv_of(k->record); rest.len; rest = sv_skip(rest, REWRITE_DKIM_STRING_MAX))
        json_array_append_new(strings,
                              json_stringn(rest.ptr, sv_first(rest, REWRITE_DKIM_STRING_MAX).len));
    json_t *line = json_pack("{s:s, s:s, s:s, s:i, s:s, s:o, s:s, s:o}", "domain", domain,
                             "selector", k->selector, "algorithm", k->key.kind, "bits", k->key.bits,
                             "key", k->path, "name", name, "record", k->record, "strings", strings);
    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(line);
}

/* ---- */

/* False: said why. */
static bool name_keys(struct new_key *keys, const char *folder, const char *domain,
                      const char *selector)
{
    for (size_t i = 0; i < MADE; i++) {
        struct new_key *k = &keys[i];
        int n = snprintf(k->selector, sizeof k->selector, "%s%s", selector, made[i].suffix);
        lower(k->selector);
        if (n >= (int)sizeof k->selector || !rewrite_dkim_options_selector(sv_of(k->selector)) ||
            (size_t)n + strlen("._domainkey.") + strlen(domain) > NAME_MAX_BYTES) {
            refuse("\"%s\" is no selector: letters, digits and hyphens, such as \"s2026\"",
                   selector);
            return false;
        }
        n = snprintf(k->path, sizeof k->path, "%s/%s.%s.pem", folder, domain, k->selector);
        if (n >= (int)sizeof k->path) {
            refuse("state: the path is too long");
            return false;
        }
    }
    return true;
}

int dkim_new(const struct msa_options *o, const char *domain, const char *selector, bool json)
{
    struct new_key keys[MADE] = {{.selector = ""}};
    char folder[2048], name[SMTP_DOMAIN_MAX + 1];
    snprintf(name, sizeof name, "%s", domain);
    lower(name);
    if (strlen(domain) >= sizeof name || !smtp_domain_valid(sv_of(name)) || !strchr(name, '.'))
        return refuse("\"%s\" is no fully qualified domain (international names as xn--...)",
                      domain);
    if (snprintf(folder, sizeof folder, "%s/dkim", o->state) >= (int)sizeof folder)
        return refuse("state: the path is too long");
    if (!name_keys(keys, folder, name, selector) || !state_make(o) || !make_folder(folder))
        return CTL_REFUSED;
    int code = make_keys(keys, folder);
    if (code != CTL_DONE)
        return code;
    for (size_t i = 0; i < MADE && json; i++)
        put_json(&keys[i], name);
    if (!json)
        put_text(o, keys, name);
    return CTL_DONE;
}

void show_dkim(struct show *s, json_t *line)
{
    const char *domain, *selector, *algorithm, *from, *dns, *why;
    json_int_t bits;
    int signs;
    if (json_unpack(line, "{s:s, s:s, s:s, s:I, s:s, s:b, s:s, s:s}", "domain", &domain, "selector",
                    &selector, "algorithm", &algorithm, "bits", &bits, "from", &from, "signs",
                    &signs, "dns", &dns, "why", &why) < 0)
        return;
    if (s->lines == 0)
        printf("%-24s %-20s %-8s %5s %-20s %-5s %s\n", "DOMAIN", "SELECTOR", "KIND", "BITS", "FROM",
               "SIGNS", "DNS");
    printf("%-24s %-20s %-8s %5d %-20s %-5s %s%s%s%s\n", domain, selector, algorithm, (int)bits,
           *from ? from : "-", signs ? "yes" : "no", dns, *why ? " (" : "", why, *why ? ")" : "");
}

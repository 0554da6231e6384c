/*
 * directory.c - one question is one request of libcurl's, on the thread that asks.
 *
 * libcurl gives an answer as text: a line "DN: ..." for each entry, then "\tATTRIBUTE: VALUE" for
 * each value, with two colons where the value is in base64, which it is for ";binary".
 */
#include "auth/directory.h"

#include "auth/fetch.h"
#include "msa/base/arena.h"
#include "msa/base/b64.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/pack.h"
#include "msa/base/require.h"
#include "msa/base/throttle.h"
#include "msa/loop/clock.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define CONNECT_MAX_MS 2000L
#define TEXT_MAX       (256u << 10) /* bytes of an answer as libcurl writes it */
#define URL_MAX        4096
#define PLACE          "%s"
#define RIGHT          "\"ldaps://HOST/BASE?userCertificate;binary?sub?(mail=%s)\""

struct kept {
    char *address;
    char *answer; /* NULL: none */
    size_t len;
    uint64_t until_ms;
    UT_hash_handle hh;
};

struct auth_directory {
    struct arena arena;
    const char *urls[AUTH_DIRECTORY_MAX];
    size_t count;
    struct sv ca, password; /* password: with a NUL behind it */
    const char *user;
    pthread_mutex_t lock;
    /* under the lock */
    struct kept *kept;
    uint64_t silent_until_ms[AUTH_DIRECTORY_MAX];
};

/* ---- URLs ---- */

bool auth_directory_is(struct sv value)
{
    return sv_istarts(value, SV("ldap://")) || sv_istarts(value, SV("ldaps://"));
}

/* With a port, and what else stands there. */
static struct sv authority_of(struct sv url)
{
    struct sv rest = sv_skip(url, sv_find(url, '/') + 2);
    struct sv authority = sv_first(rest, sv_find(rest, '/'));

    return sv_first(authority, sv_find(authority, '?'));
}

static struct sv host_of(struct sv url)
{
    struct sv host = authority_of(url);

    if (sv_starts(host, SV("[")))
        return sv_first(host, sv_find(host, ']') + 1);
    return sv_first(host, sv_find(host, ':'));
}

bool auth_directory_is_open(struct sv url)
{
    struct sv host = host_of(url);

    return sv_istarts(url, SV("ldap://")) && !sv_ieq(host, SV("localhost")) &&
           !sv_eq(host, SV("127.0.0.1")) && !sv_eq(host, SV("[::1]"));
}

static size_t places_in(struct sv text)
{
    size_t n = 0;

    for (; text.len > 0; text = sv_skip(text, 1))
        n += sv_starts(text, SV(PLACE));
    return n;
}

const char *auth_directory_fault(struct sv url, const char **right_out)
{
    struct sv rest = url;

    *right_out = RIGHT;
    if (url.len > URL_MAX / 2)
        return "it is too long";
    for (size_t i = 0; i < url.len; i++)
        if ((unsigned char)url.ptr[i] <= 32 || (unsigned char)url.ptr[i] > 126)
            return "it has characters that a URL has not";
    if (host_of(url).len == 0)
        return "it names no host";
    if (sv_find(authority_of(url), '@') < authority_of(url).len) {
        *right_out = "rewrite.directory.user and password_file";
        return "it has a user in it";
    }
    for (unsigned i = 0; i < 3; i++) {
        struct sv part = sv_split(&rest, '?');

        if (places_in(part) > 0)
            return "its %s does not stand in the filter";
    }
    if (places_in(rest) != 1)
        return "its filter, behind the third question mark, does not have %s once";
    return NULL;
}

/* RFC 4515 3: an octet that is not plainly a character of an address is written as \HH, and the
 * backslash as a URL has it. */
static int put_address(struct buf *out, struct sv address)
{
    int err = 0;

    for (size_t i = 0; i < address.len && err == 0; i++) {
        char c = address.ptr[i];
        bool plain = ascii_alpha(c) || ascii_digit(c) || memchr("-._~@", c, 5) != NULL;

        err = plain ? buf_append(out, &c, 1) : buf_printf(out, "%%5C%02x", (unsigned char)c);
    }
    return err;
}

int auth_directory_url(struct buf *out, struct sv url, struct sv address)
{
    int err = 0;

    while (url.len > 0 && err == 0) {
        bool here = sv_starts(url, SV(PLACE));

        err = here ? put_address(out, address) : buf_append(out, url.ptr, 1);
        url = sv_skip(url, here ? strlen(PLACE) : 1);
    }
    return err;
}

/* ---- asking ---- */

struct body {
    struct buf text;
    bool is_full;
};

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct body *b = arg;

    b->is_full = buf_append(&b->text, bytes, size * count) < 0;
    return b->is_full ? 0 : size * count;
}

static void set_options(CURL *c, const struct auth_directory *d, const char *url, struct body *b)
{
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "ldap,ldaps");
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MAX_MS);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)AUTH_DIRECTORY_MAX_MS);
    curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, b);
    if (d->ca.len > 0) {
        struct curl_blob ca = {(void *)(uintptr_t)d->ca.ptr, d->ca.len, CURL_BLOB_COPY};

        curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &ca);
    }
    if (*d->user != '\0') {
        curl_easy_setopt(c, CURLOPT_USERNAME, d->user);
        curl_easy_setopt(c, CURLOPT_PASSWORD, d->password.ptr);
    }
}

static void log_fault(const char *url, const char *words)
{
    static _Atomic uint64_t next_ms;

    if (throttle_passes(&next_ms, clock_mono_ms()))
        log_event(LOG_ERROR, "directory", NULL, "rewrite.certificates: %s: %s", url, words);
}

size_t auth_directory_read(struct sv text, struct buf *out)
{
    size_t count = 0, len_bytes = sizeof(uint32_t);

    while (text.len > 0) {
        struct sv line = sv_split(&text, '\n');
        size_t at = sv_find(line, ':');
        struct buf der;

        if (!sv_starts(line, SV("\t")) || !sv_starts(sv_skip(line, at), SV(":: ")))
            continue;
        buf_init(&der, AUTH_DIRECTORY_BYTES, 0);
        if (b64_decode(&der, sv_skip(line, at + 3)) == 0 && buf_len(&der) > 0 &&
            buf_len(out) + len_bytes + buf_len(&der) <= AUTH_DIRECTORY_BYTES) {
            pack_sv(out, buf_view(&der));
            count++;
        }
        buf_deinit(&der);
    }
    return count;
}

/* As auth_directory_find(), of one. */
static int ask(const struct auth_directory *d, size_t i, struct sv address, struct buf *out)
{
    char words[CURL_ERROR_SIZE] = "";
    CURLcode code = CURLE_FAILED_INIT;
    struct body b = {.is_full = false};
    CURL *c = curl_easy_init();
    struct buf url;
    int found = ERR_NOT_FOUND;

    buf_init(&url, URL_MAX + 5 * AUTH_DIRECTORY_ADDRESS_MAX, 0);
    buf_init(&b.text, TEXT_MAX, 0);
    REQUIRE(auth_directory_url(&url, sv_of(d->urls[i]), address) == 0 &&
            buf_append(&url, "", 1) == 0);
    if (c != NULL) {
        set_options(c, d, buf_view(&url).ptr, &b);
        curl_easy_setopt(c, CURLOPT_ERRORBUFFER, words);
        code = curl_easy_perform(c);
        curl_easy_cleanup(c);
    }
    if (code == CURLE_OK)
        found = auth_directory_read(buf_view(&b.text), out) > 0;
    else
        log_fault(d->urls[i], b.is_full ? "the answer is too long"
                              : code == CURLE_OPERATION_TIMEDOUT
                                  ? "no answer in time"
                                  : (*words ? words : curl_easy_strerror(code)));
    buf_deinit(&url);
    buf_deinit(&b.text);
    return found;
}

/* ---- what is kept ---- */

static struct kept *find_kept(struct auth_directory *d, struct sv address)
{
    struct kept *k;

    HASH_FIND(hh, d->kept, address.ptr, address.len, k);
    return k != NULL && k->until_ms > clock_mono_ms() ? k : NULL;
}

static void forget(struct auth_directory *d, struct kept *k)
{
    HASH_DEL(d->kept, k);
    free(k->address);
    free(k->answer);
    free(k);
}

/* The oldest are in front: two ages of answers may stand side by side, which only costs a question.
 */
static void keep(struct auth_directory *d, struct sv address, struct sv answer)
{
    struct kept *k;

    HASH_FIND(hh, d->kept, address.ptr, address.len, k);
    if (k != NULL)
        forget(d, k);
    if (HASH_COUNT(d->kept) >= AUTH_DIRECTORY_KEPT_MAX)
        forget(d, d->kept);
    k = NEW(struct kept);
    k->address = sv_dup(address);
    k->answer = answer.len > 0 ? mem_dup(answer.ptr, answer.len) : NULL;
    k->len = answer.len;
    k->until_ms =
        clock_mono_ms() + (answer.len > 0 ? AUTH_DIRECTORY_FOUND_MS : AUTH_DIRECTORY_NONE_MS);
    HASH_ADD_KEYPTR(hh, d->kept, k->address, address.len, k);
}

bool auth_directory_kept(struct auth_directory *d, struct sv address)
{
    bool is;

    pthread_mutex_lock(&d->lock);
    is = find_kept(d, address) != NULL;
    pthread_mutex_unlock(&d->lock);
    return is;
}

/* True: answered out of what is kept. */
static bool recall(struct auth_directory *d, struct sv address, struct buf *out, int *found)
{
    struct kept *k;

    pthread_mutex_lock(&d->lock);
    k = find_kept(d, address);
    if (k != NULL) {
        *found = k->len > 0;
        if (k->len > 0 && buf_append(out, k->answer, k->len) < 0)
            *found = ERR_FULL;
    }
    pthread_mutex_unlock(&d->lock);
    return k != NULL;
}

/* Whoever has been silent just now keeps nobody waiting. */
static bool is_silent(struct auth_directory *d, size_t i)
{
    bool is;

    pthread_mutex_lock(&d->lock);
    is = d->silent_until_ms[i] > clock_mono_ms();
    pthread_mutex_unlock(&d->lock);
    return is;
}

static void note_silence(struct auth_directory *d, size_t i)
{
    pthread_mutex_lock(&d->lock);
    d->silent_until_ms[i] = clock_mono_ms() + AUTH_DIRECTORY_AGAIN_MS;
    pthread_mutex_unlock(&d->lock);
}

int auth_directory_find(struct auth_directory *d, struct sv address, struct buf *out)
{
    int found = 0, err = 0;

    if (address.len == 0 || address.len > AUTH_DIRECTORY_ADDRESS_MAX)
        return 0;
    if (recall(d, address, out, &found))
        return found;
    for (size_t i = 0; i < d->count && found <= 0; i++) {
        bool silent = is_silent(d, i);

        found = silent ? ERR_TIMEOUT : ask(d, i, address, out);
        if (found < 0)
            err = found;
        if (found < 0 && !silent)
            note_silence(d, i);
    }
    if (found <= 0 && err < 0)
        return err;
    pthread_mutex_lock(&d->lock);
    keep(d, address, found > 0 ? buf_view(out) : SV_NONE);
    pthread_mutex_unlock(&d->lock);
    return found > 0;
}

/* ---- life ---- */

struct auth_directory *auth_directory_new(const struct auth_directory_config *c)
{
    struct auth_directory *d;

    if (c->count == 0)
        return NULL;
    d = NEW(struct auth_directory);
    arena_init(&d->arena);
    REQUIRE(pthread_mutex_init(&d->lock, NULL) == 0);
    for (size_t i = 0; i < c->count && i < AUTH_DIRECTORY_MAX; i++)
        d->urls[d->count++] = arena_str(&d->arena, sv_of(c->urls[i]));
    d->ca = arena_sv(&d->arena, c->ca);
    d->user = arena_str(&d->arena, sv_of(c->user));
    d->password = (struct sv){arena_str(&d->arena, c->password), c->password.len};
    return d;
}

void auth_directory_free(struct auth_directory *d)
{
    if (d == NULL)
        return;
    while (d->kept != NULL)
        forget(d, d->kept);
    mem_wipe((void *)(uintptr_t)d->password.ptr, d->password.len);
    pthread_mutex_destroy(&d->lock);
    arena_deinit(&d->arena);
    free(d);
}

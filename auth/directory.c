/*
 * directory.c - one question is one connection of libldap's, on the thread that asks.
 *
 * Not libcurl's: that closes its socket twice, the second time perhaps another thread's.
 */
#include "auth/directory.h"

#include "msa/base/arena.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/pack.h"
#include "msa/base/require.h"
#include "msa/base/throttle.h"
#include "msa/loop/clock.h"

#include <fcntl.h>
#include <ldap.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uthash.h>

#define CONNECT_MAX_MS 2000
#define ENTRIES_MAX    20
#define SYSTEM_CA      "/etc/ssl/certs/ca-certificates.crt"
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
    struct sv password;
    const char *user, *ca_path;
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

/* Until when one URL is asked. */
static uint64_t deadline(void)
{
    return clock_mono_ms() + AUTH_DIRECTORY_MAX_MS;
}

static struct timeval left_until(uint64_t end_ms)
{
    uint64_t now = clock_mono_ms();
    uint64_t left = end_ms > now ? end_ms - now : 1;

    return (struct timeval){(time_t)(left / 1000), (suseconds_t)(left % 1000 * 1000)};
}

/* libldap has no deadline for a handshake: a thread of its own cuts the connection when the time is
 * over. fd: a duplicate, so that it never is the number of another one. */
struct watch {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    uint64_t end_ms;
    /* under the lock */
    bool is_over;
    int fd; /* -1: none yet */
};

static void *watch_main(void *arg)
{
    struct watch *w = arg;
    struct timespec end = {(time_t)(w->end_ms / 1000), (long)(w->end_ms % 1000 * 1000000)};
    int err = 0;

    pthread_mutex_lock(&w->lock);
    while (!w->is_over && err == 0)
        err = pthread_cond_timedwait(&w->ended, &w->lock, &end);
    if (!w->is_over && w->fd >= 0)
        (void)shutdown(w->fd, SHUT_RDWR);
    w->is_over = true; /* a connection that comes now is cut at once */
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static bool watch_start(struct watch *w, uint64_t end_ms)
{
    pthread_condattr_t monotonic;

    *w = (struct watch){.end_ms = end_ms, .fd = -1};
    REQUIRE(pthread_condattr_init(&monotonic) == 0 &&
            pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0 &&
            pthread_mutex_init(&w->lock, NULL) == 0 &&
            pthread_cond_init(&w->ended, &monotonic) == 0);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&w->thread, NULL, watch_main, w) == 0)
        return true;
    pthread_cond_destroy(&w->ended);
    pthread_mutex_destroy(&w->lock);
    return false;
}

static void watch_stop(struct watch *w)
{
    pthread_mutex_lock(&w->lock);
    w->is_over = true;
    pthread_cond_signal(&w->ended);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    if (w->fd >= 0)
        close(w->fd);
    pthread_cond_destroy(&w->ended);
    pthread_mutex_destroy(&w->lock);
}

/* libldap has connected, and nothing has been said yet. */
static int on_connected(LDAP *ld, Sockbuf *sb, LDAPURLDesc *server, struct sockaddr *address,
                        struct ldap_conncb *callback)
{
    struct watch *w = callback->lc_arg;
    ber_socket_t fd = -1;

    (void)ld, (void)server, (void)address;
    if (ber_sockbuf_ctrl(sb, LBER_SB_OPT_GET_FD, &fd) <= 0 || fd < 0)
        return -1;
    pthread_mutex_lock(&w->lock);
    if (w->fd >= 0)
        close(w->fd);
    w->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    bool good = w->fd >= 0 && !w->is_over;
    pthread_mutex_unlock(&w->lock);
    return good ? 0 : -1;
}

static void on_closed(LDAP *ld, Sockbuf *sb, struct ldap_conncb *callback)
{
    (void)ld, (void)sb, (void)callback;
}

static void log_fault(const char *url, const char *words)
{
    static _Atomic uint64_t next_ms;

    if (throttle_passes(&next_ms, clock_mono_ms()))
        log_event(LOG_ERROR, "directory", NULL, "rewrite.certificates: %s: %s", url, words);
}

/* Where the scheme, the host and the port end. */
static char *server_of(struct sv url)
{
    struct sv authority = authority_of(url);

    return sv_dup(sv_range(url.ptr, authority.ptr + authority.len));
}

static int set_options(LDAP *ld, const struct auth_directory *d, struct ldap_conncb *callback)
{
    const struct timeval most = {CONNECT_MAX_MS / 1000, CONNECT_MAX_MS % 1000 * 1000};
    int version = LDAP_VERSION3, demand = LDAP_OPT_X_TLS_DEMAND, mine = 0;

    if (ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version) != LDAP_OPT_SUCCESS ||
        ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) != LDAP_OPT_SUCCESS ||
        ldap_set_option(ld, LDAP_OPT_CONNECT_CB, callback) != LDAP_OPT_SUCCESS ||
        ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &most) != LDAP_OPT_SUCCESS ||
        ldap_set_option(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand) != LDAP_OPT_SUCCESS ||
        ldap_set_option(ld, LDAP_OPT_X_TLS_CACERTFILE, d->ca_path) != LDAP_OPT_SUCCESS ||
        ldap_set_option(ld, LDAP_OPT_X_TLS_NEWCTX, &mine) != LDAP_OPT_SUCCESS)
        return LDAP_CONNECT_ERROR;
    return LDAP_SUCCESS;
}

/* Waits for all of an answer; its result. */
static int await(LDAP *ld, int id, uint64_t end_ms, LDAPMessage **answer)
{
    struct timeval left = left_until(end_ms);
    int result = LDAP_TIMEOUT, code;

    switch (ldap_result(ld, id, LDAP_MSG_ALL, &left, answer)) {
    case 0:
        return LDAP_TIMEOUT;
    case -1:
        (void)ldap_get_option(ld, LDAP_OPT_RESULT_CODE, &result);
        return result != LDAP_SUCCESS ? result : LDAP_SERVER_DOWN;
    default:
        code = ldap_parse_result(ld, *answer, &result, NULL, NULL, NULL, NULL, 0);
        return code != LDAP_SUCCESS ? code : result;
    }
}

static int bind_as(LDAP *ld, const struct auth_directory *d, uint64_t end_ms)
{
    struct berval password = {d->password.len, (char *)(uintptr_t)d->password.ptr};
    LDAPMessage *answer = NULL;
    int id, code;

    if (*d->user == '\0')
        password.bv_len = 0;
    code = ldap_sasl_bind(ld, d->user, LDAP_SASL_SIMPLE, &password, NULL, NULL, &id);
    if (code == LDAP_SUCCESS)
        code = await(ld, id, end_ms, &answer);
    ldap_msgfree(answer);
    return code;
}

void auth_directory_put(struct buf *out, struct sv der)
{
    if (der.len > 0 && buf_len(out) + sizeof(uint32_t) + der.len <= AUTH_DIRECTORY_BYTES)
        pack_sv(out, der);
}

/* The values of all attributes of an entry. */
static void read_entry(LDAP *ld, LDAPMessage *entry, struct buf *out)
{
    BerElement *at = NULL;

    for (char *name = ldap_first_attribute(ld, entry, &at); name != NULL;
         name = ldap_next_attribute(ld, entry, at)) {
        struct berval **values = ldap_get_values_len(ld, entry, name);

        for (size_t i = 0; values != NULL && values[i] != NULL; i++)
            auth_directory_put(out, (struct sv){values[i]->bv_val, values[i]->bv_len});
        ldap_value_free_len(values);
        ldap_memfree(name);
    }
    ber_free(at, 0);
}

static int search(LDAP *ld, const LDAPURLDesc *url, uint64_t end_ms, struct buf *out)
{
    struct timeval left = left_until(end_ms);
    LDAPMessage *answer = NULL;
    int id, code = ldap_search_ext(ld, url->lud_dn, url->lud_scope, url->lud_filter, url->lud_attrs,
                                   0, NULL, NULL, &left, ENTRIES_MAX, &id);

    if (code == LDAP_SUCCESS)
        code = await(ld, id, end_ms, &answer);
    for (LDAPMessage *e = code == LDAP_SUCCESS ? ldap_first_entry(ld, answer) : NULL; e != NULL;
         e = ldap_next_entry(ld, e))
        read_entry(ld, e, out);
    ldap_msgfree(answer);
    return code;
}

static int ask_server(const struct auth_directory *d, const char *server, const LDAPURLDesc *url,
                      struct buf *out)
{
    uint64_t end_ms = deadline();
    struct watch watch;
    struct ldap_conncb callback = {.lc_add = on_connected, .lc_del = on_closed, .lc_arg = &watch};
    LDAP *ld = NULL;
    int code;

    if (!watch_start(&watch, end_ms))
        return LDAP_NO_MEMORY;
    code = ldap_initialize(&ld, server);
    if (code == LDAP_SUCCESS)
        code = set_options(ld, d, &callback);
    if (code == LDAP_SUCCESS)
        code = bind_as(ld, d, end_ms);
    if (code == LDAP_SUCCESS)
        code = search(ld, url, end_ms, out);
    if (ld != NULL)
        ldap_unbind_ext(ld, NULL, NULL);
    watch_stop(&watch);
    return code;
}

/* As auth_directory_find(), of one. */
static int ask(const struct auth_directory *d, size_t i, struct sv address, struct buf *out)
{
    LDAPURLDesc *parsed = NULL;
    char *server = server_of(sv_of(d->urls[i]));
    struct buf url;
    int code = LDAP_PARAM_ERROR;

    buf_init(&url, URL_MAX + 5 * AUTH_DIRECTORY_ADDRESS_MAX, 0);
    REQUIRE(auth_directory_url(&url, sv_of(d->urls[i]), address) == 0 &&
            buf_append(&url, "", 1) == 0);
    if (ldap_url_parse(buf_view(&url).ptr, &parsed) == LDAP_URL_SUCCESS)
        code = ask_server(d, server, parsed, out);
    if (code != LDAP_SUCCESS)
        log_fault(d->urls[i], ldap_err2string(code));
    ldap_free_urldesc(parsed);
    buf_deinit(&url);
    free(server);
    return code != LDAP_SUCCESS ? ERR_NOT_FOUND : buf_len(out) > 0;
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
    d->ca_path = arena_str(&d->arena, sv_of(*c->ca_path ? c->ca_path : SYSTEM_CA));
    d->user = arena_str(&d->arena, sv_of(c->user));
    d->password = arena_sv(&d->arena, c->password);
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

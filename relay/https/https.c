/*
 * libcurl's multi interface on our loop: curl says which descriptors to watch (on_socket) and when
 * it wants to be called (on_timeout); what happens on them goes back to it, and after each call
 * finished transfers are collected. curl calls back only from inside our calls, so nothing is
 * added or removed while it runs.
 */
#include "relay/https/https.h"

#include "msa/base/arena.h"
#include "msa/base/buf.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/watch.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <utlist.h>

#define AGENT "msad"

struct https {
    struct loop *loop;
    CURLM *multi;
    struct timer timer;
    struct https_request *requests;
};

/* A descriptor of curl's. */
struct socket_watch {
    struct https *https;
    struct watch *watch;
    curl_socket_t fd;
};

struct https_request {
    struct https *https;
    CURL *easy;
    struct curl_slist *addresses, *headers;
    const char *host;
    struct tls_ctx *trust;
    struct arena arena;
    struct buf body;
    size_t header_bytes;
    bool too_long, delimited; /* delimited: the body's end was announced */
    char words[CURL_ERROR_SIZE];
    void (*on_done)(void *arg, const struct https_answer *answer);
    void *arg;
    struct https_request *next, *prev;
};

int https_library(void)
{
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : ERR_NOT_FOUND;
}

/* ---- the end of a request ---- */

static void request_free(struct https_request *r)
{
    DL_DELETE(r->https->requests, r);
    curl_multi_remove_handle(r->https->multi, r->easy);
    curl_easy_cleanup(r->easy);
    curl_slist_free_all(r->addresses);
    curl_slist_free_all(r->headers);
    buf_deinit(&r->body);
    tls_ctx_drop(r->trust);
    arena_deinit(&r->arena);
    free(r);
}

void https_cancel(struct https_request *r)
{
    request_free(r);
}

static enum https_end end_of(const struct https_request *r, CURLcode code)
{
    if (r->too_long)
        return HTTPS_TOO_LONG;
    switch (code) {
    case CURLE_OK: /* also where the connection ended without close_notify */
        return r->delimited || buf_len(&r->body) == 0 ? HTTPS_ANSWERED : HTTPS_FAILED;
    case CURLE_FILESIZE_EXCEEDED:
        return HTTPS_TOO_LONG;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTPS_TIMEOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
        return HTTPS_UNTRUSTED;
    default:
        return HTTPS_FAILED;
    }
}

static void finish(struct https_request *r, CURLcode code)
{
    struct https_answer a = {.end = end_of(r, code), .content_type = "", .text = ""};
    const char *type = NULL;
    long status = 0;
    if (a.end == HTTPS_ANSWERED) {
        curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(r->easy, CURLINFO_CONTENT_TYPE, &type);
        a.status = (unsigned)status;
        a.content_type = type ? type : "";
        a.body = buf_view(&r->body);
    } else if (a.end == HTTPS_TOO_LONG) {
        a.text = "the answer is too long";
    } else if (a.end == HTTPS_TIMEOUT) {
        a.text = "no answer in time";
    } else if (code == CURLE_OK) {
        a.text = "the length of the answer was not announced: it may have been cut";
    } else {
        a.text = *r->words ? r->words : curl_easy_strerror(code);
    }
    r->on_done(r->arg, &a);
    request_free(r);
}

/* A callback may start and cancel others, so one message at a time. */
static void collect(struct https *h)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(h->multi, &left))) {
        struct https_request *r;
        if (m->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&r);
        finish(r, m->data.result);
    }
}

/* ---- curl and the loop ---- */

static void act(struct https *h, curl_socket_t fd, int events)
{
    int running;
    curl_multi_socket_action(h->multi, fd, events, &running);
    collect(h);
}

static void on_ready(void *arg, int events)
{
    struct socket_watch *w = arg;
    int bits = events < 0 ? CURL_CSELECT_ERR
                          : (events & WATCH_READ ? CURL_CSELECT_IN : 0) |
                                (events & WATCH_WRITE ? CURL_CSELECT_OUT : 0);
    act(w->https, w->fd, bits); /* w may be gone afterwards */
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    struct https *h = arg;
    struct socket_watch *w = known;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (!w)
            return 0;
        watch_close(w->watch);
        free(w);
        return 0;
    }
    if (!w) {
        w = NEW(struct socket_watch);
        w->https = h;
        w->fd = fd;
        w->watch = watch_new(h->loop, fd, on_ready, w);
        curl_multi_assign(h->multi, fd, w);
    }
    watch_set(w->watch,
              (what & CURL_POLL_IN ? WATCH_READ : 0) | (what & CURL_POLL_OUT ? WATCH_WRITE : 0));
    return 0;
}

static void on_timer(void *arg)
{
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timeout(CURLM *multi, long ms, void *arg)
{
    struct https *h = arg;
    (void)multi;
    if (ms < 0)
        timer_stop(&h->timer);
    else
        timer_start(&h->timer, (uint64_t)ms);
    return 0;
}

/* ---- a request ---- */

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct https_request *r = arg;
    r->too_long = buf_append(&r->body, bytes, size * count) < 0;
    return r->too_long ? 0 : size * count;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
    struct https_request *r = arg;
    struct sv line = {bytes, size * count};
    if (sv_istarts(line, SV("Content-Length:")) || sv_istarts(line, SV("Transfer-Encoding:")))
        r->delimited = true;
    r->header_bytes += size * count;
    r->too_long = r->header_bytes > HTTPS_HEADER_MAX;
    return r->too_long ? 0 : size * count;
}

/* The authorities are read once a generation; curl would read them anew for each request. */
static CURLcode on_ssl(CURL *easy, void *ssl_ctx, void *arg)
{
    struct https_request *r = arg;
    (void)easy;
    return tls_ctx_trust(r->trust, ssl_ctx, r->host) == 0 ? CURLE_OK : CURLE_SSL_CERTPROBLEM;
}

/* "+": forgotten after a while, or the list would grow for ever. */
static void set_addresses(struct https_request *r, const struct https_ask *ask)
{
    char *line = arena_printf(&r->arena, "+%s:%u:", ask->host, (unsigned)ask->port);
    for (size_t i = 0; i < ask->naddresses && i < HTTPS_ADDRESSES_MAX; i++) {
        char text[IP_TEXT_MAX];
        const struct ip *ip = &ask->addresses[i];
        line = arena_printf(&r->arena, ip->family == IP_V6 ? "%s%s[%s]" : "%s%s%s", line,
                            i ? "," : "", ip_text(ip, text));
    }
    r->addresses = curl_slist_append(NULL, line);
    curl_easy_setopt(r->easy, CURLOPT_RESOLVE, r->addresses);
}

static void set_post(struct https_request *r, const struct https_ask *ask)
{
    r->headers =
        curl_slist_append(NULL, arena_printf(&r->arena, "Content-Type: %s", ask->post_type));
    r->headers = curl_slist_append(r->headers, "Expect:");
    curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, r->headers);
    curl_easy_setopt(r->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)ask->post.len);
    curl_easy_setopt(r->easy, CURLOPT_COPYPOSTFIELDS, ask->post.ptr);
}

static void set_options(struct https_request *r, const struct https_ask *ask)
{
    CURL *c = r->easy;
    curl_easy_setopt(
        c, CURLOPT_URL,
        arena_printf(&r->arena, "https://%s:%u%s", ask->host, (unsigned)ask->port, ask->target));
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(c, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(c, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, AGENT);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)ask->deadline_ms);
    curl_easy_setopt(c, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)ask->max_bytes);
    curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(c, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
    /* or the authorities of the first request would be those of all that follow, for a day */
    curl_easy_setopt(c, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    curl_easy_setopt(c, CURLOPT_SSL_CTX_FUNCTION, on_ssl);
    curl_easy_setopt(c, CURLOPT_SSL_CTX_DATA, r);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, r);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, r->words);
    curl_easy_setopt(c, CURLOPT_PRIVATE, (char *)r);
}

struct https_request *https_start(struct https *h, const struct https_ask *ask,
                                  void (*on_done)(void *arg, const struct https_answer *answer),
                                  void *arg)
{
    struct https_request *r = NEW(struct https_request);
    REQUIRE(ask->naddresses > 0 && ask->deadline_ms > 0);
    r->https = h;
    r->easy = curl_easy_init();
    REQUIRE(r->easy);
    arena_init(&r->arena);
    r->host = arena_str(&r->arena, sv_of(ask->host));
    r->trust = tls_ctx_keep(ask->trust);
    r->on_done = on_done;
    r->arg = arg;
    buf_init(&r->body, ask->max_bytes, 0);
    DL_APPEND(h->requests, r);
    set_options(r, ask);
    set_addresses(r, ask);
    if (ask->post_type)
        set_post(r, ask);
    CURLMcode code = curl_multi_add_handle(h->multi, r->easy);
    REQUIRE(code == CURLM_OK);
    return r;
}

struct https *https_new(struct loop *l)
{
    struct https *h = NEW(struct https);
    h->loop = l;
    h->multi = curl_multi_init();
    REQUIRE(h->multi);
    timer_init(&h->timer, l, on_timer, h);
    curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
    curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
    return h;
}

void https_free(struct https *h)
{
    if (!h)
        return;
    while (h->requests)
        request_free(h->requests);
    curl_multi_cleanup(h->multi);
    timer_stop(&h->timer);
    free(h);
}

#include "tests/sim/https/site.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct site {
    char *host;
    struct https_answer answer; /* texts are the site's */
    struct site *next, *prev;
};

struct https_request {
    struct https *https;
    char *host;
    bool late;
    size_t max_bytes;
    struct timer timer;
    void (*on_done)(void *arg, const struct https_answer *answer);
    void *arg;
    struct https_request *next, *prev;
};

struct https {
    struct loop *loop;
    struct https_request *requests;
};

static struct site *web;
static uint64_t web_delay_ms;
static struct sim_https_asked asked;

/* ---- script ---- */

static void site_free(struct site *s)
{
    DL_DELETE(web, s);
    free(s->host);
    free((char *)(uintptr_t)s->answer.content_type);
    free((char *)(uintptr_t)s->answer.body.ptr);
    free((char *)(uintptr_t)s->answer.text);
    free(s);
}

static void forget_asked(void)
{
    free((char *)(uintptr_t)asked.host);
    free((char *)(uintptr_t)asked.target);
    free((char *)(uintptr_t)asked.post_type);
    free((char *)(uintptr_t)asked.post.ptr);
}

void sim_https_reset(void)
{
    while (web)
        site_free(web);
    web_delay_ms = 1;
    forget_asked();
    asked = (struct sim_https_asked){0};
}

static struct site *find(const char *host)
{
    struct site *s;
    DL_FOREACH(web, s)
    {
        if (strcmp(s->host, host) == 0)
            return s;
    }
    return NULL;
}

static char *copy(const char *text)
{
    return mem_str(text ? text : "");
}

void sim_https_set(const char *host, const struct https_answer *answer)
{
    struct site *s = find(host);
    if (s)
        site_free(s);
    s = NEW(struct site);
    s->host = mem_str(host);
    s->answer = *answer;
    s->answer.content_type = copy(answer->content_type);
    s->answer.text = copy(answer->text);
    s->answer.body.ptr = sv_dup(answer->body);
    DL_APPEND(web, s);
}

void sim_https_delay(uint64_t delay_ms)
{
    web_delay_ms = delay_ms;
}

const struct sim_https_asked *sim_https_asked(void)
{
    return &asked;
}

/* ---- relay/https/https.h ---- */

int https_library(void)
{
    return 0;
}

void https_cancel(struct https_request *r)
{
    timer_stop(&r->timer);
    DL_DELETE(r->https->requests, r);
    free(r->host);
    free(r);
    asked.under_way--;
}

static void on_timer(void *arg)
{
    struct https_request *r = arg;
    struct site *s = find(r->host);
    struct https_answer a = {.end = HTTPS_FAILED, .content_type = "", .text = "connection refused"};
    void (*on_done)(void *, const struct https_answer *) = r->on_done;
    void *to = r->arg;
    if (s)
        a = s->answer;
    if (s && a.body.len > r->max_bytes)
        a = (struct https_answer){
            .end = HTTPS_TOO_LONG, .content_type = "", .text = "the answer is too long"};
    if (r->late)
        a = (struct https_answer){
            .end = HTTPS_TIMEOUT, .content_type = "", .text = "no answer in time"};
    https_cancel(r);
    on_done(to, &a);
}

struct https_request *https_start(struct https *h, const struct https_ask *ask,
                                  void (*on_done)(void *arg, const struct https_answer *answer),
                                  void *arg)
{
    struct https_request *r = NEW(struct https_request);
    REQUIRE(ask->naddresses > 0 && ask->deadline_ms > 0);
    r->https = h;
    r->host = mem_str(ask->host);
    r->late = web_delay_ms > ask->deadline_ms;
    r->max_bytes = ask->max_bytes;
    r->on_done = on_done;
    r->arg = arg;
    forget_asked();
    asked = (struct sim_https_asked){.count = asked.count + 1,
                                     .under_way = asked.under_way + 1,
                                     .host = copy(ask->host),
                                     .target = copy(ask->target),
                                     .post_type = copy(ask->post_type),
                                     .address = ask->addresses[0],
                                     .port = ask->port,
                                     .post = {sv_dup(ask->post), ask->post.len}};
    DL_APPEND(h->requests, r);
    timer_init(&r->timer, h->loop, on_timer, r);
    timer_start(&r->timer, r->late ? ask->deadline_ms : web_delay_ms);
    return r;
}

struct https *https_new(struct loop *l)
{
    struct https *h = NEW(struct https);
    h->loop = l;
    return h;
}

void https_free(struct https *h)
{
    if (!h)
        return;
    while (h->requests)
        https_cancel(h->requests);
    free(h);
}

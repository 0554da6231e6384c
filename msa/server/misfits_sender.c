/* The worker's half: what happened within a second, added up. */
#include "msa/server/misfits.h"
#include "msa/base/mem.h"
#include "msa/loop/clock.h"

#include <stdlib.h>
#include <string.h>

#define COLLECT_MS 1000

struct misfit_sender {
    struct timer timer;
    void (*post)(void *arg, struct misfit_batch *b);
    void *arg;
    struct misfit_batch *batch; /* NULL: nothing waits */
};

static void flush(void *arg)
{
    struct misfit_sender *s = arg;
    timer_stop(&s->timer);
    if (s->batch)
        s->post(s->arg, s->batch);
    s->batch = NULL;
}

struct misfit_sender *misfit_sender_new(struct loop *l,
                                        void (*post)(void *arg, struct misfit_batch *b), void *arg)
{
    struct misfit_sender *s = NEW(struct misfit_sender);
    timer_init(&s->timer, l, flush, s);
    s->post = post;
    s->arg = arg;
    return s;
}

void misfit_sender_free(struct misfit_sender *s)
{
    flush(s);
    free(s);
}

static void copy(char *out, size_t room, struct sv text)
{
    text = sv_first(text, room - 1);
    for (size_t i = 0; i < text.len; i++)
        out[i] = (unsigned char)text.ptr[i] < 32 || text.ptr[i] == 127 ? ' ' : text.ptr[i];
    out[text.len] = '\0';
}

/* A long one loses its middle: the id that stands at the end is what one looks for. */
static void copy_example(char out[MISFIT_EXAMPLE_MAX], struct sv text)
{
    const size_t front = MISFIT_EXAMPLE_MAX - 1 - 3 - 20;
    copy(out, MISFIT_EXAMPLE_MAX, text);
    if (text.len < MISFIT_EXAMPLE_MAX)
        return;
    memcpy(out + front, "...", 3);
    copy(out + front + 3, 21, sv_skip(text, text.len - 20));
}

static struct misfit_report *find(struct misfit_batch *b, const struct misfit_report *r)
{
    for (size_t i = 0; i < b->count; i++) {
        struct misfit_report *known = &b->reports[i];
        if (known->kind == r->kind && ip_eq(&known->client, &r->client) &&
            strcmp(known->login, r->login) == 0)
            return known;
    }
    return NULL;
}

void misfit_sender_tell(struct misfit_sender *s, const struct ip *client, struct sv login,
                        enum misfit_kind kind, struct sv example)
{
    struct misfit_report r = {.client = ip_client(client), .kind = kind};
    copy(r.login, sizeof r.login, login);
    if (s->batch && s->batch->count == MISFIT_BATCH_MAX && !find(s->batch, &r))
        flush(s);
    if (!s->batch) {
        s->batch = NEW(struct misfit_batch);
        timer_start(&s->timer, COLLECT_MS);
    }
    struct misfit_report *known = find(s->batch, &r);
    if (!known) {
        known = &s->batch->reports[s->batch->count++];
        *known = r;
        known->first_ms = clock_wall_ms();
    }
    known->count++;
    known->last_ms = clock_wall_ms();
    copy_example(known->example, example);
}

/*
 * store_wish.c - what the operator's changes mean for the scheduler, told on its thread.
 */
#include "msa/base/mem.h"
#include "relay/queue/store_private.h"

#include <stdlib.h>
#include <string.h>

/* Carries what it calls, so that it may outlive the store. */
struct notice {
    struct task task;
    void (*on_wish)(void *arg, const struct store_wish *wish);
    void *arg;
    struct store_wish wish; /* texts are owned */
};

static void notice_run(struct task *task)
{
    struct notice *n = (struct notice *)task;
    n->on_wish(n->arg, &n->wish);
    free((char *)n->wish.retry);
    free((struct store_taken *)n->wish.taken);
    free(n);
}

/* Takes what wish points to. */
static void tell(struct store *s, struct store_wish wish)
{
    struct notice *n = NEW(struct notice);
    n->task.run = notice_run;
    n->on_wish = s->config.on_wish;
    n->arg = s->config.arg;
    n->wish = wish;
    mailbox_post(s->config.notify, &n->task);
}

void store_wish_retry(struct store *s, const char *destination, uint64_t number)
{
    if (s->config.on_wish)
        tell(s, (struct store_wish){.retry = mem_str(destination), .number = number});
}

void store_wish_return(struct store *s)
{
    if (s->config.on_wish)
        tell(s, (struct store_wish){.returns = true});
}

void store_wish_recall(struct store *s, const struct store_taken *taken, size_t count)
{
    if (!s->config.on_wish)
        return;
    struct store_taken *copy = mem_new(count, sizeof *copy);
    memcpy(copy, taken, count * sizeof *copy);
    tell(s, (struct store_wish){.taken = copy, .ntaken = count});
}

/*
 * The main thread's table of forms, and the use of one by a job on a worker.
 *
 *     worker: ask -> main: the form is there: answer
 *                          it is not:         its first asker's worker makes it (form_build.c)
 *     worker: made -> main: answer to all that wait -> worker: done ... end -> main: the last one
 *                                                                    drops the form
 *
 * A use belongs to the main thread until it is answered, then to the worker; `ended` alone is
 * written by one and read by the other. A form that could not be made is forgotten, so that the
 * next one who asks tries again.
 */
#include "relay/form.h"

#include "msa/base/mem.h"
#include "relay/internal.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

struct key {
    char id[QUEUE_ID_LEN];
    unsigned form;
};

struct entry {
    struct key key;
    struct relay_forms *forms;
    struct store *store;
    struct relay_form_answer answer; /* content: a reference */
    bool is_known, is_made;          /* is_made: the content is not the message's own */
    size_t users;
    struct relay_form *waiting;
    UT_hash_handle hh;
};

struct relay_forms {
    struct mailbox *main;
    struct entry *table;
};

struct relay_form {
    struct task task;
    struct relay_forms *forms;
    struct mailbox *reply;
    struct store *store;
    struct relay_worker *worker;
    struct queue_message *message;
    struct relay_settings *settings;
    unsigned form;
    void (*done)(void *arg, const struct relay_form_answer *a);
    void *arg;
    struct relay_form_answer answer; /* content: a reference */
    struct entry *entry;
    bool is_answered;  /* the worker's */
    atomic_bool ended; /* set by the worker before it is answered */
    struct relay_form *prev, *next;
};

struct relay_forms *relay_forms_new(struct mailbox *main)
{
    struct relay_forms *f = NEW(struct relay_forms);
    f->main = main;
    return f;
}

/* ---- main thread ---- */

static void drop_entry(struct entry *e)
{
    if (e->is_made)
        content_give_up(e->store, e->answer.content);
    queue_message_drop(e->answer.content);
    free(e);
}

static void forget(struct entry *e)
{
    if (e->forms) {
        HASH_DEL(e->forms->table, e);
        e->forms = NULL;
    }
}

static void release_entry(struct entry *e)
{
    if (e->users > 0 || !e->is_known)
        return;
    forget(e);
    drop_entry(e);
}

static void release(struct relay_form *f)
{
    struct entry *e = f->entry;
    queue_message_drop(f->answer.content);
    queue_message_drop(f->message);
    relay_settings_drop(f->settings);
    free(f);
    e->users--;
    release_entry(e);
}

static void on_released(struct task *task)
{
    release((struct relay_form *)(void *)task);
}

static void on_answered(struct task *task);

static void answer(struct relay_form *f)
{
    if (atomic_load(&f->ended)) {
        release(f);
        return;
    }
    f->answer = f->entry->answer;
    if (f->answer.content)
        queue_message_keep(f->answer.content);
    f->task.run = on_answered;
    mailbox_post(f->reply, &f->task);
}

static void on_made(struct task *task)
{
    struct relay_form_build *b = (struct relay_form_build *)(void *)task;
    struct entry *e = b->entry;
    struct relay_form *f, *next;
    e->answer = b->answer;
    e->is_known = true;
    e->is_made = e->answer.content && e->answer.content != b->message;
    if (e->answer.err < 0)
        forget(e);
    queue_message_drop(b->message);
    relay_settings_drop(b->settings);
    free(b);
    e->users++; /* while answers may end uses */
    DL_FOREACH_SAFE(e->waiting, f, next)
    {
        DL_DELETE(e->waiting, f);
        answer(f);
    }
    e->users--;
    release_entry(e);
}

static struct entry *add_entry(struct relay_form *f, const struct key *key)
{
    struct entry *e = NEW(struct entry);
    e->key = *key;
    e->forms = f->forms;
    e->store = f->store;
    HASH_ADD(hh, f->forms->table, key, sizeof e->key, e);
    struct relay_form_build *b = NEW(struct relay_form_build);
    b->worker = f->worker;
    b->message = queue_message_keep(f->message);
    b->settings = relay_settings_keep(f->settings);
    b->form = f->form;
    b->over = on_made;
    b->entry = e;
    b->task.run = relay_form_build_run;
    mailbox_post(f->reply, &b->task);
    return e;
}

static void on_asked(struct task *task)
{
    struct relay_form *f = (struct relay_form *)(void *)task;
    struct key key = {.form = f->form};
    struct entry *e;
    memcpy(key.id, f->message->id, sizeof key.id);
    HASH_FIND(hh, f->forms->table, &key, sizeof key, e);
    f->entry = e = e ? e : add_entry(f, &key);
    e->users++;
    if (e->is_known)
        answer(f);
    else
        DL_APPEND(e->waiting, f);
}

void relay_forms_free(struct relay_forms *f)
{
    struct entry *e, *next;
    HASH_ITER(hh, f->table, e, next)
    {
        forget(e);
        queue_message_drop(e->answer.content); /* the next start finds its file, if it has one */
        free(e);
    }
    free(f);
}

/* ---- worker ---- */

static void on_answered(struct task *task)
{
    struct relay_form *f = (struct relay_form *)(void *)task;
    f->is_answered = true;
    if (atomic_load(&f->ended))
        relay_form_end(f);
    else
        f->done(f->arg, &f->answer);
}

struct relay_form *relay_form_ask(struct relay_worker *w, struct queue_message *m, unsigned form,
                                  struct relay_settings *settings,
                                  void (*done)(void *arg, const struct relay_form_answer *a),
                                  void *arg)
{
    const struct relay_worker_config *config = relay_worker_config(w);
    struct relay_form *f = NEW(struct relay_form);
    f->forms = config->forms;
    f->reply = config->mailbox;
    f->store = config->store;
    f->worker = w;
    f->message = queue_message_keep(m);
    f->settings = relay_settings_keep(settings);
    f->form = form;
    f->done = done;
    f->arg = arg;
    atomic_init(&f->ended, false);
    f->task.run = on_asked;
    mailbox_post(config->main, &f->task);
    return f;
}

void relay_form_end(struct relay_form *f)
{
    if (!f)
        return;
    if (!f->is_answered) {
        atomic_store(&f->ended, true); /* whoever has it ends it */
        return;
    }
    f->task.run = on_released;
    mailbox_post(f->forms->main, &f->task);
}

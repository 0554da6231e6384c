/*
 * The main thread's table of forms, and the use of one by a job on a worker.
 *
 *     worker: ask -> main: the form is there: answer
 *                          it is not:         its first asker's worker makes it (form_build.c)
 *     worker: made -> main: answer to all that wait -> worker: done ... end -> main: behind the
 *                                                          last one it is kept for a while
 *
 * Of forms that nobody uses the oldest go first. Those that are to be made and must wait stand in
 * a row; where nobody waits for one any more when its turn comes, it is not made.
 * A use belongs to the main thread until it is answered, then to the worker; `ended` alone is
 * written by one and read by the other. A form that could not be made is forgotten, so that the
 * next one who asks tries again.
 */
#include "relay/form.h"

#include "msa/base/mem.h"
#include "msa/loop/clock.h"
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
    bool is_listed; /* in the table: whoever asks gets it */
    struct store *store;
    struct relay_form_answer answer; /* content: a reference */
    bool is_known, is_made;          /* is_made: the content is not the message's own */
    bool lacks_signature;            /* not worth keeping */
    size_t users;
    struct relay_form *waiting;
    bool is_kept;
    uint64_t until_ms;         /* while it is kept */
    struct entry *prev, *next; /* kept, or to be made */
    UT_hash_handle hh;
};

struct relay_forms {
    struct mailbox *main;
    struct entry *table;
    struct entry *to_make;
    unsigned builds;    /* under way */
    struct entry *kept; /* the oldest first */
    unsigned nkept;
    uint64_t kept_bytes;
    struct timer timer; /* for the oldest */
    bool is_stopped;
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
    if (e->is_listed)
        HASH_DEL(e->forms->table, e);
    e->is_listed = false;
}

static void unkeep(struct entry *e)
{
    struct relay_forms *f = e->forms;
    DL_DELETE(f->kept, e);
    f->nkept--;
    f->kept_bytes -= e->answer.content->size;
    e->is_kept = false;
}

static void drop_kept(struct entry *e)
{
    unkeep(e);
    forget(e);
    drop_entry(e);
}

static void trim(void *arg)
{
    struct relay_forms *f = arg;
    uint64_t now = clock_mono_ms();
    while (f->kept && (f->nkept > RELAY_FORMS_KEPT || f->kept_bytes > RELAY_FORMS_KEPT_BYTES ||
                       f->kept->until_ms <= now))
        drop_kept(f->kept);
    if (f->kept)
        timer_start(&f->timer, f->kept->until_ms - now);
}

static void keep(struct entry *e)
{
    struct relay_forms *f = e->forms;
    e->is_kept = true;
    e->until_ms = clock_mono_ms() + RELAY_FORM_KEPT_MS;
    DL_APPEND(f->kept, e);
    f->nkept++;
    f->kept_bytes += e->answer.content->size;
    trim(f);
}

static void release_entry(struct entry *e)
{
    if (e->users > 0 || !e->is_known)
        return;
    if (e->is_made && !e->lacks_signature && e->is_listed && !e->forms->is_stopped) {
        keep(e);
        return;
    }
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

/* The answer is there. */
static void settle(struct entry *e)
{
    struct relay_form *f, *next;
    e->is_known = true;
    if (e->answer.err < 0)
        forget(e);
    e->users++; /* while answers may end uses */
    DL_FOREACH_SAFE(e->waiting, f, next)
    {
        DL_DELETE(e->waiting, f);
        answer(f);
    }
    e->users--;
    release_entry(e);
}

static void on_made(struct task *task);

/* On the worker of one who waits, which is there as long as he does. */
static void build(struct entry *e, const struct relay_form *f)
{
    struct relay_form_build *b = NEW(struct relay_form_build);
    b->worker = f->worker;
    b->message = queue_message_keep(f->message);
    b->settings = relay_settings_keep(f->settings);
    b->form = f->form;
    b->over = on_made;
    b->entry = e;
    b->task.run = relay_form_build_run;
    e->forms->builds++;
    mailbox_post(f->reply, &b->task);
}

static void make_next(struct relay_forms *forms)
{
    struct entry *e;
    while ((e = forms->to_make) && forms->builds < RELAY_FORMS_BUILDS) {
        struct relay_form *f = e->waiting;
        DL_DELETE(forms->to_make, e);
        while (f && atomic_load(&f->ended))
            f = f->next;
        if (f) {
            build(e, f);
        } else {
            e->answer.err = ERR_CANCELED;
            settle(e);
        }
    }
}

static void on_made(struct task *task)
{
    struct relay_form_build *b = (struct relay_form_build *)(void *)task;
    struct entry *e = b->entry;
    struct relay_forms *forms = e->forms;
    e->answer = b->answer;
    e->lacks_signature = b->lacks_signature;
    e->is_made = e->answer.content && e->answer.content != b->message;
    queue_message_drop(b->message);
    relay_settings_drop(b->settings);
    free(b);
    forms->builds--;
    settle(e);
    make_next(forms);
}

static struct entry *add_entry(struct relay_form *f)
{
    struct entry *e = NEW(struct entry);
    e->key.form = f->form;
    memcpy(e->key.id, f->message->id, sizeof e->key.id);
    e->forms = f->forms;
    e->store = f->store;
    e->is_listed = true;
    HASH_ADD(hh, f->forms->table, key, sizeof e->key, e);
    DL_APPEND(f->forms->to_make, e);
    return e;
}

static struct entry *find_entry(struct relay_forms *f, const char *id, unsigned form)
{
    struct key key = {.form = form};
    struct entry *e;
    memcpy(key.id, id, sizeof key.id);
    HASH_FIND(hh, f->table, &key, sizeof key, e);
    return e;
}

static void on_asked(struct task *task)
{
    struct relay_form *f = (struct relay_form *)(void *)task;
    struct relay_forms *forms = f->forms;
    struct entry *e = find_entry(forms, f->message->id, f->form);
    f->entry = e = e ? e : add_entry(f);
    if (e->is_kept)
        unkeep(e);
    e->users++;
    if (e->is_known)
        answer(f);
    else
        DL_APPEND(e->waiting, f);
    make_next(forms);
}

struct relay_forms *relay_forms_new(struct loop *loop, struct mailbox *main)
{
    struct relay_forms *f = NEW(struct relay_forms);
    f->main = main;
    timer_init(&f->timer, loop, trim, f);
    return f;
}

void relay_forms_forget(struct relay_forms *f, const char *id)
{
    for (unsigned form = 0; f->table && form <= REWRITE_FORM_ALL; form++) {
        struct entry *e = find_entry(f, id, form);
        if (e && e->is_kept)
            drop_kept(e);
        else if (e)
            forget(e);
    }
}

void relay_forms_stop(struct relay_forms *f)
{
    f->is_stopped = true;
    while (f->kept)
        drop_kept(f->kept);
    timer_stop(&f->timer);
}

void relay_forms_free(struct relay_forms *f)
{
    struct entry *e, *next;
    timer_stop(&f->timer);
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

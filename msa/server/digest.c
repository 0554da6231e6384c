#include "msa/server/digest.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"
#include "relay/notice.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LOOK_MS  60000u
#define APART_MS (UINT64_C(3600) * 1000)
#define HOUR_MS  INT64_C(3600000)
#define DAY_MS   (24 * HOUR_MS)
#define TEXT_MAX (512u << 10) /* DIGEST_CLIENTS_MAX clients with all kinds take 4 KiB each */

struct digest {
    struct timer timer;
    struct mailbox *reply;
    struct store *store;
    struct misfits *misfits;
    const char *hostname, *postmaster;
    struct relay_notice_signer signer;
    bool on, waiting;
    uint64_t next_ms; /* monotonic; not before */
    int64_t told_ms;  /* wall time of the message under way */
};

/* ---- the text ---- */

/* The first error sticks. */
struct writer {
    struct buf *out;
    int err;
};

static void put(struct writer *w, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void put(struct writer *w, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (w->err == 0)
        w->err = buf_vprintf(w->out, fmt, args);
    va_end(args);
}

static void put_clean(struct writer *w, const char *text)
{
    if (w->err == 0)
        w->err = relay_notice_put(w->out, sv_of(text));
}

static void put_time(struct writer *w, int64_t wall_ms, bool day_only)
{
    struct tm tm;
    time_t s = (time_t)(wall_ms / 1000);
    if (!gmtime_r(&s, &tm))
        return;
    put(w, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
    if (!day_only)
        put(w, " %02d:%02d", tm.tm_hour, tm.tm_min);
}

static void put_row(struct writer *w, const struct misfit_row *r)
{
    char client[IP_TEXT_MAX];
    const uint64_t *counts = r->counts[MISFIT_YESTERDAY];
    put(w, "\r\n%s, %s", misfit_client_text(&r->client, client),
        r->login[0] ? "login " : "no login");
    put_clean(w, r->login);
    put(w, ": %" PRIu64 " times, last ", r->total);
    put_time(w, r->last_ms, false);
    put(w, "\r\n");
    for (size_t k = 0; k < MISFIT_COUNT; k++) {
        if (!counts[k])
            continue;
        put(w, "    %" PRIu64 " %s", counts[k], misfit_word((enum misfit_kind)k));
        put(w, ": ");
        put_clean(w, r->examples[k] ? r->examples[k] : "");
        put(w, "\r\n");
    }
}

static void put_head(struct writer *w, const char *hostname, int64_t now_ms)
{
    put(w, "Content-Type: text/plain; charset=us-ascii\r\n"
           "Content-Transfer-Encoding: 7bit\r\n\r\nThis is the mail server at ");
    put_clean(w, hostname);
    put(w, ".\r\n\r\nOn ");
    put_time(w, now_ms - DAY_MS, true);
    put(w, " (UTC) these clients had trouble. See whether they are set up right. The\r\n"
           "newest example of each kind is shown; \"msactl trace ID\" finds the id at its end,\r\n"
           "and \"msactl stats\" has the figures of today. What was counted before the last\r\n"
           "start of msad is not here. log.digest = false ends these messages.\r\n");
}

/* Those with a login first: they are people of this house. */
static void put_rows(struct writer *w, const struct misfit_list *l, bool *seen)
{
    size_t shown = 0;
    for (int logins = 1; logins >= 0; logins--) {
        for (size_t i = 0; i < l->count && shown < DIGEST_CLIENTS_MAX; i++) {
            const struct misfit_row *r = &l->rows[i];
            if ((r->login[0] != '\0') != logins)
                continue;
            put_row(w, r);
            shown++;
            for (size_t k = 0; k < MISFIT_COUNT; k++)
                seen[k] = seen[k] || r->counts[MISFIT_YESTERDAY][k];
        }
    }
    if (shown < l->count)
        put(w, "\r\n%zu more clients are not shown.\r\n", l->count - shown);
}

bool digest_write(const struct misfits *m, int64_t now_ms, const char *hostname,
                  const char *postmaster, const char *id, struct buf *out)
{
    struct misfit_list *l = misfits_list(m, now_ms, true);
    bool seen[MISFIT_COUNT] = {false};
    char subject[80];
    size_t count = l->count;
    snprintf(subject, sizeof subject, "%zu mail client%s had trouble", count,
             count == 1 ? "" : "s");
    struct relay_notice head = {
        .id = sv_of(id),
        .hostname = sv_of(hostname),
        .postmaster = sv_of(postmaster),
        .to = sv_of(postmaster),
        .subject = sv_of(subject),
        .submitted = SV("auto-generated"),
        .now_s = now_ms / 1000,
    };
    struct writer w = {.out = out, .err = count ? relay_notice_header(out, &head) : 0};
    if (count) {
        put_head(&w, hostname, now_ms);
        put_rows(&w, l, seen);
        put(&w, "\r\nWhat to do:\r\n");
        for (size_t k = 0; k < MISFIT_COUNT; k++)
            if (seen[k])
                put(&w, "    %s: %s\r\n", misfit_word((enum misfit_kind)k),
                    misfit_advice((enum misfit_kind)k));
    }
    misfit_list_free(l);
    REQUIRE(w.err == 0); /* TEXT_MAX */
    return count > 0;
}

/* ---- the message ---- */

static void on_put(struct store_put *p, int err)
{
    struct digest *d = p->arg;
    free(p);
    d->waiting = false;
    if (err < 0)
        log_event(LOG_ERROR, "digest", NULL, "could not be queued, tried again: %s", err_text(err));
    else
        misfits_told(d->misfits, d->told_ms);
}

static void on_signed(void *arg)
{
    struct store_put *p = arg;
    struct digest *d = p->arg;
    store_put(d->store, p);
}

static void send(struct digest *d, int64_t now_ms)
{
    char id[QUEUE_ID_LEN + 1];
    struct buf text;
    struct arena a;
    struct smtp_path to;
    arena_init(&a);
    buf_init(&text, TEXT_MAX, 0);
    queue_id_make(id, now_ms, random_u64());
    if (smtp_path_parse_address(&a, sv_of(d->postmaster), SMTP_PATH_FORWARD, &to) == SMTP_PATH_OK &&
        digest_write(d->misfits, now_ms, d->hostname, d->postmaster, id, &text)) {
        struct store_put *p = NEW(struct store_put);
        p->reply = d->reply;
        p->message = relay_notice_message(&text, id, to.text, &p->rows);
        p->done = on_put;
        p->arg = d;
        d->waiting = true;
        d->told_ms = now_ms;
        d->next_ms = clock_mono_ms() + APART_MS;
        log_event(LOG_INFO, "digest", &(struct log_ctx){.queue = sv_of(id)}, "to <%.*s>",
                  SV_ARG(to.text));
        relay_notice_sign(d->signer, p->message, on_signed, p);
    }
    buf_deinit(&text);
    arena_deinit(&a);
}

static void on_timer(void *arg)
{
    struct digest *d = arg;
    int64_t now_ms = clock_wall_ms();
    timer_start(&d->timer, LOOK_MS);
    if (d->on && !d->waiting && clock_mono_ms() >= d->next_ms &&
        now_ms % DAY_MS >= DIGEST_HOUR * HOUR_MS)
        send(d, now_ms);
}

struct digest *digest_new(struct loop *l, struct mailbox *reply, struct store *store,
                          struct misfits *misfits)
{
    struct digest *d = NEW(struct digest);
    d->reply = reply;
    d->store = store;
    d->misfits = misfits;
    timer_init(&d->timer, l, on_timer, d);
    timer_start(&d->timer, LOOK_MS);
    return d;
}

void digest_set(struct digest *d, bool on, const char *hostname, const char *postmaster,
                struct relay_notice_signer signer)
{
    d->signer = signer;
    d->on = on;
    d->hostname = hostname;
    d->postmaster = postmaster;
}

void digest_stop(struct digest *d)
{
    timer_stop(&d->timer);
}

void digest_free(struct digest *d)
{
    free(d);
}

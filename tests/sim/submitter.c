/*
 * Commands go out with the name of the reply that they await; replies are matched in order. After
 * the last reply of a group the next group goes out.
 */
#include "tests/sim/submitter.h"

#include "msa/base/b64.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/stream.h"
#include "tests/sim/ledger.h"
#include "tests/sim/loop/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IN_MAX      65536
#define AWAITED_MAX 256

enum awaited {
    GREETING,
    EHLO,
    AUTH,
    MAIL,
    RCPT,
    DATA,
    CHUNK,       /* not the last */
    END_OF_DATA, /* the final dot, or the last chunk */
    RSET,
    QUIT
};

struct submitter {
    struct submitter_script script;
    struct loop *loop;
    struct stream *stream;
    void (*on_done)(void *arg);
    void *arg;
    enum awaited awaited[AWAITED_MAX];
    unsigned nawaited;
    struct buf in;
    unsigned next;                  /* message */
    struct ledger_message *message; /* under way, or NULL */
    bool pipelining, chunks, refused, ended;
};

/* ---- ends ---- */

static void break_off(struct submitter *c, bool reset)
{
    if (c->ended)
        return;
    c->ended = true;
    if (c->message && c->message->state == LEDGER_OPEN)
        c->message->state = LEDGER_DROPPED;
    if (c->message && c->message->state == LEDGER_SENT)
        c->message->state = LEDGER_UNKNOWN;
    if (reset)
        stream_reset(c->stream);
    else
        stream_close(c->stream);
}

static void on_end(void *arg, int err)
{
    (void)err;
    break_off(arg, false);
}

static void on_closed(void *arg)
{
    struct submitter *c = arg;
    buf_deinit(&c->in);
    c->on_done(c->arg);
    free(c);
}

/* ---- output ---- */

static bool chance(const struct submitter *c)
{
    return sim_below(1000) < c->script.breaks;
}

static void put(struct submitter *c, struct sv bytes)
{
    if (!c->ended && stream_write(c->stream, bytes) < 0)
        break_off(c, true);
}

static void await(struct submitter *c, enum awaited what)
{
    REQUIRE(c->nawaited < AWAITED_MAX);
    c->awaited[c->nawaited++] = what;
}

static void command(struct submitter *c, enum awaited what, const char *line)
{
    put(c, sv_of(line));
    await(c, what);
}

static void send_login(struct submitter *c)
{
    struct buf line;
    char plain[256];
    int n = snprintf(plain, sizeof plain, "%c%s%c%s", 0, c->script.login, 0, c->script.password);
    buf_init(&line, 1024, 0);
    int err = buf_put(&line, SV("AUTH PLAIN "));
    if (err == 0)
        err = b64_encode(&line, (struct sv){plain, (size_t)n});
    if (err == 0)
        err = buf_put(&line, SV("\r\n"));
    REQUIRE(err == 0);
    put(c, buf_view(&line));
    await(c, AUTH);
    buf_deinit(&line);
}

static void send_rcpt(struct submitter *c, unsigned i)
{
    static const char *const notify[] = {[LEDGER_NOTIFY_DEFAULT] = "",
                                         [LEDGER_NOTIFY_NEVER] = " NOTIFY=NEVER",
                                         [LEDGER_NOTIFY_SUCCESS] = " NOTIFY=SUCCESS,FAILURE,DELAY"};
    const struct ledger_recipient *r = &c->message->recipients[i];
    char line[128];
    snprintf(line, sizeof line, "RCPT TO:<%s>%s\r\n", r->address, notify[r->notify]);
    command(c, RCPT, line);
}

static void send_mail(struct submitter *c)
{
    char line[128];
    c->message = ledger_message(c->script.first + c->next++);
    c->message->state = LEDGER_OPEN;
    c->refused = false;
    c->pipelining = sim_below(2);
    c->chunks = sim_below(3) == 0;
    snprintf(line, sizeof line, "MAIL FROM:<%s> BODY=8BITMIME\r\n", c->message->author);
    command(c, MAIL, line);
    if (!c->pipelining)
        return;
    for (unsigned i = 0; i < c->message->count; i++)
        send_rcpt(c, i);
    if (!c->chunks)
        command(c, DATA, "DATA\r\n");
}

/* Transparency: RFC 5321 4.5.2. */
static void send_dotted(struct submitter *c, struct sv rest)
{
    while (rest.len && !c->ended) {
        size_t end = sv_find(rest, '\n');
        if (rest.ptr[0] == '.')
            put(c, SV("."));
        put(c, sv_first(rest, end + 1));
        rest = sv_skip(rest, end + 1);
    }
}

static void send_chunk(struct submitter *c, struct sv bytes, bool last)
{
    char line[64];
    snprintf(line, sizeof line, "BDAT %zu%s\r\n", bytes.len, last ? " LAST" : "");
    command(c, last ? END_OF_DATA : CHUNK, line);
    put(c, bytes);
}

/* A part of the content, and then nothing: it must leave no trace. */
static void send_half(struct submitter *c)
{
    send_dotted(c, sv_first(buf_view(&c->message->content), 1 + sim_below(20000)));
    break_off(c, sim_below(2));
}

static void send_content(struct submitter *c)
{
    struct sv content = buf_view(&c->message->content);
    if (chance(c)) {
        if (c->chunks)
            break_off(c, true);
        else
            send_half(c);
        return;
    }
    c->message->state = LEDGER_SENT;
    if (c->chunks) {
        size_t first = sim_below((uint32_t)content.len);
        if (c->pipelining)
            send_chunk(c, sv_first(content, first), false);
        else
            first = 0;
        send_chunk(c, sv_skip(content, first), true);
    } else {
        send_dotted(c, content);
        command(c, END_OF_DATA, ".\r\n");
    }
    if (chance(c))
        break_off(c, sim_below(2));
}

/* ---- replies ---- */

static void next_message(struct submitter *c)
{
    c->message = NULL;
    if (c->next < c->script.count)
        send_mail(c);
    else
        command(c, QUIT, "QUIT\r\n");
}

static void refuse(struct submitter *c)
{
    c->refused = true;
    if (c->message->state == LEDGER_OPEN || c->message->state == LEDGER_SENT)
        c->message->state = LEDGER_REFUSED;
}

/* All replies of a group are here. */
static void next_group(struct submitter *c, enum awaited last)
{
    switch (last) {
    case GREETING:
        command(c, EHLO, "EHLO mua.sim.example\r\n");
        break;
    case EHLO:
        send_login(c);
        break;
    case AUTH:
        next_message(c);
        break;
    case MAIL:
        for (unsigned i = 0; i < c->message->count && !c->refused; i++)
            send_rcpt(c, i);
        if (c->refused)
            command(c, RSET, "RSET\r\n");
        break;
    case RCPT:
        if (c->refused)
            command(c, RSET, "RSET\r\n");
        else if (c->chunks)
            send_content(c);
        else
            command(c, DATA, "DATA\r\n");
        break;
    case DATA:
        if (c->refused)
            command(c, RSET, "RSET\r\n");
        else
            send_content(c);
        break;
    case CHUNK:
    case END_OF_DATA:
    case RSET:
        next_message(c);
        break;
    case QUIT:
        break_off(c, false);
        break;
    }
}

/* A 354 after a refused recipient must still be answered: with nothing, and then a break. */
static void on_reply(struct submitter *c, unsigned code)
{
    if (c->nawaited == 0) { /* 421 of a server that stops */
        break_off(c, false);
        return;
    }
    enum awaited what = c->awaited[0];
    memmove(c->awaited, c->awaited + 1, --c->nawaited * sizeof c->awaited[0]);
    bool good = what == DATA ? code == 354 : code / 100 == 2;
    if (!good && (what < MAIL || code == 421)) {
        if (c->message)
            refuse(c);
        break_off(c, false);
        return;
    }
    if (!good && what < RSET)
        refuse(c);
    if (what == DATA && good && c->refused) {
        break_off(c, true);
        return;
    }
    if (what == END_OF_DATA && good)
        c->message->state = LEDGER_ACCEPTED;
    if (chance(c))
        break_off(c, sim_below(2));
    else if (c->nawaited == 0)
        next_group(c, what);
}

static void on_read(void *arg, struct sv bytes)
{
    struct submitter *c = arg;
    int err = buf_put(&c->in, bytes);
    REQUIRE(err == 0);
    struct sv in = buf_view(&c->in);
    size_t before = in.len;
    while (!c->ended && sv_find(in, '\n') < in.len) {
        struct sv line = sv_split(&in, '\n');
        REQUIRE(line.len >= 4);
        if (line.ptr[3] == ' ')
            on_reply(c, (unsigned)atoi(line.ptr));
    }
    buf_consume(&c->in, before - in.len);
}

static void on_connect(void *arg, int err)
{
    struct submitter *c = arg;
    if (err < 0) {
        break_off(c, false);
        return;
    }
    await(c, GREETING);
    stream_read_start(c->stream);
}

void submitter_start(struct loop *l, const struct submitter_script *script,
                     void (*on_done)(void *arg), void *arg)
{
    static const struct stream_ops ops = {
        .on_connect = on_connect, .on_read = on_read, .on_end = on_end, .on_closed = on_closed};
    struct submitter *c = NEW(struct submitter);
    c->script = *script;
    c->loop = l;
    c->on_done = on_done;
    c->arg = arg;
    buf_init(&c->in, IN_MAX, 0);
    c->stream = stream_connect(l, &script->to, &script->from, &ops, c);
}

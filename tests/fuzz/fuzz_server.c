/*
 * The server core: the first octet chooses the set-up, the rest is what a client sends. Fed whole
 * and in pieces it must give the same replies and content; what it sends is whole reply lines, and
 * content holds no bare CR or LF and no NUL.
 */
#include "msa/base/require.h"
#include "msa/smtp/server.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct trace {
    struct buf replies, content, actions;
    bool open, tls, held, breaks;
    char last; /* octet of content before */
};

static void must(int err)
{
    REQUIRE(err == 0);
}

static void check_content(struct trace *t, struct sv text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        REQUIRE(c != '\0' && (c == '\n') == (t->last == '\r'));
        t->last = c;
    }
}

static struct smtp_result answer(struct trace *t, const struct smtp_action *a)
{
    struct smtp_result r = {.outcome = SMTP_OK};
    bool no = false;
    if (a->type == SMTP_ACTION_AUTH_STEP) {
        if (!a->has_response)
            r.outcome = SMTP_MORE;
        no = a->has_response && a->bytes.len > 3;
    } else if (a->type == SMTP_ACTION_CHECK_PATH) {
        no = sv_starts(a->path->text, SV("n"));
        REQUIRE(!t->held || a->use == SMTP_PATH_FORWARD);
    } else if (a->type == SMTP_ACTION_RESUME) {
        struct sv id = a->envelope->values[SMTP_MAIL_TRANSID].text;
        REQUIRE(!t->held); /* each is left before the next */
        no = sv_starts(id, SV("<n"));
        t->held = !no;
        r.resumed = id.len % 2;
        r.offset = id.len;
        r.mail = sv_starts(id, SV("<x")) ? SV("<") : SV("<a@b.example> TRANSID=<a@b>");
        r.recipients = SV("<c@d.example>");
    } else if (a->type == SMTP_ACTION_OPEN_MESSAGE) {
        REQUIRE(!t->open && a->envelope->count > 0);
        no = sv_starts(a->envelope->reverse.text, SV("o"));
        t->open = !no;
        t->last = 0;
        t->breaks = sv_starts(a->envelope->reverse.text, SV("r"));
    } else if (a->type == SMTP_ACTION_COMMIT) {
        REQUIRE(t->open && t->last != '\r');
        t->open = false;
        r.octets = 3;
    } else if (a->type == SMTP_ACTION_RETURN) {
        /* as the glue does: right behind what announces them */
        REQUIRE(sv_iends(buf_view(&t->replies), SV(" 3 octets follow\r\n")));
        must(buf_put(&t->replies, SV("abc")));
        no = t->breaks;
    } else {
        REQUIRE(a->type == SMTP_ACTION_START_TLS);
        t->tls = true;
    }
    if (no)
        r = (struct smtp_result){.outcome = SMTP_FAILED, .reply = SMTP_REPLY(550, 5, 7, 1, "no")};
    return r;
}

static void act(struct trace *t, struct smtp_server *s, const struct smtp_action *a)
{
    if (a->type == SMTP_ACTION_SEND) {
        REQUIRE(sv_iends(a->bytes, SV("\r\n")));
        must(buf_put(&t->replies, a->bytes));
        return;
    }
    if (a->type == SMTP_ACTION_BODY) {
        REQUIRE(t->open);
        check_content(t, a->bytes);
        must(buf_put(&t->content, a->bytes));
        return;
    }
    if (a->type == SMTP_ACTION_SET_TIMER)
        return;
    must(buf_printf(&t->actions, "%d\n", a->type));
    if (a->type == SMTP_ACTION_ROLLBACK) {
        REQUIRE(t->open);
        t->open = false;
        buf_reset(&t->content); /* how much came before depends on the pieces */
    }
    if (a->type == SMTP_ACTION_LEAVE) {
        REQUIRE(t->held && !t->open);
        t->held = false;
    }
    if (a->op) {
        struct smtp_result r = answer(t, a);
        smtp_server_done(s, a->op, &r);
    }
}

static void give(struct trace *t, struct smtp_server *s, struct sv in)
{
    struct smtp_action a;
    size_t n;
    do {
        n = smtp_server_feed(s, in);
        in = sv_skip(in, n);
        while (smtp_server_next(s, &a))
            act(t, s, &a);
    } while (n > 0 && !t->tls);
}

static void run(struct trace *t, uint8_t how, struct sv in, size_t piece)
{
    static const struct smtp_server_limits limits = {.message_size = 300,
                                                     .recipients = 4,
                                                     .messages_per_session = 5,
                                                     .auth_failures = 3,
                                                     .bad_commands = 30,
                                                     .idle_commands = 30,
                                                     .command_timeout_ms = 1000,
                                                     .data_timeout_ms = 1000};
    const struct smtp_server_setup setup = {.hostname = SV("mail.example.net"),
                                            .postmaster = SV("postmaster@example.net"),
                                            .mechanisms_tls = SV("PLAIN LOGIN"),
                                            .tls_from_start = !(how & 1),
                                            .starttls = true,
                                            .auth_required = how & 2,
                                            .open_postmaster = how & 16,
                                            .reject_bare_newlines = how & 4,
                                            .strict_syntax = how & 32,
                                            .limits = &limits};
    struct smtp_server *s = smtp_server_new(&setup, SV(""));
    *t = (struct trace){.open = false};
    buf_init(&t->replies, 1u << 24, 0);
    buf_init(&t->content, 1u << 24, 0);
    buf_init(&t->actions, 1u << 24, 0);
    if (how & 64)
        smtp_server_operate(s);
    smtp_server_start(s, NULL);
    give(t, s, SV_NONE);
    while (in.len && !t->tls) {
        struct sv part = sv_first(in, piece);
        char *copy = sv_dup(part);
        give(t, s, (struct sv){copy, part.len});
        free(copy);
        in = sv_skip(in, piece);
    }
    if (how & 8)
        smtp_server_timeout(s);
    else
        smtp_server_peer_closed(s);
    give(t, s, SV_NONE);
    smtp_server_free(s);
    REQUIRE(!t->held || t->tls);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trace whole, parts;
    if (size == 0)
        return 0;
    struct sv in = {(const char *)data + 1, size - 1};
    run(&whole, data[0], in, size);
    run(&parts, data[0], in, 1 + data[0] / 16);
    REQUIRE(sv_eq(buf_view(&whole.replies), buf_view(&parts.replies)));
    REQUIRE(sv_eq(buf_view(&whole.actions), buf_view(&parts.actions)));
    REQUIRE(sv_eq(buf_view(&whole.content), buf_view(&parts.content)));
    for (int i = 0; i < 2; i++) {
        struct trace *t = i ? &whole : &parts;
        buf_deinit(&t->replies);
        buf_deinit(&t->content);
        buf_deinit(&t->actions);
    }
    return 0;
}

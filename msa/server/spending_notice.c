#include "msa/server/spending_notice.h"
#include "msa/base/require.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static void put(struct buf *out, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void put(struct buf *out, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int err = buf_vprintf(out, fmt, args);
    va_end(args);
    REQUIRE(err == 0); /* the buffer has no limit */
}

static void put_clean(struct buf *out, struct sv text)
{
    int err = relay_notice_put(out, text);
    REQUIRE(err == 0);
}

static void put_figures(const struct spending_notice *n, struct buf *out)
{
    const struct budget_take *t = &n->take;
    put(out, "%" PRIu64 " %s, of %" PRIu64 " that are allowed\r\n", t->used, budget_words(t->kind),
        t->limits.most[t->kind]);
    put(out, "(permissions[].%s).\r\n", budget_key(t->kind));
}

static void put_warning(const struct spending_notice *n, struct buf *out)
{
    put(out, "With your login ");
    put_clean(out, n->login);
    put(out, " you have sent\r\n");
    put_figures(n, out);
    put(out,
        "\r\nWhat goes beyond that is %s. If it was not you who sent all this, then\r\n"
        "somebody else knows your password: tell your postmaster at once.\r\n"
        "If you need to send more, ask for it: <",
        n->take.limits.hold ? "held, and sent only when somebody has looked at it" : "refused");
    put_clean(out, n->postmaster);
    put(out, ">.\r\n");
}

static void put_command(struct buf *out, const char *command, struct sv login, const char *what)
{
    put(out, "    msactl %s ", command);
    put_clean(out, login);
    put(out, "\r\n        %s\r\n", what);
}

static void put_broken(const struct spending_notice *n, struct buf *out)
{
    put(out, "The login ");
    put_clean(out, n->login);
    put(out, " has sent\r\n");
    put_figures(n, out);
    if (n->take.limits.hold)
        put(out,
            "\r\nWhat it sends now is held, and so is what it had in the queue: %" PRIu64
            " recipients.\r\nNothing of it leaves until you have decided:\r\n\r\n",
            n->held);
    else
        put(out, "\r\nWhat it sends now is refused until there is room again.\r\n\r\n");
    if (n->take.limits.hold) {
        put_command(out, "queue list --user", n->login, "shows it");
        put_command(out, "queue release --user", n->login,
                    "it is good mail: sends all that is held of it, also for another reason "
                    "that\r\n        \"queue list\" shows; and the budget begins anew");
        put_command(out, "queue delete --user", n->login,
                    "the password was stolen: nothing of it is sent");
    } else {
        put_command(out, "queue release --user", n->login,
                    "it is good mail: the budget begins anew");
    }
    if (n->take.limits.lock_auth) {
        put(out, "\r\nNobody can log in with it either:\r\n\r\n");
        put_command(out, "user unlock", n->login, "ends that");
    } else {
        put_command(out, "user disable", n->login, "nobody logs in with it");
    }
    put_command(out, "user passwd", n->login, "a new password, and open sessions end");
}

void spending_notice_write(const struct spending_notice *n, const char *id, struct buf *out)
{
    char subject[160];
    struct sv login = sv_first(n->login, 60);
    if (n->take.warns)
        snprintf(subject, sizeof subject, "You have sent nearly all that you may (%s)",
                 budget_words(n->take.kind));
    else
        snprintf(subject, sizeof subject, "%.*s sends too much: %s", SV_ARG(login),
                 n->take.limits.hold ? "its mail is held" : "its mail is refused");
    struct relay_notice head = {.id = sv_of(id),
                                .hostname = n->hostname,
                                .postmaster = n->postmaster,
                                .to = n->to,
                                .subject = sv_of(subject),
                                .submitted = SV("auto-generated"),
                                .now_s = n->now_s};
    int err = relay_notice_header(out, &head);
    REQUIRE(err == 0);
    put(out, "Content-Type: text/plain; charset=us-ascii\r\n"
             "Content-Transfer-Encoding: 7bit\r\n\r\nThis is the mail server at ");
    put_clean(out, n->hostname);
    put(out, ".\r\n\r\n");
    if (n->take.warns)
        put_warning(n, out);
    else
        put_broken(n, out);
}

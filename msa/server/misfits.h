/*
 * misfits.h - clients that have trouble: who, of what kind, how often, with an example.
 *
 * Draft 5.2: errors are logged within limits, and the administrator is told of clients that are
 * not set up right (msactl stats, and the daily digest, digest.h). A misfit is a client network (an
 * IPv4 address or an IPv6 /64) and a login, "" before there is one.
 *
 * Two halves. Each worker has a sender, which adds up what happens and posts it once a second, so
 * that no flood of refusals is a flood of messages. The main thread has the table: the only one,
 * bounded (the client not seen for longest goes first, those without a login before all others, so
 * that strangers push nobody out), kept over a reload, gone at a restart.
 * Threads: senders on their worker's, the table on the main thread, misfit_of_reply() on any.
 *
 *     worker: misfit_sender_tell(s, &client, login, MISFIT_SYNTAX, "500 5.5.1 Command unknown");
 *     main:   misfits_take(m, batch, clock_wall_ms());
 */
#ifndef MSA_SERVER_MISFITS_H
#define MSA_SERVER_MISFITS_H

#include "msa/base/arena.h"
#include "msa/base/ip.h"
#include "msa/loop/loop.h"
#include "msa/smtp/status.h"

#define MISFITS_MAX        1000
#define MISFIT_LOGIN_MAX   128 /* bytes with NUL */
#define MISFIT_EXAMPLE_MAX 240
#define MISFIT_BATCH_MAX   64 /* reports of one message */

/* name, word in listings, what to do about it: one line of the digest */
#define MISFIT_KINDS(XX)                                                                          \
    XX(SYNTAX, "syntax", "commands are malformed or out of order: a faulty program, or a probe")  \
    XX(UNQUALIFIED, "unqualified",                                                                \
       "addresses lack their domain, or it does not exist: mend them in the program, or set "     \
       "rewrite.complete_domains")                                                                \
    XX(ADDRESS, "address", "addresses cannot be: look at the list or script they come from")      \
    XX(NO_LOGIN, "no-login", "mail without a login: switch authentication on in the program")     \
    XX(LOGIN, "login", "logins fail: an old password in a program, or somebody guesses")          \
    XX(TLS, "tls",                                                                                \
       "TLS is not used or fails: switch it on in the program; an old one cannot "                \
       "(tls_minimum), or it distrusts the certificate")                                          \
    XX(HEADER, "header",                                                                          \
       "messages are faulty: mend the program, or take them with rewrite.header_errors")          \
    XX(SENDER, "sender",                                                                          \
       "the login may not send under that address, or to it: set the program's address, or give " \
       "the login a row in permissions")                                                          \
    XX(LIMIT, "limit", "a limit is reached: send less at once, or raise what the example names")  \
    XX(NEWLINE, "bare-newline",                                                                   \
       "lines end without CR LF: put right here, where listen[].bare_newlines lets it")           \
    XX(TOLERATED, "tolerated", "commands against the letter: limits.strict_syntax would refuse")  \
    XX(OTHER, "other", "see the example; msactl trace knows more by the id at its end")

enum misfit_kind {
#define MISFIT_ENUM(name, word, advice) MISFIT_##name,
    MISFIT_KINDS(MISFIT_ENUM)
#undef MISFIT_ENUM
        MISFIT_COUNT
};
const char *misfit_word(enum misfit_kind kind);
const char *misfit_advice(enum misfit_kind kind);

/* What a refusal says about the client; false: nothing, the trouble is ours or passes. */
bool misfit_of_reply(struct smtp_status status, struct sv setting, enum misfit_kind *out);

/* ---- worker ---- */
struct misfit_report {
    struct ip client;
    char login[MISFIT_LOGIN_MAX];
    enum misfit_kind kind;
    uint64_t count;
    int64_t first_ms, last_ms; /* wall time */
    char example[MISFIT_EXAMPLE_MAX];
};
struct misfit_batch {
    struct task task; /* the receiver's */
    void *arg;        /* likewise */
    size_t count;
    struct misfit_report reports[MISFIT_BATCH_MAX];
};

struct misfit_sender;
/* post(arg) gets a batch to own, at most one a second and one for each MISFIT_BATCH_MAX clients. */
struct misfit_sender *misfit_sender_new(struct loop *l,
                                        void (*post)(void *arg, struct misfit_batch *b), void *arg);
/* example is cut; its control characters become spaces. */
void misfit_sender_tell(struct misfit_sender *s, const struct ip *client, struct sv login,
                        enum misfit_kind kind, struct sv example);
void misfit_sender_free(struct misfit_sender *s); /* posts what waits */

/* ---- main thread ---- */
struct misfits;
struct misfits *misfits_new(void);
void misfits_free(struct misfits *m);
void misfits_take(struct misfits *m, const struct misfit_batch *b, int64_t now_ms);
size_t misfits_count(const struct misfits *m); /* clients in the table */

/* A picture of the table; independent of it. Rows with the highest count first. */
enum misfit_day { MISFIT_TODAY, MISFIT_YESTERDAY, MISFIT_DAYS };
struct misfit_row {
    struct ip client;
    const char *login;
    int64_t first_ms, last_ms;
    uint64_t counts[MISFIT_DAYS][MISFIT_COUNT];
    uint64_t total;                     /* of what is shown */
    const char *examples[MISFIT_COUNT]; /* the newest; NULL: none */
};
struct misfit_list {
    struct arena arena;
    struct misfit_row *rows;
    size_t count;
};
/* Days are UTC's. untold: only yesterday, and only what misfits_told() has not seen yet. */
struct misfit_list *misfits_list(const struct misfits *m, int64_t now_ms, bool untold);
void misfit_list_free(struct misfit_list *l);
/* The day before now_ms has been told; what is counted for it later begins at 0. */
void misfits_told(struct misfits *m, int64_t now_ms);

/* "192.0.2.7", "2001:db8::/64". */
const char *misfit_client_text(const struct ip *client, char out[IP_TEXT_MAX]);

#endif

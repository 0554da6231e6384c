/*
 * rights.h - the permissions, compiled: who may send as whom, and to whom. Pure.
 *
 * RFC 6409 6.1, 6.2; the header is judged by rights_header.h. Built once from a generation's rows,
 * read-only afterwards; a look-up takes the same time however many rows and patterns there are.
 * Logins are compared without ASCII case. Without a row of its own, and without a row "*", a login
 * may send as its own address to everybody; a client that needs no login may send as anybody,
 * unless a row "@trusted" says otherwise. Ownership: what it keeps lies in the arena that it was
 * built with, together with the generation's options. Any thread.
 */
#ifndef MSA_SERVER_RIGHTS_H
#define MSA_SERVER_RIGHTS_H

#include "msa/server/budget.h"
#include "msa/server/generation.h"
#include "msa/smtp/path.h"

struct rights;

/* Who asks: a row and whose login it is asked for. A value, as long as the rights are. */
struct rights_holder {
    const struct rights *rights;
    const struct rights_row *row;
    struct sv login; /* user@realm; empty: a client that needs none */
};

/* g has the files that patterns name, and outlives the rights. */
struct rights *rights_new(const struct generation *g, struct arena *a);
void rights_free(struct rights *r); /* NULL is allowed; before the arena is released */

struct rights_holder rights_of_login(const struct rights *r, struct sv login);
struct rights_holder rights_of_trusted(const struct rights *r);
/* A row as it was written, for people. */
struct rights_written {
    const struct conf_strings *may_send_as, *may_send_on_behalf_of, *may_send_to;
    bool gateway, allow_resent;
};
struct rights_written rights_written(const struct rights_holder *h);
/* What the holder may spend; the same for as long as the rights are. */
const struct budget_limits *rights_budget(const struct rights_holder *h);
/* Who may write to the postmaster alone, as anybody. */
struct rights_holder rights_of_anybody(const struct rights *r);

/* The header is neither judged nor completed. */
bool rights_is_gateway(const struct rights_holder *h);
bool rights_allow_resent(const struct rights_holder *h);
bool rights_may_send_as_all(const struct rights_holder *h);
bool rights_may_send_as(const struct rights_holder *h, const struct smtp_path *path);
bool rights_may_send_on_behalf_of(const struct rights_holder *h, const struct smtp_path *path);
/* Whether more than "*" lets it stand there: its address or domain is written. */
bool rights_are_named(const struct rights_holder *h, const struct smtp_path *path);
/* For a refusal, bounded: "alice@example.net may send as; allowed: alice@example.net". on_behalf:
 * also what may stand in From with a Sender. */
const char *rights_words(const struct rights_holder *h, bool on_behalf, struct arena *a);

/* Ask for each path of the envelope. True: allowed; else *reply_out says which address is refused
 * to whom, and which are allowed (text in the arena). */
bool rights_reverse_path(const struct rights_holder *h, const struct smtp_path *path,
                         struct arena *a, struct smtp_reply *reply_out);
bool rights_forward_path(const struct rights_holder *h, const struct smtp_path *path,
                         struct arena *a, struct smtp_reply *reply_out);

#endif

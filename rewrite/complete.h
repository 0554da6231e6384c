/*
 * complete.h - single-label domains in address fields, completed to names of our domains.
 *
 * RFC 6409 4.2 (draft 4.2): "sales" may become "sales.example.net" where that is a local
 * convention; only what is a single label, and only to a name that somebody verified. Which names
 * exist is asked of the caller: for each distinct label the candidates label.D, D in the order of
 * the domains, until one is there. The edits are made elsewhere (readdress.h).
 *
 * Ownership: views of the domains live as long as the struct; labels are copied. A name given out
 * is valid until the next call. Limits: REWRITE_LABELS_MAX distinct labels, REWRITE_LABEL_USES_MAX
 * places, names of 255 bytes; a candidate that would be no domain name is passed over unasked.
 * Calls: init; note for each place, in the order of the section; { next, answer }... until next
 * gives REWRITE_COMPLETE_DONE. One thread at a time.
 */
#ifndef REWRITE_COMPLETE_H
#define REWRITE_COMPLETE_H

#include "msa/smtp/path.h"
#include "rewrite/fields.h"
#include "rewrite/refusal.h"

#define REWRITE_LABELS_MAX     20
#define REWRITE_LABEL_USES_MAX 1000

enum rewrite_name_answer {
    REWRITE_NAME_YES,    /* verified, in DNS or in the configuration */
    REWRITE_NAME_NO,     /* there is no such name */
    REWRITE_NAME_UNKNOWN /* nobody can tell now */
};

enum rewrite_complete_step {
    REWRITE_COMPLETE_ASK,  /* is there this name? */
    REWRITE_COMPLETE_DONE, /* every label has its domain (or is to be left as it is) */
    REWRITE_COMPLETE_REFUSED
};

struct rewrite_label {
    char text[SMTP_LABEL_MAX + 1];
    enum rewrite_field_kind field; /* where it stood first */
    size_t domain;                 /* index of its domain; their count: it has none */
};

struct rewrite_complete {
    const struct sv *domains;
    size_t domain_count;
    bool keep; /* labels that have no domain, or are over a limit, stay as they are, instead of
                  being refused */
    struct rewrite_label labels[REWRITE_LABELS_MAX];
    size_t count, uses;
    size_t at, candidate; /* label and domain that are asked about */
    char name[SMTP_DOMAIN_MAX + 1];
};

void rewrite_complete_init(struct rewrite_complete *c, const struct sv *domains, size_t count,
                           bool keep);
/* A label that could be completed: it is one that a host name may have, not all of digits (as in
 * the envelope, msa/smtp/path.h), and there are domains. */
bool rewrite_complete_can(const struct rewrite_complete *c, struct sv label);
/* False: refused, over a limit. */
bool rewrite_complete_note(struct rewrite_complete *c, enum rewrite_field_kind field,
                           struct sv label, struct rewrite_refusal *refusal_out);
/* The same name again until it was answered. */
enum rewrite_complete_step rewrite_complete_next(struct rewrite_complete *c, struct sv *name_out,
                                                 struct rewrite_refusal *refusal_out);
/* False: refused for now, the answer being REWRITE_NAME_UNKNOWN. */
bool rewrite_complete_answer(struct rewrite_complete *c, enum rewrite_name_answer answer,
                             struct rewrite_refusal *refusal_out);
/* Whether a label was noted. */
bool rewrite_complete_has(const struct rewrite_complete *c, struct sv label);
/* The domain that completes a label, once all are answered; empty where none does. */
struct sv rewrite_complete_domain(const struct rewrite_complete *c, struct sv label);

#endif

/*
 * filter_pass.h - one message on its way through the milters, shared by filter_message.c (what they
 * are told, and the end) and filter_body.c (changes, and the body that one gives). Nobody else
 * includes it.
 */
#ifndef MSA_SERVER_FILTER_PASS_H
#define MSA_SERVER_FILTER_PASS_H

#include "msa/server/filter_internal.h"

enum pass_step { PASS_HEADER, PASS_EOH, PASS_BODY, PASS_END };

struct filter_pass {
    struct filter_target target;
    filter_ended *ended;
    void *arg;
    struct buf text; /* of the header section, as it was read */
    struct header header;
    bool header_read, body_changed;
    /* where the body is */
    struct queue_message *source; /* target.message, or other */
    struct queue_message *other;
    uint64_t body_at;
    /* the part asked */
    enum pass_step step;
    size_t field;    /* next to be told */
    uint64_t offset; /* likewise, in source */
    struct store_read *read;
    struct changes changes;
    struct content_writer *body; /* the new one it gives */
    struct queue_message *body_message;
    struct body_lines lines;
    uint64_t body_bytes;
    /* the end */
    struct content_writer *writer;
};

static inline struct store *filter_store(const struct filter *f)
{
    return f->worker->shared->store;
}

static inline const struct msa_limits_options *filter_limits(const struct filter *f)
{
    return &f->service->generation->options.limits;
}

/* Of the part asked. */
static inline struct filter_link *filter_link_asked(struct filter *f)
{
    return f->parts[f->at].link;
}

/* filter_body.c */
void filter_body_drop(struct filter_pass *p); /* the one that is being given */
void filter_body_forget(struct filter *f);    /* the one that was */
/* The part is done. True: filter_next() comes when the new body is on the disk. */
bool filter_body_conclude(struct filter *f);

#endif

/*
 * message.h - a queued message as threads pass it on: its envelope and, if small, its content.
 *
 * Immutable once it has been handed to store_put(); reference counted, any thread. Text lives in
 * the message's own arena; a text that is not known is "", never NULL. Recipients are not part of
 * it: rows (struct queue_row) are, because a job holds some of them only.
 */
#ifndef RELAY_QUEUE_MESSAGE_H
#define RELAY_QUEUE_MESSAGE_H

#include "msa/base/arena.h"
#include "msa/base/block.h"

#include <stdatomic.h>

#define QUEUE_ID_LEN 16
/* Messages up to this many bytes stay in the database and, while memory allows, in a block from
 * acceptance to delivery; larger ones are a spool file. */
#define QUEUE_SMALL_BYTES (64u << 10)
/* Most recipients of one message. */
#define QUEUE_ROWS_MAX (1u << 20)

/* A share of memory that messages are charged to; counted, any thread. */
struct queue_memory;
struct queue_memory *queue_memory_new(size_t max_bytes);
void queue_memory_drop(struct queue_memory *q); /* NULL is allowed */
size_t queue_memory_used(const struct queue_memory *q);

struct queue_message {
    char id[QUEUE_ID_LEN + 1];
    int64_t received_ms;      /* wall time of acceptance, milliseconds */
    const char *reverse_path; /* mailbox without <>; "" is the null reverse-path */
    const char *mail_params;  /* what smtp_envelope_write_mail() wrote: path in brackets, params */
    const char *login;        /* who submitted it; "" for our own reports */
    const char *client;       /* client address, for trace; never sent on */
    const char *message_id;   /* value of the Message-ID field, for trace */
    uint64_t size;            /* bytes of content, CRLF lines, as stored */
    const char *prefix;       /* sent before the content and no part of it: header fields that sign
                                 it, with their CRLFs */
    struct sv provenance;     /* how the header came to be what it is (rewrite/provenance.h), kept
                                 with the message by store_put(); empty in one that was claimed */
    struct block *provenance_start; /* what stands before provenance, where other messages have it
                                       as well; NULL: nothing */
    bool eight_bit;                 /* content holds bytes above 127 */
    bool smtputf8;                  /* the header needs SMTPUTF8; addresses speak for themselves */
    bool binary;                    /* content cannot be sent as lines of text (RFC 3030) */
    bool long_lines;                /* nor this: a line is longer than 998 bytes (RFC 5322 2.1.1) */
    bool tls_optional;              /* the field "TLS-Required: No" (RFC 8689 5) */
    int8_t priority;                /* MT-PRIORITY, -9 to 9 (RFC 6710) */
    bool spooled;                   /* content is a spool file, else a row of the database */
    struct block *content;          /* NULL: read it with store_read() */
    struct arena arena;             /* owns the strings above */
    /* Private to message.c */
    atomic_uint refs;
    struct queue_memory *memory;
    size_t charged_bytes;
};

/* One recipient of a message. */
struct queue_row {
    uint32_t number;         /* within the message, from 0, below QUEUE_ROWS_MAX */
    const char *address;     /* mailbox of the forward-path, without <> */
    const char *domain;      /* the destination: lower-case A-label domain, or "[literal]" */
    const char *rcpt_params; /* what smtp_envelope_write_rcpt() wrote: path in brackets, params */
    int64_t due_ms;          /* wall time of the next attempt */
    uint32_t attempts;       /* made so far */
    bool delay_warned;       /* a delayed report has been sent */
    bool by_told;            /* the author knows that the BY time has passed (RFC 2852) */
    bool v4_only;            /* a host of its domain asked for this message over IPv4 (MX6) */
    bool held;
    int64_t held_ms;         /* how long it was held, by operator or author: that does not age it */
    const char *last_status; /* enhanced status of the last attempt, "" before */
    const char *last_text;   /* what the remote or we said */
};

/* A message with the rows of it that go together; rows and their text live in arena. */
struct queue_batch {
    struct queue_message *message; /* one reference */
    struct queue_row *rows;
    size_t nrows;
    struct arena arena;
};

/* Bytes that are sent: prefix and content. */
uint64_t queue_message_bytes(const struct queue_message *m);

/* Zeroed, texts "", one reference, arena ready; the caller writes an id. */
struct queue_message *queue_message_new(void);
struct queue_message *queue_message_keep(struct queue_message *m);
void queue_message_drop(struct queue_message *m); /* NULL is allowed */
/* No policy of the receiver that asks for TLS binds it (RFC 8689 5). */
bool queue_message_waives_tls(const struct queue_message *m);
/* Appends the whole record to out. */
void queue_message_provenance(const struct queue_message *m, struct buf *out);
/* Counts bytes against q until the message is freed; false (and nothing counted) if q has less
 * room. Once a message, by the thread that owns the only reference or before others look. */
bool queue_message_charge(struct queue_message *m, struct queue_memory *q, size_t bytes);

/* Keeps m; rows are zeroed, numbered from 0, their texts "". */
struct queue_batch *queue_batch_new(struct queue_message *m, size_t nrows);
void queue_batch_free(struct queue_batch *b); /* NULL is allowed */
/* A batch of the count rows of b whose indices are given, with copies of their text. */
struct queue_batch *queue_batch_pick(const struct queue_batch *b, const size_t *indices,
                                     size_t count);

/* All rows wait for the operator; why: for listings, behind other reasons, copied. */
void queue_batch_hold(struct queue_batch *b, const char *why);

/* A fresh id from wall time and randomness: 16 of [0-9a-z], 9 of time first: sorts by time. */
void queue_id_make(char out[QUEUE_ID_LEN + 1], int64_t wall_ms, uint64_t random);
bool queue_id_valid(struct sv text);

#endif

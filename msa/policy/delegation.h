/*
 * delegation.h - Postfix's policy delegation protocol: a request of attributes, one action back.
 *
 * As SMTPD_POLICY_README of Postfix has it: lines "name=value" ended by LF, an empty line behind
 * them, in both directions. Actions are those of access(5) that make sense for a submission server.
 * Ownership: views of the caller's; those of an answer point into its bytes. Any thread.
 */
#ifndef MSA_POLICY_DELEGATION_H
#define MSA_POLICY_DELEGATION_H

#include "msa/base/buf.h"

#define DELEGATION_ANSWER_MAX 8192u /* bytes of one answer */

/* name of the attribute, field */
#define DELEGATION_TEXTS(XX)               \
    XX("protocol_state", state)            \
    XX("protocol_name", protocol)          \
    XX("helo_name", helo)                  \
    XX("queue_id", queue_id)               \
    XX("sender", sender)                   \
    XX("recipient", recipient)             \
    XX("client_address", client)           \
    XX("client_port", client_port)         \
    XX("instance", instance)               \
    XX("sasl_method", mechanism)           \
    XX("sasl_username", login)             \
    XX("sasl_sender", auth_sender)         \
    XX("encryption_protocol", tls_version) \
    XX("encryption_cipher", tls_cipher)    \
    XX("server_address", server)           \
    XX("server_port", server_port)

struct delegation_request {
#define DELEGATION_FIELD(name, field) struct sv field;
    DELEGATION_TEXTS(DELEGATION_FIELD)
#undef DELEGATION_FIELD
    uint32_t recipient_count; /* DATA and later */
    uint64_t size;            /* as told at MAIL, or of the message; 0: not known */
};

enum delegation_action {
    DELEGATION_PASS,
    DELEGATION_REFUSE,  /* text: may be empty, or begin with an enhanced status */
    DELEGATION_DEFER,   /* likewise */
    DELEGATION_REPLY,   /* text: "450 4.7.1 words" */
    DELEGATION_HOLD,    /* text: why */
    DELEGATION_DISCARD, /* text: why */
    DELEGATION_PREPEND, /* text: "Name: value" */
    DELEGATION_NOTE,    /* passes; text is for the log */
    DELEGATION_UNKNOWN, /* text: all of the action */
};

enum delegation_progress { DELEGATION_MORE, DELEGATION_DONE, DELEGATION_BAD };

struct delegation_answer {
    enum delegation_action action;
    struct sv text;
    size_t bytes; /* of the whole answer */
};

/* Control characters of values become "?". ERR_FULL. */
int delegation_write(const struct delegation_request *r, struct buf *out) MUST_CHECK;
/* BAD: no action, or no end within DELEGATION_ANSWER_MAX. */
enum delegation_progress delegation_parse(struct sv bytes, struct delegation_answer *out);

#endif

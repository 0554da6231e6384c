/*
 * client_int.h - the inside of the client core, shared by client*.c only.
 *
 * A transaction is a row of steps: 0 RSET (left out where nothing is to be reset), 1 MAIL, then
 * one RCPT a recipient (who must not go to this server is passed over), then DATA, unless content
 * goes by BDAT. step_sent and step_replied walk over them, then chunks_sent and chunks_replied over
 * the chunks; replies are matched by counting alone (RFC 2920 3.1). phase is that of the next
 * reply, but that it is END_OF_DATA as soon as all of the content is with the kernel.
 */
#ifndef MSA_SMTP_CLIENT_INT_H
#define MSA_SMTP_CLIENT_INT_H

#include "msa/smtp/client.h"
#include "msa/smtp/dot.h"
#include "msa/smtp/reply_parse.h"

#define CLIENT_OUT_MAX     (40u << 10) /* bytes of commands and small bodies in one SEND, at most */
#define CLIENT_OUT_FULL    (32u << 10) /* no further command is added beyond */
#define CLIENT_SECRET_MAX  (16u << 10) /* of an AUTH line or challenge */
#define CLIENT_CHUNKS_MAX  4           /* sent and not answered yet, where PIPELINING is offered */
#define CLIENT_NAME_MAX    255         /* bytes of the server's name */
#define CLIENT_DOMAINS_MAX (4u << 10)  /* bytes of domains that RCPTDOMAINMAX counts */

enum { STEP_RSET, STEP_MAIL, STEP_RCPT };

struct smtp_client {
    struct smtp_client_config config;
    enum smtp_phase phase;
    uint64_t phase_began_ms, now_ms;
    struct smtp_reply_parser parser;
    struct smtp_peer peer;
    char greeting[CLIENT_NAME_MAX + 1];
    bool tls_active, starttls_refused, logged_in, auth_waiting;
    bool need_rset; /* the server holds a transaction that did not reach its end of data */

    struct buf out;       /* to be sent; emptied when the SEND after it is asked for */
    struct buf secret;    /* the same for AUTH lines */
    struct buf challenge; /* decoded */
    bool was_sent;        /* out, secret were given out by the last next() */
    bool in_flight;       /* what was given out is not known to be with the kernel */

    struct smtp_client_mail mail;
    bool in_mail;                               /* a transaction is under way */
    bool decided;                               /* its MESSAGE result exists */
    bool discards;                              /* a lone dot was sent because nobody accepted it */
    bool bdat;                                  /* its content goes in chunks */
    bool kept_back;                             /* some recipients must not go to this server */
    uint32_t step_sent, step_replied, step_end; /* step_end: behind the RCPTs; DATA, if any */
    uint32_t accepted, refused;                 /* recipients; refused: that have a result */
    uint8_t *takers;                            /* LMTP: of each recipient, 1 if it is accepted */
    uint32_t taker;                             /* LMTP: whose reply is next */

    struct smtp_stuff stuff;
    struct sv body; /* what is left of the piece */
    bool body_asked, in_piece, body_last, in_chunk;
    bool early; /* the server has begun to answer ahead of the end: nothing goes out before it is
                   known what it says */
    uint32_t chunks_sent, chunks_replied;

    /* what LIMITS are about */
    uint32_t mails;     /* MAIL commands of this session */
    struct buf domains; /* of its RCPT commands, "\n" behind each */

    /* actions that wait for next() */
    bool has_recipient, has_message, has_timer, has_starttls, has_auth, has_body, has_ready,
        has_closed;
    bool auth_first;
    bool by_token, token_tried; /* AUTH under way by a token; one was refused already */
    uint32_t recipient_index;
    uint64_t timeout_ms;
    struct smtp_client_result recipient, message, closed;
};

/* First thing in every event: time, and bytes that were given out are gone. */
void smtp_client_event(struct smtp_client *c, uint64_t now_ms);
void smtp_client_enter(struct smtp_client *c, enum smtp_phase phase); /* the one writer of phase */
void smtp_client_ehlo(struct smtp_client *c);                         /* EHLO or LHLO goes out */
void smtp_client_put(struct smtp_client *c, struct sv text);          /* to out */
struct smtp_client_result smtp_client_result_of(const struct smtp_client *c, enum smtp_end end);
/* The session is over: MESSAGE for what is undecided, CLOSED; polite: QUIT goes out before. */
void smtp_client_finish(struct smtp_client *c, const struct smtp_client_result *r, bool polite);
void smtp_client_protocol(struct smtp_client *c, const char *detail); /* finish with PROTOCOL */
void smtp_client_after_ehlo(struct smtp_client *c);                   /* TLS, AUTH or idle */
/* One whole reply is in the parser. */
void smtp_client_on_reply(struct smtp_client *c);
bool smtp_client_offers(const struct smtp_client *c, enum smtp_ext_id id);
/* The MESSAGE result: the reply that was just read. */
void smtp_client_decide(struct smtp_client *c, const struct smtp_client_result *r);
void smtp_client_decide_reply(struct smtp_client *c);
/* Envelope (client_mail.c). */
void smtp_client_on_step(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_fill(struct smtp_client *c); /* writes commands that may go out now */
void smtp_client_next_kept_back(struct smtp_client *c, uint32_t from); /* its RECIPIENT result */
/* Content (client_body.c). */
void smtp_client_begin_body(struct smtp_client *c);
void smtp_client_on_body(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_on_end_of_data(struct smtp_client *c, const struct smtp_reply *r);
bool smtp_client_is_whole(const struct smtp_client *c);     /* all of the content was given out */
bool smtp_client_awaits_chunk(const struct smtp_client *c); /* a chunk is not answered yet */
/* Content that may go out now: into out, or a view of a long run. */
struct sv smtp_client_fill_body(struct smtp_client *c);

#endif

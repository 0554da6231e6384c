/*
 * reject.h - the one table from environment errors to SMTP replies.
 *
 * RFC 5321 4.2.4, RFC 3463. No other function of the server turns an error number into a code.
 * Any thread; texts are static.
 */
#ifndef MSA_SERVER_REJECT_H
#define MSA_SERVER_REJECT_H

#include "msa/smtp/reply.h"
#include "rewrite/dkim.h"

/* The reply to a client whose message could not be kept because of err (negative). */
struct smtp_reply reject_storage(int err);
/* The same for what was kept of an interrupted message; -EBUSY: another session has it. */
struct smtp_reply reject_partial(int err);
/* Refusals that need no error number. */
struct smtp_reply reject_slow(void);  /* 451 4.3.0 an operation took too long */
struct smtp_reply reject_names(void); /* 451 4.4.3 the DNS does not answer */
/* rewrite.dkim[].require: 451 4.7.0, or for good where From or the section's size is why */
struct smtp_reply reject_unsigned(enum rewrite_dkim_lack lack);
/* S/MIME; the text is the caller's where none is named. */
struct smtp_reply reject_smime_now(void);      /* 451 4.7.0 rewrite.smime: no signature now */
struct smtp_reply reject_smime_ever(void);     /* 550 5.7.5 likewise, and never */
struct smtp_reply reject_no_certificate(void); /* 550 5.7.5 rewrite.encrypt */
struct smtp_reply reject_no_directory(void);   /* 451 4.7.0 rewrite.certificates: it is silent */
struct smtp_reply reject_many_hidden(void);    /* 550 5.5.3 too many to encrypt to one by one */
struct smtp_reply reject_no_login(void);       /* 530 5.7.0 */
struct smtp_reply reject_no_return(void);      /* 550 5.1.8 the return path's domain is not */
struct smtp_reply reject_null_return(void);    /* 550 5.7.27 it takes no mail */
struct smtp_reply reject_literal_return(void); /* 550 5.1.8 no mail is sent to that address */
/* 450 4.7.1, or 550 5.7.1 where it will never fit; text and setting are the caller's */
struct smtp_reply reject_budget(bool never);
struct smtp_reply reject_trickle(void);         /* 421 4.4.2 limits.data_rate */
struct smtp_reply reject_shutdown(void);        /* 421 4.3.2 */
struct smtp_reply reject_paused(void);          /* 450 4.3.2 msactl pause submission */
struct smtp_reply reject_memory(void);          /* 452 4.3.1 */
struct smtp_reply reject_session_memory(void);  /* 421 4.3.1 limits.memory */
struct smtp_reply reject_connections(void);     /* 421 4.3.2 limits.connections */
struct smtp_reply reject_client(void);          /* 421 4.7.0 limits.connections_per_client */
struct smtp_reply reject_auth_temporary(void);  /* 454 4.7.0 */
struct smtp_reply reject_auth_failed(void);     /* 535 5.7.8 */
struct smtp_reply reject_auth_blocked(void);    /* 454 4.7.0 auth.block.failures */
struct smtp_reply reject_refused_network(void); /* 554 5.7.1 auth.refused_networks */
struct smtp_reply reject_auth_mechanism(void);  /* 504 5.5.4 */
struct smtp_reply reject_auth_needs_tls(void);  /* 538 5.7.11 */
struct smtp_reply reject_account_changed(void); /* 421 4.7.0 */
struct smtp_reply reject_continued(void);       /* 421 4.3.0 */
struct smtp_reply reject_finished(void);        /* 554 5.5.0 */

struct smtp_reply reject_returns(void);       /* 452 4.3.1 too many of XRETURN at once */
struct smtp_reply reject_returned_held(void); /* 550 5.7.1 policy would not let it go */

#endif

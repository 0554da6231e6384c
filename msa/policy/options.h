/*
 * options.h - the keys of the group "policy": filters that an operator plugs in (RFC 6409 6.3).
 *
 * Values are plain memory inside a generation, read-only, any thread.
 */
#ifndef MSA_POLICY_OPTIONS_H
#define MSA_POLICY_OPTIONS_H

#include "msa/base/conf.h"
#include "msa/base/ip.h"

#define POLICY_MILTERS_MAX 16

/* What happens to mail while a filter does not answer, or not as it should. */
enum policy_on_error { POLICY_ON_ERROR_TEMPFAIL, POLICY_ON_ERROR_ACCEPT, POLICY_ON_ERROR_REJECT };

/* When the policy service is asked; bits (1 << stage) of policy_options_stages(). */
enum policy_stage {
    POLICY_STAGE_MAIL,
    POLICY_STAGE_RCPT,
    POLICY_STAGE_DATA,
    POLICY_STAGE_END_OF_MESSAGE,
    POLICY_STAGES
};

struct policy_milter_options {
    const char *socket; /* for policy_options_socket() */
    int64_t timeout_s;  /* each answer */
    int on_error;       /* enum policy_on_error */
};

struct policy_options {
    struct conf_list milters; /* of struct policy_milter_options */
    const char *service;      /* for policy_options_socket(); "": none */
    int64_t service_timeout_s;
    int service_on_error; /* enum policy_on_error */
    struct conf_strings service_stages;
};

extern const struct conf_option policy_options_rows[];

struct policy_socket {
    const char *path; /* of a unix socket, within the option's text; NULL: at */
    struct ip_port at;
};

/* "unix:/path", "local:/path", "inet:PORT@ADDRESS", "inet6:PORT@ADDRESS" (as milters write it),
 * "inet:ADDRESS:PORT" (as Postfix does). ADDRESS is one, brackets allowed, or "localhost": names
 * are not looked up. */
bool policy_options_socket(const char *text, struct policy_socket *out);
/* Whether any of it is a unix socket: the sandbox has to let them through. */
bool policy_options_unix(const struct policy_options *o);
unsigned policy_options_stages(const struct policy_options *o);
/* The name of a stage, as the protocol has it. */
const char *policy_stage_text(enum policy_stage stage);

#endif

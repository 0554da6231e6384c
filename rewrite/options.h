/*
 * options.h - the keys of the group "rewrite": what is judged, completed and hidden in the header.
 *
 * RFC 6409 sections 4.2, 5.1, 6.3 and 8. Values are plain memory inside a generation, read-only,
 * any thread.
 */
#ifndef REWRITE_OPTIONS_H
#define REWRITE_OPTIONS_H

#include "rewrite/smime_options.h"
#include "rewrite/dkim_options.h"

enum rewrite_add_sender { REWRITE_SENDER_ON_BEHALF, REWRITE_SENDER_ALWAYS, REWRITE_SENDER_NEVER };
enum rewrite_header_errors { REWRITE_ERRORS_REFUSE, REWRITE_ERRORS_ACCEPT };

struct rewrite_rule_options {
    const char *match, *replace; /* rules.h; or */
    const char *map;             /* "file:/path" */
    struct conf_strings in, of;  /* "envelope", "header"; "sender", "recipient" */
};

enum rewrite_resolve_aliases {
    REWRITE_ALIASES_STAY,
    REWRITE_ALIASES_ENVELOPE,
    REWRITE_ALIASES_BOTH
};

struct rewrite_options {
    bool complete_domains;    /* single labels, in the envelope too */
    bool add_date;            /* when missing or unreadable */
    bool add_message_id;      /* when missing or unreadable */
    bool add_from;            /* when missing */
    int add_sender;           /* enum rewrite_add_sender */
    bool hide_client;         /* Received tells nothing about the client's address or name */
    int resolve_aliases;      /* enum rewrite_resolve_aliases */
    int header_errors;        /* enum rewrite_header_errors */
    struct conf_strings drop; /* names of fields */
    bool drop_forged_results;
    /* S/MIME */
    struct conf_list smime;           /* struct rewrite_smime_options: who signs */
    struct conf_list encrypt;         /* struct rewrite_encrypt_options: who is encrypted to */
    struct conf_strings certificates; /* paths: certificates of recipients, and folders of them;
                                         URLs of directories */
    const char *certificate_ca;       /* path, PEM; "": recipients' chains are not verified */
    struct rewrite_directory_options directory;
    struct conf_list dkim;  /* of struct rewrite_dkim_options */
    struct conf_list rules; /* of struct rewrite_rule_options */
};

extern const struct conf_option rewrite_options_rows[];

#endif

/*
 * options.h - the keys of the group "rewrite": what is completed and hidden in the header.
 *
 * RFC 6409 section 8. Values are plain memory inside a generation, read-only, any thread.
 */
#ifndef REWRITE_OPTIONS_H
#define REWRITE_OPTIONS_H

#include "msa/base/conf.h"

struct rewrite_options {
    bool add_date;       /* when missing */
    bool add_message_id; /* when missing */
    bool hide_client;    /* Received tells nothing about the client's address or name */
};

extern const struct conf_option rewrite_options_rows[];

#endif

/*
 * options.h - the keys of the group "queue": how long mail is kept and how often it is tried.
 *
 * RFC 5321 4.5.4.1. Values are plain memory inside a generation, read-only, any thread.
 */
#ifndef RELAY_QUEUE_OPTIONS_H
#define RELAY_QUEUE_OPTIONS_H

#include "msa/base/conf.h"

enum queue_store {
    QUEUE_STORE_SQLITE,
};

struct queue_options {
    int store;                  /* enum queue_store */
    int64_t lifetime_s;         /* from acceptance to the failure report */
    int64_t delay_warning_s;    /* to the one delay report; at or above lifetime_s: none */
    struct conf_ints retry;     /* never empty; the last one repeats */
    int64_t history_s;          /* multiple of a day */
    int64_t history_size_bytes; /* all history files together */
    int64_t bounce_body_bytes;  /* of the original returned in a failure report */
};

extern const struct conf_option queue_options_rows[];

#endif

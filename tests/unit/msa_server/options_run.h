/*
 * options_run.h - reads a configuration text and keeps everything for a test to look at.
 */
#ifndef TESTS_OPTIONS_RUN_H
#define TESTS_OPTIONS_RUN_H

#include "msa/server/options.h"

#include <stdlib.h>

struct run {
    struct arena arena;
    struct conf_faults faults;
    struct conf_source src;
    struct msa_options o;
    bool ok;
    char *printed;
};

static void run_start(struct run *r, const char *text, const char *fqdn)
{
    struct buf out;
    arena_init(&r->arena);
    conf_faults_init(&r->faults, &r->arena);
    r->ok = options_read("m", sv_of(text), fqdn, &r->arena, &r->o, &r->faults, &r->src);
    buf_init(&out, 1 << 20, 0);
    conf_faults_print(&r->faults, &out);
    r->printed = buf_take(&out, NULL);
}

static void run_stop(struct run *r)
{
    free(r->printed);
    arena_deinit(&r->arena);
}

#endif

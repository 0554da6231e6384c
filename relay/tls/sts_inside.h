/*
 * sts_inside.h - what the files of sts share. The rules are in sts.h.
 *
 * sts.c: questions, answers, refreshing. sts_flight.c: finding out. sts_cache.c: what is known.
 */
#ifndef RELAY_TLS_STS_INSIDE_H
#define RELAY_TLS_STS_INSIDE_H

#include "relay/tls/sts.h"

#include <uthash.h>

struct sts_flight;

/* One domain. Times are monotonic unless they say otherwise, so that a clock that is set ends no
 * policy. */
struct sts_entry {
    struct sts *sts;
    char *domain;
    /* the policy, if text is not NULL: parsed anew for each answer */
    char *text;
    size_t len;
    char id[STS_ID_MAX + 1];
    enum sts_mode mode;
    uint32_t max_age_s;
    uint64_t expires_ms, refresh_ms;
    bool doubted;                /* it had ended by the wall clock alone when it was read */
    int64_t fetched_ms, used_ms; /* wall */
    /* the last look */
    uint64_t fresh_until_ms; /* no other look before */
    bool announced;          /* there was a record, or it could not be told */
    char *trouble;           /* what was wrong; NULL: nothing */
    char failed_id[STS_ID_MAX + 1];
    uint64_t failed_until_ms; /* no fetch of failed_id before */
    bool failed_late;         /* it was the time that ran out: nor of another id */
    unsigned failures;        /* in a row */

    struct sts_flight *flight; /* NULL: nobody is looking */
    struct sts_query *askers;
    UT_hash_handle hh;
    struct sts_entry *next, *prev; /* last asked for first */
};

struct sts {
    struct sts_config config;
    struct keep *keep;
    struct fetch_world world;
    bool on;
    struct sts_entry *table, *order;
    size_t count, bytes;
    int64_t newest_ms;          /* wall, of any row that was kept */
    struct sts_flight *waiting; /* for a slot of STS_FETCHES_MAX, the longest first */
    size_t nwaiting, fetching;
    struct timer crowd; /* while some wait */
    struct timer sweep;
    struct sts_stats stats;
};

/* ---- sts_cache.c ---- */
/* Made if it is not there, and the one asked for last from here on. */
struct sts_entry *sts_entry_get(struct sts *s, const char *domain);
void sts_entry_free(struct sts_entry *e);                         /* no flight, no askers */
bool sts_entry_holds(const struct sts_entry *e, uint64_t now_ms); /* a policy that has not ended */
/* A policy that was fetched now, under this id; kept. ERR_SYNTAX with *wrong_out (static). */
int sts_entry_set(struct sts_entry *e, const char *id, struct sv text,
                  const char **wrong_out) MUST_CHECK;
void sts_entry_drop_policy(struct sts_entry *e);
void sts_entry_trouble(struct sts_entry *e, const char *text); /* NULL: none; copied */

/* ---- sts_flight.c ---- */
void sts_flight_start(struct sts_entry *e);
void sts_flight_cancel(struct sts_entry *e); /* if there is one */
void sts_on_crowd(void *sts);                /* crowd's */

/* ---- sts.c ---- */
/* The flight is over: all who ask are answered. */
void sts_landed(struct sts_entry *e);

#endif

/*
 * sts_policy.h - MTA-STS: the TXT record, the text of a policy, and which hosts it allows.
 *
 * RFC 8461 3.1 (record), 3.2 (policy), 4.1 (hosts). Pure: no fetch, no clock, no cache; those are
 * sts.h's. Strict: what the grammar does not allow makes the whole record or policy void, but for
 * empty lines, which real policies have. Unknown fields are ignored; of a repeated field other
 * than mx the first counts. A max_age above the RFC's bound is taken as the bound: a slip there
 * must not leave a domain without protection.
 *
 *     struct arena a; struct sts_policy p; const char *wrong;
 *     if (sts_policy_parse(body, &a, &p, &wrong) == 0 && p.mode == STS_MODE_ENFORCE &&
 *         !sts_policy_allows(&p, "mx1.example.net")) ...   this host must not be used
 *
 * Ownership: what a policy names belongs to the arena that it was parsed into. Any thread.
 */
#ifndef RELAY_TLS_STS_POLICY_H
#define RELAY_TLS_STS_POLICY_H

#include "msa/base/arena.h"

#define STS_POLICY_MAX_BYTES 65536    /* RFC 8461 3.3 */
#define STS_POLICY_MX_MAX    1000     /* more patterns: refused */
#define STS_MAX_AGE_S        31557600 /* RFC 8461 3.2 */
#define STS_ID_MAX           32

/* name, value of the field "mode" */
#define STS_MODES(XX)      \
    XX(NONE, "none")       \
    XX(TESTING, "testing") \
    XX(ENFORCE, "enforce")

enum sts_mode {
#define STS_MODE_ENUM(name, text) STS_MODE_##name,
    STS_MODES(STS_MODE_ENUM)
#undef STS_MODE_ENUM
};

struct sts_policy {
    enum sts_mode mode;
    uint32_t max_age_s;       /* at most STS_MAX_AGE_S */
    const char *const *mx;    /* patterns in lower case: "mx.example.net", "*.example.net" */
    size_t nmx;               /* at least 1 unless the mode is none */
    const char *const *lines; /* as they were written, without line ends; empty ones left out */
    size_t nlines;
};

const char *sts_mode_text(enum sts_mode mode);

/* 0, or ERR_SYNTAX with *wrong_out (in the arena, printable). */
int sts_policy_parse(struct sv text, struct arena *arena, struct sts_policy *out,
                     const char **wrong_out) MUST_CHECK;
/* Whether a pattern takes the host: a name in lower case, A-labels, without the dot at the end.
 * "*" stands for one whole label. */
bool sts_policy_allows(const struct sts_policy *p, const char *host);

/* What is known of a domain, for the planner; sts.h finds it out. */
enum sts_status {
    STS_ABSENT,  /* the domain has no policy */
    STS_PRESENT, /* policy: fetched now or before and not yet too old; its mode may be none */
    STS_UNKNOWN, /* it announces one that cannot be had, and none is kept: as if absent (5.1) */
};

struct sts_answer {
    enum sts_status status;
    const struct sts_policy *policy; /* STS_PRESENT only */
    uint32_t left_s;                 /* how long this may be used, at least 1 */
    const char *why;                 /* words for the operator, one line */
};

enum sts_record {
    STS_RECORD_FOUND,
    STS_RECORD_NONE,    /* no record begins with v=STSv1 */
    STS_RECORD_INVALID, /* more than one does, or it breaks the grammar */
};
/* Chooses among the TXT records of _mta-sts.DOMAIN; id_out is a C string, "" unless FOUND. */
enum sts_record sts_record_find(const struct sv *texts, size_t n, char id_out[STS_ID_MAX + 1]);

#endif

/*
 * MTA-STS. The input as a policy: what is accepted says the same when its own lines are read again,
 * every pattern without a wildcard allows itself, and one with it a label more, never two. The
 * input as TXT records, one a line: an id that is found is one by the grammar, and so are the
 * targets of reports (RFC 8460).
 */
#include "msa/base/buf.h"
#include "msa/base/require.h"
#include "relay/tls/sts_policy.h"
#include "relay/tls/tlsrpt_record.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_patterns(const struct sts_policy *p, struct arena *a)
{
    for (size_t i = 0; i < p->nmx && i < 20; i++) {
        struct sts_policy one = {.mode = p->mode, .mx = p->mx + i, .nmx = 1};
        const char *pattern = p->mx[i];
        bool wild = pattern[0] == '*';
        const char *rest = wild ? pattern + 2 : pattern;
        REQUIRE(sts_policy_allows(&one, rest) != wild);
        REQUIRE(sts_policy_allows(&one, arena_printf(a, "x.%s", rest)) == wild);
        REQUIRE(!sts_policy_allows(&one, arena_printf(a, "x.y.%s", rest)));
    }
}

static void check_policy(struct sv text)
{
    struct arena a;
    struct sts_policy p, q;
    struct buf again;
    const char *wrong;
    arena_init(&a);
    buf_init(&again, STS_POLICY_MAX_BYTES + 1, 0);
    if (sts_policy_parse(text, &a, &p, &wrong) == 0) {
        REQUIRE(p.max_age_s <= STS_MAX_AGE_S && p.nmx <= STS_POLICY_MX_MAX);
        REQUIRE(p.nmx > 0 || p.mode == STS_MODE_NONE);
        check_patterns(&p, &a);
        for (size_t i = 0; i < p.nlines; i++)
            REQUIRE(buf_printf(&again, "%s\n", p.lines[i]) == 0);
        struct sv lines = buf_view(&again);
        REQUIRE(sts_policy_parse(sv_first(lines, lines.len - 1), &a, &q, &wrong) == 0);
        REQUIRE(q.mode == p.mode && q.max_age_s == p.max_age_s && q.nmx == p.nmx);
        REQUIRE(q.nlines == p.nlines);
    } else {
        REQUIRE(wrong && *wrong);
    }
    buf_deinit(&again);
    arena_deinit(&a);
}

#define TEXTS_MAX 8 /* TXT records of a name; room for one more is behind them */

static size_t split(struct sv text, struct sv texts[TEXTS_MAX + 1])
{
    size_t n = 0;
    while (text.len && n < TEXTS_MAX)
        texts[n++] = sv_split(&text, '\n');
    return n;
}

/* A name's other records change nothing, and a second one of the kind makes both void. */
static void check_record(struct sv text)
{
    struct sv texts[TEXTS_MAX + 1];
    char id[STS_ID_MAX + 1], again[STS_ID_MAX + 1];
    size_t n = split(text, texts);
    enum sts_record found = sts_record_find(texts, n, id);
    REQUIRE((found == STS_RECORD_FOUND) == (id[0] != '\0'));
    for (const char *c = id; *c; c++)
        REQUIRE(ascii_alpha(*c) || ascii_digit(*c));
    texts[n] = SV("v=spf1 -all");
    REQUIRE(sts_record_find(texts, n + 1, again) == found && strcmp(id, again) == 0);
    texts[n] = SV("v=STSv1; id=another");
    enum sts_record both = sts_record_find(texts, n + 1, again);
    REQUIRE(both == (found == STS_RECORD_NONE ? STS_RECORD_FOUND : STS_RECORD_INVALID));
}

/* A target is a mailbox, or host, port and path: nothing that could end a line or begin a word. */
static void check_targets(struct sv text)
{
    struct tlsrpt_target t[TLSRPT_TARGETS_MAX];
    struct sv texts[TEXTS_MAX + 1];
    struct arena a;
    size_t ntexts = split(text, texts);
    arena_init(&a);
    size_t n = tlsrpt_record_targets(texts, ntexts, &a, t);
    REQUIRE(n <= TLSRPT_TARGETS_MAX);
    for (size_t i = 0; i < n; i++) {
        const char *parts[] = {t[i].mailbox ? t[i].mailbox : t[i].host,
                               t[i].mailbox ? "" : t[i].path};
        REQUIRE(*parts[0] && (t[i].mailbox || (t[i].port > 0 && t[i].path[0] == '/')));
        for (size_t k = 0; k < 2; k++)
            for (const char *c = parts[k]; *c; c++)
                REQUIRE(*c > ' ' && *c <= '~');
    }
    texts[ntexts] = SV("v=TLSRPTv1;rua=mailto:a@b");
    REQUIRE(n == 0 || tlsrpt_record_targets(texts, ntexts + 1, &a, t) == 0);
    arena_deinit(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv text = {(const char *)data, size};
    check_policy(text);
    check_record(text);
    check_targets(text);
    return 0;
}

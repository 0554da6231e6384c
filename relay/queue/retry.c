#include "relay/queue/retry.h"

#include "msa/base/require.h"

static int64_t ms_of(int64_t seconds)
{
    return seconds * 1000;
}

/* interval -10 % ... +10 % */
static int64_t jittered(int64_t interval_ms, uint64_t random)
{
    int64_t tenth = interval_ms / 10;
    if (tenth <= 0)
        return interval_ms;
    return interval_ms - tenth + (int64_t)(random % (uint64_t)(2 * tenth + 1));
}

uint32_t retry_step(const struct queue_options *options, int64_t age_ms, uint32_t attempts)
{
    uint32_t step = 0;
    while (step + 1 < options->retry.count && age_ms >= ms_of(options->retry.items[step]))
        age_ms -= ms_of(options->retry.items[step++]);
    return step > attempts ? step : attempts;
}

struct retry_decision retry_after(const struct queue_options *options, int64_t age_ms,
                                  uint32_t attempts, bool delay_warned, int64_t now_ms,
                                  uint64_t random)
{
    REQUIRE(options->retry.count > 0);
    int64_t left_ms = ms_of(options->lifetime_s) - age_ms;
    struct retry_decision out = {.verdict = RETRY_EXPIRED};
    if (left_ms <= 0)
        return out;
    size_t last = options->retry.count - 1;
    size_t i = attempts < last ? attempts : last;
    out.verdict = RETRY_LATER;
    out.due_ms = now_ms + jittered(ms_of(options->retry.items[i]), random);
    if (out.due_ms > now_ms + left_ms)
        out.due_ms = now_ms + left_ms;
    bool wanted = options->delay_warning_s > 0 && options->delay_warning_s < options->lifetime_s;
    out.warn = wanted && !delay_warned && age_ms >= ms_of(options->delay_warning_s);
    return out;
}

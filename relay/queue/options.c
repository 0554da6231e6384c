#include "relay/queue/options.h"

#define DAY INT64_C(86400)
#define KIB INT64_C(1024)
#define GIB (KIB * KIB * KIB)

static const char *const store_names[] = {"sqlite", NULL};

const struct conf_option queue_options_rows[] = {
    CONF_ROW(CONF_ENUM, struct queue_options, store, "store", "sqlite", "kind of queue store",
             "\"sqlite\" keeps envelopes and small messages in a database under <state>/queue and "
             "large messages in files beside it. A message is answered 250 only when it is on "
             "stable storage.",
             .names = store_names),
    CONF_ROW(CONF_TIME, struct queue_options, lifetime_s, "lifetime", "5d",
             "how long delivery is tried",
             "Recipients that are not delivered this long after acceptance are given up, and the "
             "author gets a failure report. RFC 5321 4.5.4.1 wants at least 4 to 5 days.",
             .min = 1, .max = 365 * DAY, .flags = CONF_RELOAD),
    CONF_ROW(CONF_TIME, struct queue_options, delay_warning_s, "delay_warning", "4h",
             "when to tell the author about a delay",
             "One delay report (RFC 3464) for each message that is still not delivered after this "
             "time. A time equal to or longer than lifetime means: no such reports.",
             .min = 1, .max = 365 * DAY, .flags = CONF_RELOAD),
    CONF_ROW(CONF_TIMES, struct queue_options, retry, "retry",
             "[ \"5m\", \"10m\", \"20m\", \"40m\", \"1h\", \"2h\", \"4h\" ]",
             "waiting times between the tries of one recipient",
             "The first is the wait after the first try, and so on; the last one repeats until "
             "lifetime is over. Each wait varies by up to 10 % so that messages do not come back "
             "in bursts. At least one is needed.",
             .min = 1, .max = 30 * DAY, .flags = CONF_RELOAD),
    CONF_ROW(CONF_TIME, struct queue_options, history_s, "history", "14d",
             "how long msactl trace knows a message",
             "What happened to each message is kept in one file a day, and files older than this "
             "are removed.",
             .min = DAY, .max = 3650 * DAY, .flags = CONF_RELOAD),
    CONF_ROW(CONF_SIZE, struct queue_options, history_size_bytes, "history_size", "10G",
             "most disk space for the history",
             "When all history files together exceed this size, the oldest go first, whatever "
             "their age. A full disk stops the history before it stops the queue.",
             .min = KIB * KIB, .max = 10240 * GIB, .flags = CONF_RELOAD),
    CONF_ROW(CONF_SIZE, struct queue_options, bounce_body_bytes, "bounce_body", "50K",
             "how much of the original a failure report returns",
             "A message up to this size is returned whole in its failure report, of a larger one "
             "only the header, as if RET=HDRS had been asked (RFC 3461 4.3).",
             .min = 0, .max = GIB, .flags = CONF_RELOAD),
    CONF_END,
};

#include "relay/security.h"

#include "msa/base/mem.h"

#include <stdio.h>
#include <stdlib.h>

struct relay_security {
    struct loop *loop;
    struct relay_settings *settings;
    struct https *https;
    struct keep *keep; /* NULL: nothing is kept */
    struct sts *sts;
};

static void on_row(void *arg, enum keep_kind kind, struct sv key, struct sv value)
{
    struct relay_security *s = arg;
    switch (kind) {
    case KEEP_POLICY:
        sts_remember(s->sts, key, value);
        break;
    case KEEP_HOST:
    case KEEP_RESULT:
        break;
    }
}

struct relay_security *relay_security_new(const struct relay_security_config *config)
{
    struct relay_security *s = NEW(struct relay_security);
    char path[4096];
    s->loop = config->loop;
    s->https = https_new(config->loop);
    s->sts = sts_new(&(struct sts_config){.loop = config->loop});
    if (!config->dir)
        return s;
    snprintf(path, sizeof path, "%s/tls.db", config->dir);
    s->keep = keep_open(path, on_row, s);
    sts_set_keep(s->sts, s->keep);
    return s;
}

void relay_security_set(struct relay_security *s, struct relay_settings *settings, struct dns *dns)
{
    struct relay_settings *old = s->settings;
    s->settings = relay_settings_keep(settings);
    sts_set(s->sts,
            &(struct fetch_world){.loop = s->loop,
                                  .dns = dns,
                                  .https = s->https,
                                  .trust = settings->tls,
                                  .dns_timeout_ms = settings->dns_timeout_ms,
                                  .ipv6 = settings->relay->ipv6,
                                  .allow_loopback = settings->relay->allow_loopback},
            settings->relay->tls.mta_sts && settings->relay->capture[0] == '\0');
    relay_settings_drop(old);
}

void relay_security_free(struct relay_security *s)
{
    sts_free(s->sts);
    keep_close(s->keep);
    https_free(s->https);
    relay_settings_drop(s->settings);
    free(s);
}

struct sts *relay_security_sts(struct relay_security *s)
{
    return s->sts;
}

void relay_security_get_stats(const struct relay_security *s, struct relay_security_stats *out)
{
    *out = (struct relay_security_stats){.dropped = s->keep ? keep_dropped(s->keep) : 0};
    sts_get_stats(s->sts, &out->sts);
}

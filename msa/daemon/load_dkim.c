#include "msa/daemon/load_dkim.h"
#include "auth/dkim_key.h"
#include "msa/daemon/load_key.h"

#include <stdio.h>
#include <string.h>

#define ROW_MAX (AUTH_DKIM_ID_LEN + AUTH_DKIM_PUBLIC_MAX + 64)

struct loading {
    struct generation *g;
    const struct conf_source *src;
    struct conf_faults *faults;
    int64_t now_s;
    struct buf lines;
};

static const struct rewrite_dkim_options *row_at(const struct loading *l, size_t i)
{
    return CONF_ITEM(l->g->options.rewrite.dkim, i, struct rewrite_dkim_options);
}

static void load_row(struct loading *l, size_t i)
{
    char name[64];
    struct auth_dkim_key key;
    struct buf why;
    struct sv pem;
    snprintf(name, sizeof name, "rewrite.dkim[%zu].key", i);
    if (!generation_file(l->g, name, &pem))
        return; /* said already */
    buf_init(&why, 1024, 0);
    if (auth_dkim_key_read(pem, &key, &why) < 0)
        conf_fault_at(l->faults, l->src, false, name,
                      "a private key that \"msactl dkim new\" has made", "%.*s",
                      SV_ARG(buf_view(&why)));
    else if (load_key_is_tls(l->g, pem))
        conf_fault_at(l->faults, l->src, false, name, "a key of its own",
                      "it is the key of a certificate in tls");
    else if (strcmp(key.kind, AUTH_DKIM_KIND_RSA) == 0 && key.bits < AUTH_DKIM_RSA_BITS)
        conf_fault_at(l->faults, l->src, true, name, "a key of 2048 bits (RFC 8301 3.2)",
                      "an RSA key of %d bits is weak", key.bits);
    if (buf_len(&why) == 0 && buf_printf(&l->lines, "%zu %s %d %s %s\n", i, key.kind, key.bits,
                                         key.id, key.public_half) < 0)
        conf_fault_at(l->faults, l->src, false, name, "fewer rows", "too many keys");
    buf_deinit(&why);
    load_key_mode(name, row_at(l, i)->key, l->src, l->faults);
}

/* Mail of a domain that requires a signature, and has no row that could make one, is refused. */
static void check_required(struct loading *l, size_t i)
{
    const struct rewrite_dkim_options *row = row_at(l, i);
    size_t count = l->g->options.rewrite.dkim.count;
    char name[64];
    int64_t from_s;
    for (size_t k = 0; k < count; k++)
        if (strcmp(row_at(l, k)->domain, row->domain) == 0 &&
            rewrite_dkim_options_time(sv_of(row_at(l, k)->from), &from_s) && from_s <= l->now_s)
            return;
    snprintf(name, sizeof name, "rewrite.dkim[%zu].require", i);
    conf_fault_at(l->faults, l->src, true, name, "a row of the domain whose from has come",
                  "no row of %s is in force until %s: its mail is refused until then, unless a "
                  "domain above signs",
                  row->domain, row->from);
}

void load_dkim(struct generation *g, const struct conf_source *src, struct conf_faults *faults,
               int64_t now_s)
{
    struct loading l = {.g = g, .src = src, .faults = faults, .now_s = now_s};
    size_t count = g->options.rewrite.dkim.count;
    if (count == 0)
        return;
    buf_init(&l.lines, count * ROW_MAX, 0);
    for (size_t i = 0; i < count; i++) {
        load_row(&l, i);
        if (row_at(&l, i)->require)
            check_required(&l, i);
    }
    generation_add_file(g, GENERATION_DKIM_KEYS, "", buf_view(&l.lines), false);
    buf_deinit(&l.lines);
}

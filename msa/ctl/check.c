#include "msa/ctl/check.h"

#include "msa/ctl/ask.h"
#include "msa/ctl/codes.h"
#include "msa/daemon/load.h"

#include <jansson.h>
#include <stdio.h>

static void show_fault(const struct conf_fault *f, bool json)
{
    if (json) {
        json_t *line =
            json_pack("{s:s, s:i, s:s, s:s, s:s, s:b}", "file", f->file, "line", (int)f->line,
                      "key", f->key, "wrong", f->wrong, "right", f->right, "warning", f->warning);
        json_dumpf(line, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(line);
    } else {
        printf("%s:%u: %s: %s%s%s%s\n", f->file, f->line, f->key, f->warning ? "warning: " : "",
               f->wrong, *f->right ? "; " : "", f->right);
    }
}

static void find_unvalidated(void *arg, json_t *line)
{
    const json_t *dns = json_object_get(line, "dns");
    if (dns && json_is_false(json_object_get(dns, "validating")))
        *(bool *)arg = true;
}

/* Answers that are not validated end DANE quietly: mail goes on, so somebody has to say it. */
static bool lacks_dnssec(const struct msa_options *o)
{
    struct buf error;
    bool unvalidated = false;
    if (o->dns.dnssec == DNS_DNSSEC_OFF)
        return false;
    buf_init(&error, 4096, 0);
    (void)ask_daemon(o->admin.socket, json_pack("{s:s}", "command", "status"), find_unvalidated,
                     &unvalidated, &error);
    buf_deinit(&error);
    return unvalidated;
}

int check_run(const char *config, bool json)
{
    static const struct conf_fault no_dnssec = {
        .key = "dns.dnssec",
        .wrong = "the resolvers do not let DNSSEC through to the running server: no answer is "
                 "validated, and nothing is under DANE",
        .right = "resolvers that do, or dns.dnssec = \"off\"",
        .warning = true,
    };
    struct arena arena;
    struct conf_faults faults;
    arena_init(&arena);
    struct generation *g = load_review(config, &arena, &faults);
    bool lacks = g && lacks_dnssec(&g->options);
    for (const struct conf_fault *f = faults.first; f; f = f->next)
        show_fault(f, json);
    if (lacks) {
        struct conf_fault f = no_dnssec;
        f.file = config;
        show_fault(&f, json);
    }
    if (g && !faults.warnings && !lacks && !json)
        printf("%s: no faults\n", config);
    int code = g ? CTL_DONE : CTL_REFUSED;
    generation_drop(g);
    arena_deinit(&arena);
    return code;
}

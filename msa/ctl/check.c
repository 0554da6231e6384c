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

/* What an msad that runs may have found out about its resolvers: mail goes on, or waits quietly, so
 * that somebody has to say it. */
static const struct running {
    const char *member; /* of "dns" in status: false is the fault */
    bool of_dnssec;     /* none where DNSSEC is not wanted */
    struct conf_fault fault;
} runnings[] = {
    {"answering",
     false,
     {.key = "dns.servers",
      .wrong = "the resolvers do not answer the running server: mail whose way must be looked up "
               "waits",
      .right = "addresses of resolvers that answer, here or in /etc/resolv.conf",
      .warning = true}},
    {"validating",
     true,
     {.key = "dns.dnssec",
      .wrong = "the resolvers do not let DNSSEC through to the running server: no answer is "
               "validated, and nothing is under DANE",
      .right = "resolvers that do, or dns.dnssec = \"off\"",
      .warning = true}},
};
#define RUNNINGS (sizeof runnings / sizeof *runnings)

static void find_running(void *arg, json_t *line)
{
    bool *found = arg;
    const json_t *dns = json_object_get(line, "dns");
    for (size_t i = 0; dns && i < RUNNINGS; i++)
        found[i] = found[i] || json_is_false(json_object_get(dns, runnings[i].member));
}

static size_t show_running(const struct msa_options *o, const char *config, bool json)
{
    struct buf error;
    bool found[RUNNINGS] = {false};
    size_t shown = 0;
    buf_init(&error, 4096, 0);
    (void)ask_daemon(o->admin.socket, json_pack("{s:s}", "command", "status"), find_running, found,
                     &error); /* there need not be one */
    buf_deinit(&error);
    for (size_t i = 0; i < RUNNINGS; i++) {
        struct conf_fault f = runnings[i].fault;
        if (!found[i] || (runnings[i].of_dnssec && o->dns.dnssec == DNS_DNSSEC_OFF))
            continue;
        f.file = config;
        show_fault(&f, json);
        shown++;
    }
    return shown;
}

int check_run(const char *config, bool json)
{
    struct arena arena;
    struct conf_faults faults;
    arena_init(&arena);
    struct generation *g = load_review(config, &arena, &faults);
    for (const struct conf_fault *f = faults.first; f; f = f->next)
        show_fault(f, json);
    size_t shown = g ? show_running(&g->options, config, json) : 0;
    if (g && !faults.warnings && shown == 0 && !json)
        printf("%s: no faults\n", config);
    int code = g ? CTL_DONE : CTL_REFUSED;
    generation_drop(g);
    arena_deinit(&arena);
    return code;
}

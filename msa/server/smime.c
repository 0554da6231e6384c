#include "msa/server/smime.h"

#include "msa/base/mem.h"

#include <stdlib.h>
#include <string.h>

static size_t collect_files(const struct generation *g, struct rewrite_smime_file *out)
{
    size_t n = 0;
    for (size_t i = 0; i < g->nfiles; i++) {
        struct sv key = sv_of(g->files[i].key);
        if (sv_starts(key, SV(GENERATION_CERTIFICATE)))
            out[n++] = (struct rewrite_smime_file){
                .path = g->files[i].path,
                .address = sv_skip(key, strlen(GENERATION_CERTIFICATE)),
                .pem = g->files[i].bytes,
            };
    }
    return n;
}

struct rewrite_smime *smime_set(const struct generation *g, int64_t now_s,
                                void (*fault)(void *arg, bool warning, const char *key,
                                              const char *right, const char *wrong),
                                void *arg)
{
    const struct rewrite_options *o = &g->options.rewrite;
    if (o->smime.count + o->encrypt.count + o->certificates.count == 0)
        return NULL;
    struct sv *chains = mem_new(o->smime.count + 1, sizeof *chains);
    struct rewrite_smime_file *files = mem_new(g->nfiles + 1, sizeof *files);
    for (size_t i = 0; i < o->smime.count; i++)
        (void)generation_file_at(g, &chains[i], "rewrite.smime[%zu].certificate", i);
    struct sv authorities = SV_NONE;
    (void)generation_file(g, "rewrite.certificate_ca", &authorities);
    struct rewrite_smime *set =
        rewrite_smime_new(&(struct rewrite_smime_config){.options = o,
                                                         .chains = chains,
                                                         .files = files,
                                                         .nfiles = collect_files(g, files),
                                                         .authorities = authorities,
                                                         .now_s = now_s,
                                                         .fault = fault,
                                                         .arg = arg});
    free(chains);
    free(files);
    return set;
}

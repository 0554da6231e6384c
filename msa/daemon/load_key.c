#include "msa/daemon/load_key.h"

#include "auth/tls/pem.h"

#include <sys/stat.h>

/* A private key that anybody can read is no private key. */
void load_key_mode(const char *key, const char *path, const struct conf_source *src,
                   struct conf_faults *faults)
{
    struct stat st;
    if (stat(path, &st) == 0 && (st.st_mode & S_IROTH))
        conf_fault_at(faults, src, false, key, "chmod 600, and a new key if it was seen",
                      "everybody on this machine can read the private key %s", path);
}

bool load_key_is_tls(const struct generation *g, struct sv pem)
{
    struct sv other;
    for (size_t i = 0; i < g->options.tls.count; i++)
        if (generation_file_at(g, &other, "tls[%zu].key", i) && tls_pem_is_same_key(pem, other))
            return true;
    return false;
}

bool load_key_is_dkim(const struct generation *g, struct sv pem)
{
    struct sv other;
    for (size_t i = 0; i < g->options.rewrite.dkim.count; i++)
        if (generation_file_at(g, &other, "rewrite.dkim[%zu].key", i) &&
            tls_pem_is_same_key(pem, other))
            return true;
    return false;
}

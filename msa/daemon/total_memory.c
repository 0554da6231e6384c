#include "msa/daemon/total_memory.h"
#include "msa/base/sv.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATH_MAX_BYTES 4096

/* The number in a file of one line; UINT64_MAX if there is none ("max", no such file). */
static uint64_t limit_in(const char *path)
{
    char line[64] = "";
    uint64_t limit;
    FILE *f = fopen(path, "re");
    if (!f)
        return UINT64_MAX;
    bool got = fgets(line, sizeof line, f) != NULL;
    fclose(f);
    return got && sv_u64(sv_first(sv_of(line), strcspn(line, "\n")), INT64_MAX, &limit)
               ? limit
               : UINT64_MAX;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* v2: group is the path behind "0::"; a limit of any level above counts, too. */
static uint64_t least_of_levels(const char *root, char *group)
{
    char path[2 * PATH_MAX_BYTES];
    uint64_t limit = UINT64_MAX;
    for (;;) {
        snprintf(path, sizeof path, "%s/sys/fs/cgroup%s/memory.max", root, group);
        limit = least(limit, limit_in(path));
        char *slash = strrchr(group, '/');
        if (!slash)
            return limit;
        *slash = '\0';
    }
}

uint64_t total_memory(const char *root)
{
    char line[PATH_MAX_BYTES], path[2 * PATH_MAX_BYTES];
    uint64_t limit = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    snprintf(path, sizeof path, "%s/sys/fs/cgroup/memory/memory.limit_in_bytes", root);
    limit = least(limit, limit_in(path));
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "0::/", 4) == 0)
            limit = least(limit, least_of_levels(root, line + 3));
    }
    if (f)
        fclose(f);
    return limit;
}

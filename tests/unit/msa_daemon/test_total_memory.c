#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/daemon/total_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define G   "sys/fs/cgroup/"
#define MIB (UINT64_C(1) << 20)

static const struct row {
    const char *name, *self;
    struct {
        const char *path, *text;
    } files[4];
    uint64_t mib; /* 0: RAM */
} rows[] = {
    {"nothing there", NULL, {{0}}, 0},
    {"no limit", "0::/a\n", {{G "a/memory.max", "max\n"}}, 0},
    {"own group", "0::/a\n", {{G "a/memory.max", "67108864\n"}}, 64},
    {"a level above",
     "0::/a/b.service\n",
     {{G "a/b.service/memory.max", "max\n"}, {G "a/memory.max", "33554432\n"}},
     32},
    {"the least counts",
     "0::/a/b\n",
     {{G "a/b/memory.max", "16777216\n"}, {G "a/memory.max", "33554432\n"}},
     16},
    {"the root of a container", "0::/\n", {{G "memory.max", "16777216\n"}}, 16},
    {"version 1", "5:memory:/x\n", {{G "memory/memory.limit_in_bytes", "8388608\n"}}, 8},
    {"version 1 without limit",
     "5:memory:/x\n",
     {{G "memory/memory.limit_in_bytes", "9223372036854771712\n"}},
     0},
    {"not a number", "0::/a\n", {{G "a/memory.max", "12x\n"}}, 0},
    {"empty", "0::/a\n", {{G "a/memory.max", ""}}, 0},
};

static void put(const char *root, const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s/%s", root, path);
    for (char *at = full + 1; *at; at++) {
        if (*at == '/') {
            *at = '\0';
            mkdir(full, 0700);
            *at = '/';
        }
    }
    FILE *f = fopen(full, "we");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void limits(void **state)
{
    uint64_t ram = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char root[] = "/tmp/test_total_memory.XXXXXX", command[64];
        assert_non_null(mkdtemp(root));
        if (rows[i].self)
            put(root, "proc/self/cgroup", rows[i].self);
        for (size_t k = 0; k < 4 && rows[i].files[k].path; k++)
            put(root, rows[i].files[k].path, rows[i].files[k].text);
        uint64_t got = total_memory(root), wanted = rows[i].mib ? rows[i].mib * MIB : ram;
        if (got != wanted)
            print_error("%s\n", rows[i].name);
        assert_int_equal(got, wanted);
        snprintf(command, sizeof command, "rm -r %s", root);
        assert_int_equal(system(command), 0);
    }
}

static void this_machine(void **state)
{
    (void)state;
    assert_in_range(total_memory("/"), MIB, UINT64_C(1) << 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(limits), cmocka_unit_test(this_machine)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

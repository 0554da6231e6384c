/*
 * Random and mutated configurations: never a crash, a leak or a read out of bounds (the sanitizers
 * watch), and a refusal always says something.
 */
#include "conf_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

#define RUNS 10000

static const char *const seeds[] = {
    "state = \"/srv/y/\"; on = FALSE; host : \"a\" \"b\" // joined\n"
    "mode = \"fast\"; path = \"<state>/q/<state>\"; secret = \"s\\\"\\\\\";\n",
    "names = ( \"n\", \"m\" ); retry = [ \"12h\", \"5m\" ]; ports = [ 25, 26 ]\n"
    "limits = { connections = 0x1F; message_size = 4096; memory = \"1G\"; wait = \"1h\" }\n",
    "entries = ( { name = \"a\"; port = 99999999999999999999; }, { name = 5m; tags = [ ] } );\n",
    "extra = { name = \"e\"; tags = \"t\" }; /* c */ # d\n@include \"x\"\non = 1.5e3;",
};

static uint64_t rng = 88172645463325252u;

static size_t pick(size_t n)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return (size_t)(rng % n);
}

static size_t mutate(char *text, size_t len, size_t cap)
{
    static const char spice[] = "{}[]()\"\\;,=:#/*@+-.0xL%<>\n \0a9";
    for (size_t edits = 1 + pick(6); edits; edits--) {
        size_t at = pick(len + 1);
        switch (pick(4)) {
        case 0: /* replace */
            if (at < len)
                text[at] = spice[pick(sizeof spice - 1)];
            break;
        case 1: /* insert */
            if (len < cap) {
                memmove(text + at + 1, text + at, len - at);
                text[at] = spice[pick(sizeof spice - 1)];
                len++;
            }
            break;
        case 2: /* delete a piece */ {
            size_t n = pick(len - at + 1);
            n = n > 9 ? n % 9 : n;
            memmove(text + at, text + at + n, len - at - n);
            len -= n;
            break;
        }
        default: { /* repeat a piece */
            size_t n = pick(len - at + 1);
            n = n > 20 ? 20 : n;
            if (len + n <= cap) {
                memmove(text + at + n, text + at, len - at);
                len += n;
            }
        }
        }
    }
    return len;
}

static void read_once(struct sv text)
{
    /* a copy of exact size, so that a read behind its end is seen */
    char *exact = malloc(text.len + 1);
    struct arena a;
    struct conf_faults faults;
    struct conf_source src;
    struct all v = {0};
    assert_non_null(exact);
    memcpy(exact, text.ptr, text.len);
    char *tight = realloc(exact, text.len ? text.len : 1);
    assert_non_null(tight);
    arena_init(&a);
    conf_faults_init(&faults, &a);
    bool ok = conf_read(all_rows, "x.conf", (struct sv){tight, text.len}, &a, &v, &faults, &src);
    assert_int_equal(ok, faults.errors == 0);
    assert_int_equal(ok, faults.first == NULL);
    assert_true(v.limits.connections >= 1 && v.limits.connections <= 100);
    assert_non_null(v.path);
    free(tight);
    arena_deinit(&a);
}

static void mutated_configurations_do_no_harm(void **state)
{
    char text[1024];
    (void)state;
    for (int i = 0; i < RUNS; i++) {
        const char *seed = seeds[pick(sizeof seeds / sizeof seeds[0])];
        size_t len = strlen(seed);
        memcpy(text, seed, len);
        len = mutate(text, len, sizeof text);
        read_once((struct sv){text, len});
    }
}

static void random_bytes_do_no_harm(void **state)
{
    char text[200];
    (void)state;
    for (int i = 0; i < RUNS / 5; i++) {
        size_t len = pick(sizeof text);
        for (size_t j = 0; j < len; j++)
            text[j] = (char)pick(256);
        read_once((struct sv){text, len});
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mutated_configurations_do_no_harm),
        cmocka_unit_test(random_bytes_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

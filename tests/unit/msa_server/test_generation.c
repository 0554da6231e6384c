#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/server/generation.h"
#include "msa/base/mem.h"

#include <stdlib.h>
#include <string.h>

static const char text[] =
    "hostname = \"mail.example.net\"; domains = [ \"example.net\", \"example.org\" ];\n"
    "dns = { dnssec = \"off\"; }; tls = ( { certificate = \"/c\"; key = \"/k\"; } );\n"
    "listen = ( { port = 587; }, { port = 465; tls = \"implicit\"; } );\n"
    "limits = { message_size = \"7M\"; memory = \"10%\"; };\n"
    "queue = { retry = [ \"1m\", \"2m\" ]; };\n"
    "relay = { routes = ( { domain = \"a.example\"; to = [ \"smtp://h:25\", \"smtp://i:25\" ]; } "
    "); };\n";

static struct generation *make(void)
{
    struct generation *g = generation_new(7);
    struct conf_faults faults;
    conf_faults_init(&faults, &g->arena);
    if (!options_read("c", sv_of(text), "", &g->arena, &g->options, &faults, NULL)) {
        struct buf out;
        buf_init(&out, 65536, 0);
        conf_faults_print(&faults, &out);
        fail_msg("%.*s", SV_ARG(buf_view(&out)));
    }
    generation_add_file(g, "tls[0].certificate", "/c", SV("a certificate"), false);
    generation_add_file(g, "tls[0].key", "/k", SV("a secret\0key"), true);
    memset(g->ticket_keys, 7, sizeof g->ticket_keys);
    return g;
}

static struct generation *through(struct generation *g, bool secrets, struct buf *record)
{
    struct buf error;
    buf_init(record, GENERATION_RECORD_MAX, 0);
    buf_init(&error, 4096, 0);
    assert_int_equal(generation_pack(g, secrets, record), 0);
    struct generation *copy = generation_unpack(buf_view(record), &error);
    assert_non_null(copy);
    buf_deinit(&error);
    return copy;
}

static void everything_comes_along(void **state)
{
    struct buf record;
    struct sv bytes;
    (void)state;
    struct generation *g = make();
    struct generation *copy = through(g, true, &record);
    assert_int_equal(copy->number, 7);
    assert_memory_equal(copy->ticket_keys, g->ticket_keys, sizeof g->ticket_keys);
    generation_drop(g);
    assert_int_equal(copy->options.limits.message_size_bytes, 7 << 20);
    assert_int_equal(copy->options.limits.memory, -10);
    assert_int_equal(copy->options.listen.count, 2);
    assert_int_equal(copy->options.domains.count, 2);
    assert_string_equal(copy->options.domains.items[1], "example.org");
    assert_int_equal(copy->options.queue.retry.count, 2);
    const struct relay_route_options *r = copy->options.relay.routes.items;
    assert_string_equal(r[0].to.items[1], "smtp://i:25");
    assert_true(generation_file_at(copy, &bytes, "tls[%d].key", 0));
    assert_true(sv_eq(bytes, SV("a secret\0key")));
    assert_false(generation_file_at(copy, &bytes, "tls[%d].key", 1));
    generation_drop(copy);
    buf_deinit(&record);
}

static void secrets_are_the_keepers(void **state)
{
    struct buf record;
    struct sv bytes;
    (void)state;
    struct generation *g = make();
    struct generation *copy = through(g, false, &record);
    assert_null(memmem(buf_view(&record).ptr, buf_len(&record), "a secret", 8));
    assert_false(generation_file(copy, "tls[0].key", &bytes));
    assert_true(generation_file(copy, "tls[0].certificate", &bytes));
    generation_drop(copy);
    generation_drop(g);
    buf_deinit(&record);
}

/* Cut anywhere, or with a byte changed: refused with words, or a generation; never a crash. */
static void damaged_records(void **state)
{
    struct buf record, error;
    (void)state;
    struct generation *g = make();
    struct generation *copy = through(g, true, &record);
    generation_drop(copy);
    generation_drop(g);
    buf_init(&error, 1 << 20, 0);
    struct sv all = buf_view(&record);
    for (size_t len = 0; len < all.len; len += len < 64 || len + 400 > all.len ? 1 : 97) {
        char *part = mem_dup(all.ptr, len);
        buf_reset(&error);
        assert_null(generation_unpack((struct sv){part, len}, &error));
        assert_int_not_equal(buf_len(&error), 0);
        free(part);
    }
    for (size_t at = 0; at < all.len; at += 61) {
        char *changed = mem_dup(all.ptr, all.len);
        changed[at] ^= 0x55;
        buf_reset(&error);
        generation_drop(generation_unpack((struct sv){changed, all.len}, &error));
        free(changed);
    }
    buf_deinit(&error);
    buf_deinit(&record);
}

/* Files up to the limit are packed; one more, or options beyond theirs, are refused. */
static void too_large(void **state)
{
    struct buf record;
    (void)state;
    struct generation *g = make();
    char *bytes = mem_new(1, 4 << 20);
    for (int i = 0; i < 3; i++)
        generation_add_file(g, "k", "/p", (struct sv){bytes, 4 << 20}, true);
    generation_drop(through(g, true, &record));
    buf_deinit(&record);
    generation_add_file(g, "k", "/p", (struct sv){bytes, 4 << 20}, true);
    buf_init(&record, GENERATION_RECORD_MAX, 0);
    assert_int_equal(generation_pack(g, true, &record), ERR_FULL);
    assert_int_equal(generation_pack(g, false, &record), ERR_FULL);
    assert_int_equal(buf_len(&record), 0);
    generation_drop(g);
    g = make();
    memset(bytes, 'x', 4 << 20);
    bytes[(4 << 20) - 1] = '\0';
    const char *names[3] = {bytes, bytes, bytes};
    g->options.domains.items = names;
    g->options.domains.count = 3;
    assert_int_equal(generation_pack(g, true, &record), ERR_FULL);
    buf_deinit(&record);
    generation_drop(g);
    free(bytes);
}

static void counted(void **state)
{
    (void)state;
    struct generation *g = make();
    assert_ptr_equal(generation_keep(g), g);
    generation_drop(g);
    assert_int_equal(g->number, 7);
    generation_drop(g);
    generation_drop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_comes_along),
        cmocka_unit_test(secrets_are_the_keepers),
        cmocka_unit_test(damaged_records),
        cmocka_unit_test(too_large),
        cmocka_unit_test(counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Every message of the corpus through every action on header fields, alone, all together, and all
 * but one: what leaves is what actions.h says, octet by octet; each edit has a reason that is on;
 * and the record of the edits leads back to what was submitted.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/corpus/actions.h"

#define MESSAGES_MIN 300
#define FAULTS_SHOWN 10

static size_t faults;

struct at {
    const char *file;
    unsigned set;
};

static void say(const struct at *at, const char *what, struct sv expected, struct sv got)
{
    size_t n = 0, show = 300;
    if (++faults > FAULTS_SHOWN)
        return;
    while (n < expected.len && n < got.len && expected.ptr[n] == got.ptr[n])
        n++;
    fprintf(stderr, "%s, actions %#x: %s, at octet %zu:\n--- expected\n%.*s\n--- got\n%.*s\n",
            at->file, at->set, what, n, SV_ARG(sv_first(sv_skip(expected, n), show)),
            SV_ARG(sv_first(sv_skip(got, n), show)));
}

static void check_same(const struct at *at, const char *what, struct sv expected, struct sv got)
{
    if (!sv_eq(expected, got))
        say(at, what, expected, got);
}

static unsigned reasons(unsigned set)
{
    unsigned whys = 1u << REWRITE_WHY_RECEIVED | 1u << REWRITE_WHY_END;
    if (set & ACTIONS_GATEWAY)
        return whys | 1u << REWRITE_WHY_DATE_ADDED | 1u << REWRITE_WHY_MESSAGE_ID_ADDED;
    for (size_t i = 0; i < ACTION_COUNT; i++)
        if (set >> i & 1)
            whys |= action_rows[i].whys;
    return whys;
}

/* Out of what left and the edits alone, the submitted section; and forward again. */
static void check_record(const struct at *at, struct sv record, struct sv section, struct sv out)
{
    struct rewrite_provenance_reader reader;
    struct rewrite_layer layer;
    struct rewrite_layer_edit e;
    struct buf back, after;
    size_t from = 0, in = 0; /* in the submitted section; in what left */
    assert_true(rewrite_provenance_open(&reader, record));
    check_same(at, "the section in the record", section, reader.submitted);
    assert_true(rewrite_provenance_next(&reader, &layer));
    buf_init(&back, SIZE_MAX, 0);
    buf_init(&after, SIZE_MAX, 0);
    for (struct sv edits = layer.edits; rewrite_layer_next(&edits, &e);) {
        assert_true(e.why < 32 && reasons(at->set) >> e.why & 1);
        assert_true(from <= e.from && e.from <= e.to && e.to <= section.len);
        actions_put(&back, sv_first(sv_skip(out, in), e.from - from));
        in += e.from - from;
        check_same(at, "text of an edit", e.text, sv_first(sv_skip(out, in), e.text.len));
        in += e.text.len;
        actions_put(&back, sv_first(sv_skip(reader.submitted, e.from), e.to - e.from));
        from = e.to;
    }
    actions_put(&back, sv_first(sv_skip(out, in), section.len - from));
    in += section.len - from;
    check_same(at, "the way back", section, buf_view(&back));
    assert_int_equal(rewrite_layer_apply(&layer, reader.submitted, &after), 0);
    check_same(at, "the way forward", sv_first(out, in), buf_view(&after));
    assert_false(rewrite_provenance_next(&reader, &layer));
    buf_deinit(&back);
    buf_deinit(&after);
}

static void check(const char *file, struct sv message, unsigned set)
{
    static const size_t pieces[] = {0, 61};
    struct at at = {file, set};
    struct buf prepared, expected;
    buf_init(&prepared, SIZE_MAX, 0);
    buf_init(&expected, SIZE_MAX, 0);
    actions_prepare(message, set, &prepared);
    actions_expect(message, set, buf_view(&prepared), &expected);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct actions_result r;
        actions_run(buf_view(&prepared), set, pieces[i], &r);
        if (r.refused) {
            say(&at, "it is refused", buf_view(&prepared), SV_NONE);
        } else {
            check_same(&at, "the message", buf_view(&expected), buf_view(&r.out));
            check_record(&at, buf_view(&r.record),
                         sv_first(buf_view(&prepared), actions_section_end(buf_view(&prepared))),
                         buf_view(&r.out));
        }
        actions_result_free(&r);
    }
    buf_deinit(&prepared);
    buf_deinit(&expected);
}

static void check_all(const char *file, struct sv message)
{
    static const unsigned whole[] = {ACTIONS_ALL & ~ACTIONS_REPLACING,
                                     ACTIONS_ALL & ~ACTIONS_ADDING};
    check(file, message, 0);
    check(file, message, ACTIONS_GATEWAY);
    for (size_t i = 0; i < ACTION_COUNT; i++)
        check(file, message, 1u << i);
    for (size_t k = 0; k < 2; k++) {
        check(file, message, whole[k]);
        for (size_t i = 0; i < ACTION_COUNT; i++)
            if (whole[k] >> i & 1)
                check(file, message, whole[k] & ~(1u << i));
    }
}

static void read_file(const char *path, struct buf *out)
{
    char piece[4096];
    size_t n;
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        actions_put(out, (struct sv){piece, n});
    fclose(f);
}

static void test_corpus(void **state)
{
    char folder[3000], path[4096];
    size_t count = 0;
    struct dirent *entry;
    (void)state;
    snprintf(folder, sizeof folder, "%s/tests/corpus", getenv("TEST_SOURCE_DIR"));
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        struct buf text;
        if (!sv_iends(sv_of(entry->d_name), SV(".eml")))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        buf_init(&text, SIZE_MAX, 0);
        read_file(path, &text);
        check_all(entry->d_name, buf_view(&text));
        buf_deinit(&text);
        count++;
    }
    closedir(dir);
    assert_true(count >= MESSAGES_MIN);
    assert_int_equal(faults, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_corpus)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

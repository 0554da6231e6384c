/* What "msactl trace --diff" prints of a record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/base/b64.h"
#include "msa/ctl/diff.h"
#include "rewrite/provenance.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SUBMITTED "From: a@b\r\nTo: x\r\nSubject: \xff\x1b[2J\r\n\r\n"

static void write_record(struct rewrite_provenance *p)
{
    rewrite_provenance_init(p);
    rewrite_provenance_begin(p, SV(SUBMITTED));
    rewrite_provenance_layer(p, REWRITE_BY_COMPLETER, SV_NONE, false);
    rewrite_provenance_edit(p, 0, 0, SV("Received: r\r\n"), REWRITE_WHY_RECEIVED, 0);
    rewrite_provenance_edit(p, 0, 0, SV("Date: d\r\n"), REWRITE_WHY_DATE_ADDED, 0);
    rewrite_provenance_edit(p, 16, 16, SV("@y"), REWRITE_WHY_COMPLETED, 0);
    rewrite_provenance_edit(p, 16, 16, SV(".z"), 200, 0);
    rewrite_provenance_edit(p, 16, 16, SV(""), REWRITE_WHY_RULE, 3);
    rewrite_provenance_layer(p, REWRITE_BY_MILTER, SV("inet:m\x1b"), true);
    rewrite_provenance_edit(p, 22, 33, SV(""), REWRITE_NO_WHY, 0);
}

/* What f prints; heap text. */
static char *printed(bool (*f)(void *arg), void *arg, bool *good_out)
{
    FILE *file = tmpfile();
    fflush(stdout);
    int before = dup(1);
    assert_true(dup2(fileno(file), 1) == 1);
    *good_out = f(arg);
    fflush(stdout);
    assert_true(dup2(before, 1) == 1);
    close(before);
    long len = lseek(fileno(file), 0, SEEK_END);
    char *text = calloc(1, (size_t)len + 1);
    assert_int_equal(pread(fileno(file), text, (size_t)len, 0), len);
    fclose(file);
    return text;
}

struct shown {
    struct sv record;
    bool json;
};

static bool show(void *arg)
{
    struct shown *s = arg;
    return diff_show(s->record, s->json);
}

static bool show_text(void *arg)
{
    return diff_show_text(arg, false);
}

static const char want[] = "--- as submitted\n"
                           "+++ as changed by this server\n"
                           "@@ RFC 5321 4.4: trace field\n"
                           "+Received: r\n"
                           "@@ 8.2: Date was missing (rewrite.add_date)\n"
                           "+Date: d\n"
                           " From: a@b\n"
                           "@@ 4.2: the domain was a single label (rewrite.complete_domains)\n"
                           "@@ reason 200, which this version does not know\n"
                           "@@ 8.8: a rule matches the address (rewrite.rules[3])\n"
                           "-To: x\n"
                           "+To: x@y.z\n"
                           " Subject: ??[2J\n"
                           " \n"
                           "+++ as changed by milter inet:m?, which replaced the body\n"
                           " Received: r\n"
                           " Date: d\n"
                           "-From: a@b\n"
                           " To: x@y.z\n"
                           " Subject: ??[2J\n"
                           " \n";

static void for_people(void **state)
{
    (void)state;
    struct rewrite_provenance p;
    struct buf text;
    bool good;
    write_record(&p);
    struct shown s = {.record = rewrite_provenance_take(&p)};
    char *got = printed(show, &s, &good);
    assert_true(good);
    assert_string_equal(got, want);
    free(got);
    buf_init(&text, 10000, 0);
    assert_int_equal(b64_encode(&text, s.record), 0);
    assert_int_equal(buf_append(&text, "", 1), 0);
    got = printed(show_text, (void *)buf_view(&text).ptr, &good);
    assert_true(good);
    assert_string_equal(got, want);
    free(got);
    buf_deinit(&text);
    rewrite_provenance_deinit(&p);
}

static void damaged(void **state)
{
    (void)state;
    struct rewrite_provenance p;
    bool good;
    write_record(&p);
    for (int json = 0; json < 2; json++) {
        struct sv all = rewrite_provenance_take(&p);
        struct shown s = {.record = sv_first(all, all.len - 1), .json = json};
        char *got = printed(show, &s, &good);
        assert_false(good);
        assert_string_equal(got, "");
        free(got);
    }
    char *got = printed(show_text, (void *)"not base64", &good);
    assert_false(good);
    free(got);
    rewrite_provenance_deinit(&p);
}

static const char *text_at(json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));
    return text ? text : "";
}

static void as_json(void **state)
{
    (void)state;
    struct rewrite_provenance p;
    bool good;
    write_record(&p);
    struct shown s = {.record = rewrite_provenance_take(&p), .json = true};
    char *got = printed(show, &s, &good);
    assert_true(good);
    json_t *lines = json_array();
    for (struct sv rest = sv_of(got); rest.len;) {
        struct sv line = sv_split(&rest, '\n');
        assert_int_equal(
            json_array_append_new(lines, json_loadb(line.ptr, line.len, JSON_ALLOW_NUL, NULL)), 0);
    }
    assert_int_equal(json_array_size(lines), 8);
    assert_string_equal(text_at(json_array_get(lines, 0), "submitted"),
                        "From: a@b\r\nTo: x\r\nSubject: ?\x1b[2J\r\n\r\n");
    assert_string_equal(text_at(json_array_get(lines, 1), "by"), "server");
    json_t *change = json_array_get(lines, 4);
    assert_int_equal(json_integer_value(json_object_get(change, "at")), 11);
    assert_string_equal(text_at(change, "old"), "To: x\r\n");
    assert_string_equal(text_at(change, "new"), "To: x@y.z\r\n");
    json_t *reasons = json_object_get(change, "reasons");
    assert_int_equal(json_array_size(reasons), 2);
    assert_string_equal(text_at(json_array_get(reasons, 0), "section"), "4.2");
    assert_string_equal(text_at(json_array_get(reasons, 0), "setting"), "rewrite.complete_domains");
    assert_string_equal(text_at(json_array_get(reasons, 1), "setting"), "rewrite.rules[3]");
    assert_string_equal(text_at(json_array_get(lines, 5), "by"), "milter");
    assert_true(json_is_true(json_object_get(json_array_get(lines, 5), "body")));
    assert_string_equal(text_at(json_array_get(lines, 6), "old"), "From: a@b\r\n");
    assert_string_equal(text_at(json_array_get(lines, 7), "sent"),
                        "Received: r\r\nDate: d\r\nTo: x@y.z\r\nSubject: ?\x1b[2J\r\n\r\n");
    json_decref(lines);
    free(got);
    rewrite_provenance_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(for_people), cmocka_unit_test(damaged),
                                       cmocka_unit_test(as_json)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "msa/base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char last[LOG_LINE_MAX + 1];
static int lines;

static void keep(void *arg, const char *line, size_t len)
{
    assert_ptr_equal(arg, &lines);
    assert_in_range(len, 1, LOG_LINE_MAX);
    memcpy(last, line, len);
    last[len] = '\0';
    lines++;
}

static int64_t fixed_time(void)
{
    return 1767225600042; /* 2026-01-01 00:00:00.042 UTC */
}

static int set_up(void **state)
{
    (void)state;
    log_set_sink(keep, &lines);
    log_set_clock(fixed_time);
    return 0;
}

static const struct log_ctx full = {.session = {"s1", 2},
                                    .queue = {"q1", 2},
                                    .client = {"::1", 3},
                                    .mechanism = {"PLAIN", 5},
                                    .login = {"a b", 3}};

static void formats(void **state)
{
    (void)state;
    log_setup("server", LOG_TEXT, LOG_INFO);
    log_event(LOG_INFO, "accepted", &full, "%d recipients", 3);
    assert_string_equal(last, "2026-01-01T00:00:00.042Z info server accepted session=s1 queue=q1 "
                              "client=::1 mechanism=PLAIN login=\"a b\": 3 recipients\n");
    log_event(LOG_ERROR, "started", NULL, "%s", "");
    assert_string_equal(last, "2026-01-01T00:00:00.042Z error server started\n");
    log_setup("server", LOG_JSON, LOG_INFO);
    log_event(LOG_WARNING, "accepted", &full, "say \"%s\"", "\\");
    assert_string_equal(last, "{\"time\":\"2026-01-01T00:00:00.042Z\",\"level\":\"warning\","
                              "\"process\":\"server\",\"event\":\"accepted\",\"session\":\"s1\","
                              "\"queue\":\"q1\",\"client\":\"::1\","
                              "\"mechanism\":\"PLAIN\",\"login\":\"a b\","
                              "\"text\":\"say \\\"\\\\\\\"\"}\n");
}

/* What a peer chose can end neither its field nor the quotes around it. */
static void fields_keep_to_themselves(void **state)
{
    (void)state;
    static const struct {
        const char *login, *line;
    } rows[] = {
        {"a client=192.0.2.1",
         "warning server login-failed client=::1 login=\"a client=192.0.2.1\"\n"},
        {"a\" client=192.0.2.1",
         "warning server login-failed client=::1 login=\"a\\\" client=192.0.2.1\"\n"},
        {"\"a", "warning server login-failed client=::1 login=\"\\\"a\"\n"},
        {"a\nwarning", "warning server login-failed client=::1 login=a\\u000awarning\n"},
        /* UTF-8 is shown by its code points, what is none by its bytes */
        {"j\xc3\xb6rg", "warning server login-failed client=::1 login=j\\u00f6rg\n"},
        {"\xe4\xb8\xad", "warning server login-failed client=::1 login=\\u4e2d\n"},
        {"\xf0\x9f\x98\x80", "warning server login-failed client=::1 login=\\ud83d\\ude00\n"},
        {"\xf6\xc2\x85", "warning server login-failed client=::1 login=\\u00f6\\u0085\n"},
    };
    log_setup("server", LOG_TEXT, LOG_INFO);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct log_ctx ctx = {.client = SV("::1"), .login = sv_of(rows[i].login)};
        log_event(LOG_WARNING, "login-failed", &ctx, "%s", "");
        assert_string_equal(strchr(last, ' ') + 1, rows[i].line);
    }
}

static void levels(void **state)
{
    (void)state;
    log_setup("server", LOG_TEXT, LOG_WARNING);
    lines = 0;
    log_event(LOG_INFO, "x", NULL, "y");
    assert_int_equal(lines, 0);
    log_event(LOG_WARNING, "x", NULL, "y");
    assert_int_equal(lines, 1);
    assert_true(log_enabled(LOG_ERROR));
    assert_false(log_enabled(LOG_DEBUG));
}

/* Nothing that a peer sends begins a new line, in the text nor in a field. */
static void control_characters_are_escaped(void **state)
{
    (void)state;
    static const enum log_format formats_of[] = {LOG_TEXT, LOG_JSON};
    for (size_t f = 0; f < 2; f++) {
        log_setup("server", formats_of[f], LOG_INFO);
        for (int c = 1; c < 256; c++) {
            char text[3] = {'x', (char)c, '\0'};
            struct log_ctx ctx = {.login = sv_of(text)};
            log_event(LOG_INFO, "e", &ctx, "%s", text);
            for (size_t i = 0; i + 1 < strlen(last); i++)
                assert_in_range((unsigned char)last[i], 32, 126);
            assert_int_equal(last[strlen(last) - 1], '\n');
        }
    }
}

/* Quotes balance and the closing brace is there: what is cut is still JSON. */
static void long_lines_are_cut_whole(void **state)
{
    (void)state;
    static char text[5000];
    memset(text, 'x', sizeof text - 1);
    for (size_t n = 1600; n < 2200; n++) {
        for (int quote = 0; quote < 3; quote++) {
            struct log_ctx ctx = {.session = {"s", 1}, .login = {text, n}, .client = {"::1", 3}};
            text[n - 1] = "x\"\n"[quote];
            log_setup("server", LOG_JSON, LOG_INFO);
            log_event(LOG_INFO, "e", &ctx, "%s", text + n - 40);
            text[n - 1] = 'x';
            bool inside = false;
            int fields = 0;
            for (const char *at = last; *at; at++) {
                if (inside && *at == '\\')
                    at++;
                else if (*at == '"')
                    inside = !inside;
                else if (!inside && *at == ':')
                    fields++;
                else if (!inside)
                    assert_non_null(strchr("{,}\n", *at));
            }
            assert_false(inside);
            assert_in_range(fields, 5, 8);
            assert_string_equal(last + strlen(last) - 2, "}\n");
            log_setup("server", LOG_TEXT, LOG_INFO);
            log_event(LOG_INFO, "e", &ctx, "%s", text);
            assert_int_equal(last[strlen(last) - 1], '\n');
        }
    }
}

static void without_sink_to_standard_error(void **state)
{
    (void)state;
    int fds[2], kept = dup(STDERR_FILENO);
    char line[256] = "";
    assert_int_equal(pipe(fds), 0);
    log_setup("server", LOG_TEXT, LOG_INFO);
    log_set_sink(NULL, NULL);
    dup2(fds[1], STDERR_FILENO);
    log_event(LOG_INFO, "e", NULL, "text");
    dup2(kept, STDERR_FILENO);
    assert_true(read(fds[0], line, sizeof line - 1) > 0);
    assert_string_equal(line, "2026-01-01T00:00:00.042Z info server e: text\n");
    close(fds[0]);
    close(fds[1]);
    close(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats),
        cmocka_unit_test(fields_keep_to_themselves),
        cmocka_unit_test(levels),
        cmocka_unit_test(control_characters_are_escaped),
        cmocka_unit_test(long_lines_are_cut_whole),
        cmocka_unit_test(without_sink_to_standard_error),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}

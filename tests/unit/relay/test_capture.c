/* Captures into a temporary Maildir; the content lies in blocks, so that no store is needed. */
#include "relay/capture.h"

#include "msa/base/mem.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static char dir[64];
static struct loop *loop;
static struct mailbox *mailbox;
static struct pool *pool;
static int result;

static int set_up(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/test_capture.XXXXXX");
    assert_non_null(mkdtemp(dir));
    loop = loop_new();
    mailbox = mailbox_new(loop);
    pool = pool_start("disk", 1);
    return 0;
}

static int tear_down(void **state)
{
    char command[192];
    (void)state;
    pool_stop(pool);
    mailbox_close(mailbox);
    loop_stop(loop);
    loop_run(loop);
    loop_free(loop);
    snprintf(command, sizeof command, "chmod -R u+w %s; rm -r %s", dir, dir);
    return system(command);
}

static void on_done(void *arg, int err)
{
    result = err;
    loop_stop(arg);
}

static int capture_signed(const char *into, const char *from, const char *prefix, struct sv content,
                          size_t nrows)
{
    struct queue_message *m = queue_message_new();
    memcpy(m->id, "0123456789abcdef", 17);
    m->reverse_path = from;
    m->prefix = prefix;
    m->size = content.len;
    m->content = block_new(content);
    struct queue_batch *b = queue_batch_new(m, nrows);
    for (size_t i = 0; i < nrows; i++)
        b->rows[i].address = arena_printf(&b->arena, "user%zu@x.test", i);
    relay_capture_start(&(struct relay_capture){
        .pool = pool, .reply = mailbox, .dir = into, .batch = b, .done = on_done, .arg = loop});
    loop_run(loop);
    queue_batch_free(b);
    queue_message_drop(m);
    return result;
}

static int capture(const char *into, const char *from, struct sv content, size_t nrows)
{
    return capture_signed(into, from, "", content, nrows);
}

/* The bytes of the file-th entry of a folder, and how many entries there are. */
static size_t entries(const char *folder, char **text_out, size_t *len_out)
{
    char path[512];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/%s", dir, folder);
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (e->d_name[0] == '.')
            continue;
        n++;
        if (!text_out)
            continue;
        snprintf(path, sizeof path, "%s/%s/%s", dir, folder, e->d_name);
        FILE *f = fopen(path, "r");
        *text_out = mem_new(2 << 20, 1);
        *len_out = fread(*text_out, 1, (2 << 20) - 1, f);
        fclose(f);
        text_out = NULL;
    }
    closedir(d);
    return n;
}

static void writes_trace_and_local_line_ends(void **state)
{
    char *text = NULL;
    size_t len = 0;
    (void)state;
    assert_int_equal(capture(dir, "me@x.test", SV("A: b\r\n\r\nlone \r stays\r\r\nend\r"), 2), 0);
    assert_int_equal(entries("new", &text, &len), 1);
    assert_string_equal(text, "Return-Path: <me@x.test>\n"
                              "Delivered-To: user0@x.test\n"
                              "Delivered-To: user1@x.test\n"
                              "A: b\n\nlone \r stays\r\nend\r");
    assert_int_equal(entries("tmp", NULL, NULL), 0);
    assert_int_equal(entries("cur", NULL, NULL), 0);
    free(text);
    /* the same message again is another file */
    assert_int_equal(capture(dir, "", SV("A: b\r\n"), 1), 0);
    assert_int_equal(entries("new", NULL, NULL), 2);
}

static void what_signs_stands_before_the_content(void **state)
{
    char *text = NULL;
    size_t len = 0;
    (void)state;
    assert_int_equal(capture_signed(dir, "", "Sig: x\r\n y\r\n", SV("A: b\r\n"), 1), 0);
    assert_int_equal(entries("new", &text, &len), 1);
    assert_string_equal(text, "Return-Path: <>\nDelivered-To: user0@x.test\nSig: x\n y\nA: b\n");
    free(text);
    assert_int_equal(capture_signed(dir, "", "Sig: x\r\n", SV(""), 1), 0);
    assert_int_equal(entries("new", NULL, NULL), 2);
}

/* Pieces end inside a line end: nothing is lost or doubled there. */
static void large_content_comes_whole(void **state)
{
    size_t lines = 100003, used = 0;
    char *content = mem_new(lines, 8), *expected = mem_new(lines, 8);
    char *text = NULL;
    size_t len = 0, at = 0;
    (void)state;
    for (size_t i = 0; i < lines; i++) {
        used += (size_t)sprintf(content + used, "%zu\r\n", i % 10000);
        at += (size_t)sprintf(expected + at, "%zu\n", i % 10000);
    }
    assert_int_equal(capture(dir, "", (struct sv){content, used}, 1), 0);
    assert_int_equal(entries("new", &text, &len), 1);
    struct sv body = sv_skip(sv_of(text), strlen("Return-Path: <>\nDelivered-To: user0@x.test\n"));
    assert_true(sv_eq(body, (struct sv){expected, at}));
    free(content);
    free(expected);
    free(text);
}

static void empty_content_and_many_recipients(void **state)
{
    char *text = NULL;
    size_t len = 0;
    (void)state;
    assert_int_equal(capture(dir, "me@x.test", SV(""), 20000), 0);
    assert_int_equal(entries("new", &text, &len), 1);
    assert_non_null(strstr(text, "Delivered-To: user19999@x.test\n"));
    free(text);
}

static void a_folder_that_cannot_be_made(void **state)
{
    char path[96];
    (void)state;
    snprintf(path, sizeof path, "%s/no/such", dir);
    assert_true(capture(path, "", SV("A: b\r\n"), 1) < 0);
    snprintf(path, sizeof path, "%s/file", dir);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    assert_true(capture(path, "", SV("A: b\r\n"), 1) < 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(writes_trace_and_local_line_ends), CASE(what_signs_stands_before_the_content),
        CASE(large_content_comes_whole),        CASE(empty_content_and_many_recipients),
        CASE(a_folder_that_cannot_be_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

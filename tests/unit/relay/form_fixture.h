/*
 * form_fixture.h - messages that need another form, and what lies in the spool folder, on top of
 * relay_fixture.h.
 */
#ifndef TESTS_UNIT_RELAY_FORM_FIXTURE_H
#define TESTS_UNIT_RELAY_FORM_FIXTURE_H

#include "tests/unit/relay/relay_fixture.h"

#include "msa/base/utf8.h"

#include <dirent.h>

#define EIGHT_BIT                                                                                  \
    "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGr\xc3\xbc" \
    "n, and more words\r\n"
#define SIGNED                                                                                \
    "Subject: x\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n\xc3\xbc\r\n" \
    "--b--\r\n"

static void close_no_host(void)
{
    stop_relay();
    close_stopped_relay();
    free_loop();
}

static void on_time(void *arg)
{
    loop_stop(arg);
}

/* What has been posted is done, also on the disk pool. */
static void settle(void)
{
    struct timer timer;
    timer_init(&timer, t.loop, on_time, t.loop);
    timer_start(&timer, 100);
    loop_run(t.loop);
    timer_stop(&timer);
}

static unsigned count_spooled(void)
{
    char path[128];
    unsigned count = 0;
    snprintf(path, sizeof path, "%s/spool", t.dir);
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        count += e->d_name[0] != '.';
    closedir(d);
    return count;
}

static void wait_until_none_is_spooled(void)
{
    settle();
    for (int i = 0; i < 100 && count_spooled(); i++)
        settle();
    assert_int_equal(count_spooled(), 0);
}

static struct queue_message *make(const char *head, const char *line, size_t lines)
{
    struct queue_message *m = queue_message_new();
    struct buf text;
    buf_init(&text, SIZE_MAX, 0);
    queue_id_make(m->id, clock_wall_ms(), random_u64());
    assert_int_equal(buf_put(&text, sv_of(head)), 0);
    for (size_t i = 0; i < lines; i++)
        assert_int_equal(buf_put(&text, sv_of(line)), 0);
    m->size = buf_len(&text);
    m->content = block_from_buf(&text);
    m->eight_bit = true;
    return m;
}

#endif

/*
 * history_files.c - naming, listing and removing day files.
 */
#include "relay/queue/history_files.h"

#include "msa/base/buf.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY_MS INT64_C(86400000)

static const char *const suffixes[] = {"", "-wal", "-shm"};
#define NSUFFIXES (sizeof suffixes / sizeof *suffixes)

void history_day(char out[HISTORY_DAY_LEN + 1], int64_t wall_ms)
{
    struct tm tm;
    char text[40];
    time_t seconds = (time_t)(wall_ms / 1000);
    memcpy(out, "1970-01-01", HISTORY_DAY_LEN + 1);
    /* A clock beyond the year 9999 has no day. */
    if (wall_ms < 0 || !gmtime_r(&seconds, &tm) || tm.tm_year >= 8100)
        return;
    /* not strftime(), which looks each time whether the machine's time zone has changed */
    snprintf(text, sizeof text, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
    memcpy(out, text, HISTORY_DAY_LEN);
}

char *history_file_path(const char *dir, const char *day, const char *suffix)
{
    struct buf b;
    size_t len;
    buf_init(&b, SIZE_MAX / 2, 0);
    int err = buf_printf(&b, "%s/%s.db%s", dir, day, suffix);
    REQUIRE(err == 0);
    return buf_take(&b, &len);
}

static bool is_day_file(struct sv name)
{
    static const char form[] = "dddd-dd-dd.db";
    if (name.len != sizeof form - 1)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (form[i] == 'd' && i < HISTORY_DAY_LEN ? !ascii_digit(name.ptr[i])
                                                  : name.ptr[i] != form[i])
            return false;
    return true;
}

static void add_name(void *arg, const char *name)
{
    struct history_days *d = arg;
    if (!is_day_file(sv_of(name)))
        return;
    if (d->count == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 32;
        d->days = mem_resize(d->days, d->cap, sizeof *d->days);
    }
    memcpy(d->days[d->count], name, HISTORY_DAY_LEN);
    d->days[d->count++][HISTORY_DAY_LEN] = '\0';
}

static int by_text(const void *a, const void *b)
{
    return memcmp(a, b, HISTORY_DAY_LEN);
}

int history_files_list(const char *dir, struct history_days *out)
{
    *out = (struct history_days){0};
    int err = file_list(dir, add_name, out);
    if (err == 0 && out->count > 0)
        qsort(out->days, out->count, sizeof *out->days, by_text);
    return err;
}

void history_days_free(struct history_days *d)
{
    free(d->days);
    *d = (struct history_days){0};
}

static uint64_t day_bytes(const char *dir, const char *day)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < 2; i++) { /* the third is memory */
        char *path = history_file_path(dir, day, suffixes[i]);
        struct file *f = NULL;
        if (file_open(path, FILE_READ, &f) == 0) {
            int64_t size = file_size(f);
            sum += size > 0 ? (uint64_t)size : 0;
        }
        file_close(f);
        free(path);
    }
    return sum;
}

static int remove_day(const char *dir, const char *day)
{
    int err = 0;
    for (size_t i = 0; i < NSUFFIXES; i++) {
        char *path = history_file_path(dir, day, suffixes[i]);
        int one = file_unlink(path);
        if (one < 0 && one != -ENOENT && err == 0)
            err = one;
        free(path);
    }
    return err;
}

int history_files_prune(const char *dir, int64_t wall_ms, unsigned keep, uint64_t bytes,
                        const char *open_day)
{
    struct history_days d;
    char first[HISTORY_DAY_LEN + 1];
    history_day(first, wall_ms - (int64_t)keep * DAY_MS);
    int err = history_files_list(dir, &d);
    uint64_t sum = 0;
    for (size_t i = d.count; i-- > 0 && err == 0;) {
        uint64_t size = day_bytes(dir, d.days[i]);
        bool old = memcmp(d.days[i], first, HISTORY_DAY_LEN) < 0;
        if (strcmp(d.days[i], open_day) != 0 && (old || sum + size > bytes))
            err = remove_day(dir, d.days[i]);
        sum += size; /* of removed ones too: what is older than them goes as well */
    }
    history_days_free(&d);
    return err;
}

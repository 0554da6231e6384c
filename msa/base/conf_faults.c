/*
 * The list of faults, and where each key was written.
 */
#include "msa/base/conf.h"
#include "msa/base/ip.h"
#include "msa/base/require.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void conf_faults_init(struct conf_faults *f, struct arena *a)
{
    *f = (struct conf_faults){.arena = a, .file = "", .key = ""};
}

/* Keeps the list in the order of the lines, and in the order of finding within a line. */
static void insert(struct conf_faults *f, struct conf_fault *fresh)
{
    struct conf_fault **at = &f->first;
    if (f->last && f->last->line <= fresh->line)
        at = &f->last->next;
    while (*at && (*at)->line <= fresh->line)
        at = &(*at)->next;
    fresh->next = *at;
    *at = fresh;
    if (!fresh->next)
        f->last = fresh;
    if (fresh->warning)
        f->warnings++;
    else
        f->errors++;
}

PRINTF_LIKE(4, 0)
static void add(struct conf_faults *f, bool warning, const char *right, const char *fmt,
                va_list args)
{
    struct conf_fault *fresh = arena_alloc(f->arena, sizeof *fresh);
    *fresh = (struct conf_fault){
        /* what was read may be gone when the fault is told */
        .file = arena_str(f->arena, sv_of(f->file)), .line = f->line,
        .key = arena_str(f->arena, sv_of(f->key)),   .wrong = arena_vprintf(f->arena, fmt, args),
        .right = arena_str(f->arena, sv_of(right)),  .warning = warning,
    };
    insert(f, fresh);
}

void conf_fault(struct conf_faults *f, const char *right, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    add(f, false, right, fmt, args);
    va_end(args);
}

void conf_check_network(const char *value, struct conf_faults *faults)
{
    struct ip_net unused;
    if (!ip_net_parse(sv_of(value), &unused))
        conf_fault(faults, "for example \"192.0.2.0/24\" or \"2001:db8::1\"",
                   "\"%s\" is no network, nor an address", value);
}

/* Of the key itself, or of something inside it, in the same file. */
static bool has_error(const struct conf_faults *f, const char *file, const char *key)
{
    size_t len = strlen(key);
    for (const struct conf_fault *e = f->first; e; e = e->next)
        if (!e->warning && len && strcmp(e->file, file) == 0 && strncmp(e->key, key, len) == 0 &&
            strchr(".[", e->key[len]))
            return true;
    return false;
}

/* The line of the key, else of what stands around it. */
static unsigned line_of(const struct conf_source *src, struct arena *a, const char *key)
{
    char *outer = arena_str(a, sv_of(key));
    for (size_t len = strlen(outer); len > 0; len--) {
        if (outer[len] != '\0' && outer[len] != '.' && outer[len] != '[')
            continue;
        outer[len] = '\0';
        const struct conf_place *place = conf_source_find(src, outer);
        if (place)
            return place->line;
    }
    return 0;
}

void conf_fault_at(struct conf_faults *f, const struct conf_source *src, bool warning,
                   const char *key, const char *right, const char *fmt, ...)
{
    if (has_error(f, src->file, key))
        return;
    f->file = src->file;
    f->key = key;
    f->line = line_of(src, f->arena, key);
    va_list args;
    va_start(args, fmt);
    add(f, warning, right, fmt, args);
    va_end(args);
}

void conf_faults_print(const struct conf_faults *f, struct buf *out)
{
    int err = 0;
    for (const struct conf_fault *e = f->first; e && err >= 0; e = e->next) {
        if (e->file[0])
            err = buf_printf(out, "%s:", e->file);
        if (err >= 0 && e->line)
            err = buf_printf(out, "%u:", e->line);
        if (err >= 0)
            err = buf_printf(out, "%s%s%s%s%s%s%s\n", e->file[0] || e->line ? " " : "", e->key,
                             e->key[0] ? ": " : "", e->warning ? "warning: " : "", e->wrong,
                             e->right[0] ? "; " : "", e->right);
    }
    /* a full buffer holds the first faults, which is what a reader wants of so many */
}

static char *without_zero_indexes(struct arena *a, const char *key)
{
    char *plain = arena_str(a, sv_of(key));
    char *hit;
    while ((hit = strstr(plain, "[0]")) != NULL)
        memmove(hit, hit + 3, strlen(hit + 3) + 1);
    return plain;
}

static int compare_plain(const void *key, const void *place)
{
    return strcmp(key, ((const struct conf_place *)place)->plain);
}

const struct conf_place *conf_source_find(const struct conf_source *src, const char *key)
{
    if (src->count == 0)
        return NULL;
    struct arena scratch;
    arena_init(&scratch);
    const char *plain = without_zero_indexes(&scratch, key);
    const struct conf_place *end = src->places + src->count;
    const struct conf_place *hit =
        bsearch(plain, src->places, src->count, sizeof *hit, compare_plain);
    if (hit) {
        while (hit > src->places && strcmp(hit[-1].plain, plain) == 0)
            hit--;
        /* several meet where the first element of a list has its own place: the exact one wins */
        for (const struct conf_place *p = hit; p < end && strcmp(p->plain, plain) == 0; p++)
            if (strcmp(p->key, key) == 0) {
                hit = p;
                break;
            }
    }
    arena_deinit(&scratch);
    return hit;
}

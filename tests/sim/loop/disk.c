/*
 * Each operation: enter() counts it, lets a planned fault or the planned loss of power strike, and
 * says how to go on. At the loss of power a write or a change of a name is still recorded as
 * unsynced before the call fails, because a part of it may have reached the disk.
 */
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "tests/sim/loop/disk_parts.h"
#include "tests/sim/loop/world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct disk_file {
    struct node *node;
    char *path; /* as opened, for faults */
    uint64_t epoch;
};

struct disk the_disk;

static int fault_for(unsigned op, const char *path)
{
    if (!(the_disk.fault.ops & op) || the_disk.fault.count == 0 ||
        (the_disk.fault.path_part && !strstr(path, the_disk.fault.path_part)))
        return 0;
    if (the_disk.fault.skip) {
        the_disk.fault.skip--;
        return 0;
    }
    the_disk.fault.count--;
    return the_disk.fault.err;
}

/* 0: do it. A negative error: fail; *strikes_out: the power failed in this very operation. */
static int enter(unsigned op, const char *path, bool *strikes_out)
{
    *strikes_out = false;
    if (the_disk.off)
        return -EIO;
    if (op != DISK_OP_READ && ++the_disk.ops == the_disk.crash_at) {
        the_disk.off = *strikes_out = true;
        return -EIO;
    }
    if (op == DISK_OP_SYNC)
        the_disk.syncs++;
    return fault_for(op, path);
}

static bool dead(const struct disk_file *f)
{
    return f->epoch != the_disk.epoch;
}

size_t dir_len_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) : 0;
}

static bool is_in(const char *path, const char *dir, size_t dir_len)
{
    return dir_len_of(path) == dir_len && memcmp(path, dir, dir_len) == 0;
}

bool name_change_touches(const struct name_change *c, const char *dir, size_t dir_len)
{
    return (c->from && is_in(c->from, dir, dir_len)) || (c->to && is_in(c->to, dir, dir_len));
}

struct name_change **name_change_apply(struct name_change **at)
{
    struct name_change *c = *at;
    if (c->from)
        names_set(&the_disk.safe, c->from, NULL);
    if (c->to)
        names_set(&the_disk.safe, c->to, c->node);
    *at = c->next;
    if (!*at)
        the_disk.end = at;
    node_drop(c->node);
    free(c->from);
    free(c->to);
    free(c);
    return at;
}

static void change_name(const char *from, const char *to, struct node *n)
{
    struct name_change *c = NEW(struct name_change);
    c->from = from ? mem_str(from) : NULL;
    c->to = to ? mem_str(to) : NULL;
    c->node = n;
    node_keep(n);
    *the_disk.end = c;
    the_disk.end = &c->next;
    if (from)
        names_set(&the_disk.now, from, NULL);
    if (to)
        names_set(&the_disk.now, to, n);
}

int disk_open(const char *path, unsigned flags, struct disk_file **out)
{
    struct name *name = names_find(&the_disk.now, path);
    bool strikes;
    if (the_disk.off)
        return -EIO;
    if (name && flags & DISK_EXCLUSIVE)
        return -EEXIST;
    if (!name && !(flags & DISK_CREATE))
        return -ENOENT;
    if (!name) {
        int err = enter(DISK_OP_NAME, path, &strikes);
        if (err < 0 && !strikes)
            return err;
        struct node *n = node_new();
        change_name(NULL, path, n);
        node_drop(n);
        if (err < 0)
            return err;
        name = names_find(&the_disk.now, path);
    }
    struct disk_file *f = NEW(struct disk_file);
    f->node = name->node;
    f->path = mem_str(path);
    f->epoch = the_disk.epoch;
    f->node->handles++;
    node_keep(f->node);
    *out = f;
    return 0;
}

static void drop_shared(struct node *n)
{
    void *value = n->shared;
    n->shared = NULL;
    if (value && n->drop_shared)
        n->drop_shared(value);
}

void disk_close(struct disk_file *f)
{
    if (!f)
        return;
    if (!dead(f) && --f->node->handles == 0)
        drop_shared(f->node);
    node_drop(f->node);
    free(f->path);
    free(f);
}

void **disk_shared(struct disk_file *f, void (*drop)(void *value))
{
    f->node->drop_shared = drop;
    return &f->node->shared;
}

ssize_t disk_read(struct disk_file *f, uint64_t offset, void *at, size_t len)
{
    bool strikes;
    const struct image *img = &f->node->now;
    int err = dead(f) ? -EIO : enter(DISK_OP_READ, f->path, &strikes);
    if (err < 0)
        return err;
    if (offset >= img->len)
        return 0;
    if (len > img->len - offset)
        len = img->len - offset;
    if (len)
        memcpy(at, img->data + offset, len);
    return (ssize_t)len;
}

static int change_content(struct disk_file *f, uint64_t offset, const void *bytes, size_t len)
{
    struct node *n = f->node;
    bool strikes;
    size_t before = n->now.len;
    size_t after = !bytes ? len : offset + len > before ? offset + len : before;
    int err = dead(f) ? -EIO : enter(DISK_OP_WRITE, f->path, &strikes);
    if (err < 0 && (dead(f) || !strikes))
        return err;
    if (err == 0 && after > before &&
        (the_disk.used > the_disk.capacity || after - before > the_disk.capacity - the_disk.used))
        return -ENOSPC;
    struct change *c = NEW(struct change);
    c->offset = offset;
    c->len = len;
    c->bytes = bytes ? mem_dup(bytes, len) : NULL;
    *n->end = c;
    n->end = &c->next;
    if (bytes)
        image_write(&n->now, offset, bytes, len);
    else
        image_resize(&n->now, len);
    the_disk.used = the_disk.used - before + n->now.len;
    return err;
}

int disk_write(struct disk_file *f, uint64_t offset, const void *bytes, size_t len)
{
    return len ? change_content(f, offset, bytes, len) : dead(f) || the_disk.off ? -EIO : 0;
}

int disk_truncate(struct disk_file *f, uint64_t size)
{
    return change_content(f, 0, NULL, size);
}

int64_t disk_size(struct disk_file *f)
{
    return dead(f) || the_disk.off ? -EIO : (int64_t)f->node->now.len;
}

int disk_sync(struct disk_file *f)
{
    struct node *n = f->node;
    bool strikes;
    int err = dead(f) ? -EIO : enter(DISK_OP_SYNC, f->path, &strikes);
    if (err < 0 && (dead(f) || the_disk.off))
        return err;
    /* a failed sync leaves pages marked as written that may not have been: all, none or some */
    uint32_t written_of_2 = err == 0 ? 2 : sim_below(3);
    for (const struct change *c = n->first; c; c = c->next)
        if (written_of_2 == 2 || sim_below(2) < written_of_2)
            node_apply(n, c);
    node_forget_changes(n);
    return err;
}

int disk_delete(const char *path)
{
    bool strikes;
    struct name *name = names_find(&the_disk.now, path);
    if (the_disk.off)
        return -EIO;
    if (!name)
        return -ENOENT;
    int err = enter(DISK_OP_NAME, path, &strikes);
    if (err == 0 || strikes)
        change_name(path, NULL, name->node);
    return err;
}

int disk_rename(const char *from, const char *to)
{
    bool strikes;
    struct name *name = names_find(&the_disk.now, from);
    if (the_disk.off)
        return -EIO;
    if (!name)
        return -ENOENT;
    int err = enter(DISK_OP_NAME, to, &strikes);
    if ((err == 0 || strikes) && strcmp(from, to) != 0)
        change_name(from, to, name->node);
    return err;
}

static bool is_dir(const char *path)
{
    size_t len = strlen(path);
    for (size_t i = 0; i < the_disk.ndirs; i++)
        if (strcmp(the_disk.dirs[i], path) == 0)
            return true;
    for (size_t i = 0; i < the_disk.now.count; i++)
        if (is_in(the_disk.now.items[i].path, path, len))
            return true;
    return false;
}

bool disk_exists(const char *path)
{
    return !the_disk.off && (names_find(&the_disk.now, path) || is_dir(path));
}

int disk_mkdir(const char *path)
{
    if (the_disk.off)
        return -EIO;
    if (disk_exists(path))
        return -EEXIST;
    the_disk.dirs = mem_resize(the_disk.dirs, the_disk.ndirs + 1, sizeof *the_disk.dirs);
    the_disk.dirs[the_disk.ndirs++] = mem_str(path);
    return 0;
}

/* Makes the changes of one folder safe, up to the change `until`. A rename from another folder
 * needs what came before it there. */
static void make_names_safe(const char *dir, size_t dir_len, const struct name_change *until)
{
    struct name_change **at = &the_disk.first;
    while (*at && *at != until) {
        struct name_change *c = *at;
        if (!name_change_touches(c, dir, dir_len)) {
            at = &c->next;
            continue;
        }
        if (c->from && c->to) {
            bool from_here = is_in(c->from, dir, dir_len), to_here = is_in(c->to, dir, dir_len);
            const char *other = from_here ? c->to : c->from;
            if (!from_here || !to_here) {
                make_names_safe(other, dir_len_of(other), c);
                at = &the_disk.first;
                while (*at != c)
                    at = &(*at)->next;
            }
        }
        at = name_change_apply(at);
    }
}

int disk_sync_dir(const char *path)
{
    bool strikes;
    int err = enter(DISK_OP_SYNC, path, &strikes);
    if (err == 0)
        make_names_safe(path, strlen(path), NULL);
    return err;
}

int disk_list(const char *dir, void (*each)(void *arg, const char *name), void *arg)
{
    size_t len = strlen(dir), count = 0;
    if (the_disk.off)
        return -EIO;
    if (!is_dir(dir))
        return -ENOENT;
    /* each() may delete what it is told */
    char **found = mem_new(the_disk.now.count, sizeof *found);
    for (size_t i = 0; i < the_disk.now.count; i++)
        if (is_in(the_disk.now.items[i].path, dir, len))
            found[count++] = mem_str(the_disk.now.items[i].path + len + 1);
    for (size_t i = 0; i < count; i++) {
        each(arg, found[i]);
        free(found[i]);
    }
    free(found);
    return 0;
}

uint64_t disk_ops(void)
{
    return the_disk.ops;
}

uint64_t disk_syncs(void)
{
    return the_disk.syncs;
}

void disk_crash_at(uint64_t n)
{
    the_disk.crash_at = n;
}

void disk_set_capacity(uint64_t bytes)
{
    the_disk.capacity = bytes;
}

uint64_t disk_capacity(void)
{
    return the_disk.capacity;
}

uint64_t disk_used(void)
{
    return the_disk.used;
}

void disk_fail(unsigned ops, const char *path_part, uint64_t skip, uint64_t count, int err)
{
    free(the_disk.fault.path_part);
    the_disk.fault.ops = ops;
    the_disk.fault.path_part = path_part ? mem_str(path_part) : NULL;
    the_disk.fault.skip = skip;
    the_disk.fault.count = count;
    the_disk.fault.err = err;
}

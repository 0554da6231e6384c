/*
 * disk_parts.h - what the simulated disk is made of; disk.c, disk_image.c and disk_power.c share
 * it.
 *
 * A node is a file without its name: what its handles see (now), what a loss of power cannot touch
 * (safe), and the changes that lead from safe to now. Names are the same: two tables and a list of
 * changes. A node lives while a table, a pending change or a handle refers to it.
 */
#ifndef TESTS_SIM_LOOP_DISK_PARTS_H
#define TESTS_SIM_LOOP_DISK_PARTS_H

#include "tests/sim/loop/disk.h"

struct image {
    char *data;
    size_t len, cap;
};

struct change { /* of content; bytes NULL: size becomes len */
    struct change *next;
    uint64_t offset;
    size_t len;
    char *bytes;
};

struct node {
    struct node *prev, *next; /* of all nodes */
    unsigned refs, handles;
    struct image now, safe;
    struct change *first, **end;
    void *shared;
    void (*drop_shared)(void *value);
};

struct name {
    char *path;
    struct node *node;
};

struct names { /* sorted by path */
    struct name *items;
    size_t count, cap;
};

struct name_change { /* from NULL: creation; to NULL: deletion */
    struct name_change *next;
    char *from, *to;
    struct node *node;
};

struct disk {
    struct node nodes; /* head of the ring */
    struct names now, safe;
    struct name_change *first, **end;
    char **dirs;
    size_t ndirs;
    uint64_t ops, syncs, crash_at, epoch, capacity, used;
    bool off;
    struct {
        unsigned ops;
        char *path_part;
        uint64_t skip, count;
        int err;
    } fault;
};

extern struct disk the_disk;

/* disk_image.c */
void image_write(struct image *img, uint64_t offset, const char *bytes, size_t len);
void image_resize(struct image *img, size_t len);
void image_copy(struct image *to, const struct image *from);
void image_free(struct image *img);
struct node *node_new(void);
void node_keep(struct node *n);
void node_drop(struct node *n);
void node_apply(struct node *n, const struct change *c); /* to safe */
void node_forget_changes(struct node *n);
struct name *names_find(const struct names *t, const char *path);
void names_set(struct names *t, const char *path, struct node *n); /* n NULL: removes */
size_t names_first_at(const struct names *t, const char *path);    /* first not before path */
void disk_names_free(struct names *t);

/* disk.c */
struct name_change **name_change_apply(struct name_change **at); /* to safe; unlinks and frees */
bool name_change_touches(const struct name_change *c, const char *dir, size_t dir_len);
size_t dir_len_of(const char *path);

#endif

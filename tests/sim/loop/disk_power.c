/*
 * What survives a loss of power. Names: of each folder's unsynced changes a first part, since file
 * systems keep their order; where it ends is the seed's choice. Content: as enum disk_loss says,
 * for each file by itself.
 */
#include "msa/base/mem.h"
#include "tests/sim/loop/disk_parts.h"
#include "tests/sim/loop/world.h"

#include <stdlib.h>
#include <string.h>

#define SECTOR_BYTES 512u

void disk_start(void)
{
    the_disk = (struct disk){.capacity = UINT64_MAX, .epoch = the_disk.epoch + 1};
    the_disk.nodes.prev = the_disk.nodes.next = &the_disk.nodes;
    the_disk.end = &the_disk.first;
}

void disk_power_off(void)
{
    the_disk.off = true;
}

bool disk_is_off(void)
{
    return the_disk.off;
}

/* Of a write some sectors, or of a change of size nothing. first_only: the sectors are the first.
 */
static void apply_torn(struct node *n, const struct change *c, bool first_only)
{
    uint64_t at = 0;
    while (c->bytes && at < c->len) {
        size_t part = SECTOR_BYTES - (size_t)((c->offset + at) % SECTOR_BYTES);
        if (part > c->len - at)
            part = c->len - (size_t)at;
        if (sim_below(2))
            image_write(&n->safe, c->offset + at, c->bytes + at, part);
        else if (first_only)
            return;
        at += part;
    }
}

static void survive_mixed(struct node *n)
{
    size_t count = 0;
    for (const struct change *c = n->first; c; c = c->next)
        count++;
    const struct change **order = mem_new(count, sizeof *order);
    size_t i = 0;
    for (const struct change *c = n->first; c; c = c->next)
        order[i++] = c;
    for (i = count; i > 1; i--) {
        size_t k = sim_below((uint32_t)i);
        const struct change *swap = order[k];
        order[k] = order[i - 1];
        order[i - 1] = swap;
    }
    for (i = 0; i < count; i++) {
        uint32_t fate = sim_below(3);
        if (fate == 0)
            node_apply(n, order[i]);
        else if (fate == 1)
            apply_torn(n, order[i], false);
    }
    free(order);
}

static void survive_first(struct node *n)
{
    uint32_t count = 0;
    for (const struct change *c = n->first; c; c = c->next)
        count++;
    uint32_t whole = sim_below(count + 1);
    for (const struct change *c = n->first; c; c = c->next, whole--) {
        if (whole == 0) {
            apply_torn(n, c, true);
            return;
        }
        node_apply(n, c);
    }
}

static void survive(struct node *n, enum disk_loss loss)
{
    if (loss == DISK_LOSS_SEEDED)
        loss = (enum disk_loss)(DISK_LOSS_ALL + sim_below(4));
    if (loss == DISK_LOSS_NONE)
        image_copy(&n->safe, &n->now); /* also what a failed sync has left */
    else if (loss == DISK_LOSS_TORN)
        survive_first(n);
    else if (loss == DISK_LOSS_MIXED)
        survive_mixed(n);
    node_forget_changes(n);
}

/* Folders whose further changes are lost. */
struct lost {
    const char *dir[64];
    size_t len[64];
    size_t count;
};

static void lose(struct lost *l, const char *path)
{
    if (path && l->count < sizeof l->dir / sizeof *l->dir) {
        l->dir[l->count] = path;
        l->len[l->count++] = dir_len_of(path);
    }
}

static bool is_lost(const struct lost *l, const struct name_change *c)
{
    for (size_t i = 0; i < l->count; i++)
        if (name_change_touches(c, l->dir[i], l->len[i]))
            return true;
    return false;
}

static void drop_name_changes(void)
{
    while (the_disk.first) {
        struct name_change *c = the_disk.first;
        the_disk.first = c->next;
        node_drop(c->node);
        free(c->from);
        free(c->to);
        free(c);
    }
    the_disk.end = &the_disk.first;
}

/* A change whose folder was lost makes the other folder it touches lost too: the rest of that one
 * may build on it. */
static void survive_names(enum disk_loss loss)
{
    static const uint32_t lost_of_8[] = {0, 1, 4, 8};
    struct lost lost = {.count = 0};
    uint32_t chance = loss == DISK_LOSS_ALL    ? 8
                      : loss == DISK_LOSS_NONE ? 0
                                               : lost_of_8[sim_below(4)];
    struct name_change **at = &the_disk.first;
    while (*at) {
        struct name_change *c = *at;
        bool known = is_lost(&lost, c);
        if (!known && sim_below(8) >= chance) {
            at = name_change_apply(at);
            continue;
        }
        if (!known || (c->from && c->to)) {
            lose(&lost, c->from);
            lose(&lost, c->to);
        }
        at = &c->next;
    }
    drop_name_changes();
}

void disk_power_on(enum disk_loss loss)
{
    struct names before = the_disk.now;
    survive_names(loss);
    the_disk.now = (struct names){0};
    for (size_t i = 0; i < the_disk.safe.count; i++)
        names_set(&the_disk.now, the_disk.safe.items[i].path, the_disk.safe.items[i].node);
    disk_names_free(&before);
    the_disk.used = 0;
    for (struct node *n = the_disk.nodes.next; n != &the_disk.nodes; n = n->next) {
        void *shared = n->shared;
        n->shared = NULL;
        if (shared && n->drop_shared)
            n->drop_shared(shared);
        survive(n, loss);
        image_copy(&n->now, &n->safe);
        the_disk.used += n->now.len;
        n->handles = 0;
    }
    the_disk.epoch++;
    the_disk.crash_at = 0;
    the_disk.off = false;
    disk_fail(0, NULL, 0, 0, 0);
}

void disk_stop(void)
{
    drop_name_changes();
    disk_names_free(&the_disk.now);
    disk_names_free(&the_disk.safe);
    the_disk.epoch++;
    /* what is left is held by handles that nobody closed; each stands alone from now on */
    for (struct node *n = the_disk.nodes.next, *next; n != &the_disk.nodes; n = next) {
        next = n->next;
        n->prev = n->next = n;
    }
    for (size_t i = 0; i < the_disk.ndirs; i++)
        free(the_disk.dirs[i]);
    free(the_disk.dirs);
    disk_fail(0, NULL, 0, 0, 0);
}

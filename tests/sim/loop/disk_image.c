#include "msa/base/mem.h"
#include "tests/sim/loop/disk_parts.h"

#include <stdlib.h>
#include <string.h>

void image_resize(struct image *img, size_t len)
{
    if (len > img->cap) {
        size_t cap = img->cap ? img->cap : 512;
        while (cap < len)
            cap *= 2;
        img->data = mem_resize(img->data, cap, 1);
        img->cap = cap;
    }
    if (len > img->len)
        memset(img->data + img->len, 0, len - img->len);
    img->len = len;
}

void image_write(struct image *img, uint64_t offset, const char *bytes, size_t len)
{
    if (len == 0)
        return;
    if (offset + len > img->len)
        image_resize(img, offset + len);
    memcpy(img->data + offset, bytes, len);
}

void image_copy(struct image *to, const struct image *from)
{
    image_resize(to, 0);
    image_write(to, 0, from->data, from->len);
}

void image_free(struct image *img)
{
    free(img->data);
    *img = (struct image){0};
}

struct node *node_new(void)
{
    struct node *n = NEW(struct node);
    n->refs = 1;
    n->end = &n->first;
    n->next = &the_disk.nodes;
    n->prev = the_disk.nodes.prev;
    n->prev->next = n->next->prev = n;
    return n;
}

void node_keep(struct node *n)
{
    n->refs++;
}

void node_drop(struct node *n)
{
    if (--n->refs)
        return;
    the_disk.used -= n->now.len;
    n->prev->next = n->next;
    n->next->prev = n->prev;
    if (n->shared && n->drop_shared)
        n->drop_shared(n->shared);
    node_forget_changes(n);
    image_free(&n->now);
    image_free(&n->safe);
    free(n);
}

void node_apply(struct node *n, const struct change *c)
{
    if (c->bytes)
        image_write(&n->safe, c->offset, c->bytes, c->len);
    else
        image_resize(&n->safe, c->len);
}

void node_forget_changes(struct node *n)
{
    while (n->first) {
        struct change *c = n->first;
        n->first = c->next;
        free(c->bytes);
        free(c);
    }
    n->end = &n->first;
}

size_t names_first_at(const struct names *t, const char *path)
{
    size_t low = 0, high = t->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(t->items[middle].path, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct name *names_find(const struct names *t, const char *path)
{
    size_t at = names_first_at(t, path);
    return at < t->count && strcmp(t->items[at].path, path) == 0 ? &t->items[at] : NULL;
}

void names_set(struct names *t, const char *path, struct node *n)
{
    size_t at = names_first_at(t, path);
    struct name *found = names_find(t, path);
    if (n)
        node_keep(n);
    if (found) {
        node_drop(found->node);
        found->node = n;
        if (!n) {
            free(found->path);
            t->count--;
            memmove(found, found + 1, (t->count - at) * sizeof *found);
        }
    } else if (n) {
        if (t->count == t->cap) {
            t->cap = t->cap ? t->cap * 2 : 32;
            t->items = mem_resize(t->items, t->cap, sizeof *t->items);
        }
        memmove(t->items + at + 1, t->items + at, (t->count - at) * sizeof *t->items);
        t->items[at] = (struct name){mem_str(path), n};
        t->count++;
    }
}

void disk_names_free(struct names *t)
{
    while (t->count)
        names_set(t, t->items[t->count - 1].path, NULL);
    free(t->items);
    *t = (struct names){0};
}

#include "msa/base/crashring.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct crashring *ring;
static atomic_uint next_slot;
static _Thread_local unsigned my_slot; /* number plus one */

static int map(int fd, struct crashring **out)
{
    void *at = mmap(NULL, sizeof(struct crashring), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return -errno;
    *out = at;
    return 0;
}

int crashring_create(int *fd_out, struct crashring **out)
{
    int fd = memfd_create("crashring", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    int err = ftruncate(fd, sizeof(struct crashring)) < 0 ? -errno : map(fd, out);
    if (err < 0) {
        close(fd);
        return err;
    }
    *fd_out = fd;
    return 0;
}

int crashring_attach(int fd)
{
    return map(fd, &ring);
}

void crashring_hold(const char *id)
{
    if (!ring)
        return;
    if (my_slot == 0)
        my_slot = atomic_fetch_add(&next_slot, 1) + 1;
    if (my_slot <= CRASHRING_SLOTS)
        strncpy(ring->slot[my_slot - 1].id, id, CRASHRING_ID_MAX);
}

void crashring_done(void)
{
    if (ring && my_slot > 0 && my_slot <= CRASHRING_SLOTS)
        ring->slot[my_slot - 1].id[0] = '\0';
}

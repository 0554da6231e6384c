#include "relay/qmtp/package.h"

#include "msa/base/require.h"

#include <string.h>

struct address {
    char text[SMTP_PATH_MAX];
    size_t len;
};

/* The canonical path without the quotes of its local part (path.h). */
static struct address address_of(const struct smtp_path *p)
{
    struct address a;
    struct sv local = sv_first(p->text, p->local_len), domain = sv_skip(p->text, p->local_len);
    bool quoted = local.len >= 2 && local.ptr[0] == '"';
    REQUIRE(p->text.len <= sizeof a.text);
    a.len = 0;
    for (size_t i = quoted; i < local.len - quoted; i++) {
        if (quoted && local.ptr[i] == '\\')
            i++;
        a.text[a.len++] = local.ptr[i];
    }
    if (domain.len)
        memcpy(a.text + a.len, domain.ptr, domain.len);
    a.len += domain.len;
    return a;
}

size_t qmtp_package_room(uint32_t recipients)
{
    return ((size_t)recipients + 3) * (SMTP_PATH_MAX + NETSTRING_EXTRA_MAX);
}

void qmtp_package_begin(struct buf *out, uint64_t message_bytes)
{
    REQUIRE(message_bytes <= QMTP_MESSAGE_MAX);
    int err = netstring_begin(out, (uint32_t)message_bytes + 1);
    if (!err)
        err = buf_put(out, SV("\n"));
    REQUIRE(!err);
}

static void put_address(struct buf *out, const struct smtp_path *path)
{
    struct address a = address_of(path);
    int err = netstring_put(out, (struct sv){a.text, a.len});
    REQUIRE(!err);
}

void qmtp_package_end(struct buf *out, const struct smtp_envelope *e,
                      bool (*takes)(const void *arg, uint32_t index), const void *arg)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < e->count; i++)
        if (takes(arg, i))
            bytes += netstring_size((uint32_t)address_of(&e->recipients[i].path).len);
    int err = buf_put(out, SV(","));
    REQUIRE(!err && bytes <= NETSTRING_LENGTH_MAX);
    put_address(out, &e->reverse);
    err = netstring_begin(out, (uint32_t)bytes);
    REQUIRE(!err);
    for (uint32_t i = 0; i < e->count; i++)
        if (takes(arg, i))
            put_address(out, &e->recipients[i].path);
    err = buf_put(out, SV(","));
    REQUIRE(!err);
}

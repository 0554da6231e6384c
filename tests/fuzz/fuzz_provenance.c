/*
 * A record of provenance as it may come from a damaged disk: whatever is taken for whole is read to
 * its end, and hunks put together give what the layers give.
 */
#include "msa/base/require.h"
#include "rewrite/provenance.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_layers(struct rewrite_provenance_reader *r)
{
    struct rewrite_layer layer;
    struct buf section;
    buf_init(&section, SIZE_MAX / 2, 0);
    REQUIRE(buf_put(&section, r->submitted) == 0);
    while (rewrite_provenance_next(r, &layer)) {
        struct buf after, lines;
        struct rewrite_hunks h;
        struct rewrite_hunk k;
        buf_init(&after, SIZE_MAX / 2, 0);
        buf_init(&lines, SIZE_MAX / 2, 0);
        REQUIRE(rewrite_layer_apply(&layer, buf_view(&section), &after) == 0);
        rewrite_hunks_init(&h, &layer, buf_view(&section));
        while (rewrite_hunks_next(&h, &k))
            REQUIRE(buf_put(&lines, k.after) == 0);
        REQUIRE(sv_eq(buf_view(&after), buf_view(&lines)));
        REQUIRE(buf_len(&after) <= REWRITE_PROVENANCE_MAX);
        rewrite_hunks_deinit(&h);
        buf_deinit(&lines);
        buf_deinit(&section);
        section = after;
    }
    REQUIRE(r->layers.len == 0);
    buf_deinit(&section);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rewrite_provenance_reader r;
    if (rewrite_provenance_open(&r, (struct sv){(const char *)data, size}))
        read_layers(&r);
    return 0;
}

#include "rewrite/cnames.h"

#include "msa/base/require.h"

void rewrite_cnames_init(struct rewrite_cnames *c, struct arena *arena)
{
    *c = (struct rewrite_cnames){.arena = arena};
}

static const struct rewrite_cname *find(const struct rewrite_cnames *c, struct sv domain)
{
    for (size_t i = 0; i < c->count; i++)
        if (sv_eq(c->list[i].name, domain))
            return &c->list[i];
    return NULL;
}

void rewrite_cnames_note(struct rewrite_cnames *c, enum rewrite_field_kind field, struct sv domain)
{
    if (c->count == REWRITE_CNAMES_MAX || find(c, domain))
        return;
    if (!c->list)
        c->list = arena_alloc(c->arena, REWRITE_CNAMES_MAX * sizeof *c->list);
    c->list[c->count++] =
        (struct rewrite_cname){.name = arena_sv(c->arena, domain), .field = field};
}

bool rewrite_cnames_next(const struct rewrite_cnames *c, const struct rewrite_cname **out)
{
    if (c->answered == c->count)
        return false;
    *out = &c->list[c->answered];
    return true;
}

void rewrite_cnames_answer(struct rewrite_cnames *c, struct sv canonical)
{
    REQUIRE(c->answered < c->count);
    char *copy = arena_str(c->arena, canonical);
    for (char *p = copy; *p; p++)
        *p = ascii_lower(*p);
    c->list[c->answered++].canonical = (struct sv){copy, canonical.len};
}

struct sv rewrite_cnames_find(const struct rewrite_cnames *c, struct sv domain)
{
    const struct rewrite_cname *found = find(c, domain);
    return found ? found->canonical : SV_NONE;
}

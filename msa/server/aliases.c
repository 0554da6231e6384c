#include "msa/server/aliases.h"

#include "msa/server/permissions.h"

struct reading {
    const struct conf_strings *realms;
    struct arena *arena;
    struct conf_faults *faults; /* NULL: faults are not told */
    void (*each)(void *arg, struct sv login, struct sv pattern);
    void *arg;
};

static void fault(const struct reading *r, const char *right, const char *wrong, struct sv text)
{
    if (r->faults)
        conf_fault(r->faults, right, "\"%.*s\" %s", SV_ARG(sv_first(text, 100)), wrong);
}

static bool is_pattern(const struct reading *r, struct arena *a, struct sv text)
{
    const char *wrong, *right;
    struct pattern p;
    if (!pattern_parse(a, text, &p, &wrong, &right)) {
        fault(r, right, wrong, text);
        return false;
    }
    bool good = p.form != PATTERN_FILE && p.form != PATTERN_OWN && p.form != PATTERN_OWN_SUB;
    if (!good)
        fault(r, "the addresses themselves", "cannot stand in a file of addresses", text);
    return good;
}

static void read_line(const struct reading *r, struct sv line)
{
    struct arena scratch;
    struct sv rest = line;
    const char *wrong, *right;
    struct sv login = sv_trim(sv_split(&rest, ':'));
    if (login.len == line.len || sv_find(line, ':') == line.len) {
        fault(r, "login: address, address", "has no colon", line);
        return;
    }
    const char *full = permissions_login(r->arena, login, r->realms, &wrong, &right);
    if (!full) {
        fault(r, right, wrong, login);
        return;
    }
    arena_init(&scratch);
    while (rest.len) {
        struct sv text = sv_trim(sv_split(&rest, ','));
        if (text.len && is_pattern(r, &scratch, text) && r->each)
            r->each(r->arg, sv_of(full), text);
    }
    arena_deinit(&scratch);
}

static void read_lines(const struct reading *r, struct sv text)
{
    for (unsigned number = 1; text.len; number++) {
        struct sv line = sv_split(&text, '\n');
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        line = sv_trim(line);
        if (r->faults)
            r->faults->line = number;
        if (line.len && line.ptr[0] != '#')
            read_line(r, line);
    }
}

void aliases_read(struct sv text, const struct conf_strings *realms, struct arena *a,
                  void (*each)(void *arg, struct sv login, struct sv pattern), void *arg)
{
    struct reading r = {.realms = realms, .arena = a, .each = each, .arg = arg};
    read_lines(&r, text);
}

void aliases_check(const char *path, struct sv text, const struct conf_strings *realms,
                   struct conf_faults *faults)
{
    struct reading r = {.realms = realms, .arena = faults->arena, .faults = faults};
    faults->file = arena_str(faults->arena, sv_of(path));
    faults->key = "";
    read_lines(&r, text);
}

#include "msa/base/require.h"
#include "msa/server/filter_internal.h"
#include "msa/server/policy.h"

#include <string.h>

/* "<address> parameters", as the envelope reads it; milters give addresses with brackets or not. */
static struct sv text_of(struct arena *a, const struct change *x)
{
    struct sv address = sv_trim(x->name);
    bool bracketed =
        address.len >= 2 && address.ptr[0] == '<' && address.ptr[address.len - 1] == '>';
    return sv_of(arena_printf(a, "%s%.*s%s%s%.*s", bracketed ? "" : "<", SV_ARG(address),
                              bracketed ? "" : ">", x->value.len ? " " : "", SV_ARG(x->value)));
}

static bool read_from(struct arena *a, const struct change *x, struct smtp_envelope *e)
{
    smtp_envelope_init(e, a);
    return smtp_envelope_parse_mail(e, text_of(a, x)) == 0 && !e->reverse.unqualified;
}

static bool read_rcpt(struct arena *a, const struct change *x, struct smtp_envelope *e)
{
    smtp_envelope_init(e, a);
    return smtp_envelope_parse_rcpt(e, text_of(a, x)) == 0 &&
           e->recipients[0].path.kind != SMTP_PATH_POSTMASTER && !e->recipients[0].path.unqualified;
}

static bool is_good(const struct filter *f, struct arena *a, const struct change *x)
{
    const struct msa_options *o = &f->service->generation->options;
    struct smtp_envelope e;
    struct smtp_reply unused;
    if (x->kind == MILTER_CHANGE_FROM)
        return read_from(a, x, &e);
    if (x->kind == MILTER_ADD_RCPT)
        return read_rcpt(a, x, &e) && policy_forward_path(&e.recipients[0].path, o, a, &unused);
    return true;
}

bool filter_envelope_good(const struct filter *f, const struct changes *c)
{
    const struct msa_limits_options *l = &f->service->generation->options.limits;
    struct arena scratch;
    int64_t added = 0;
    bool good = true;
    arena_init(&scratch);
    for (size_t i = 0; i < c->count && good; i++) {
        added += c->items[i].kind == MILTER_ADD_RCPT;
        good = is_good(f, &scratch, &c->items[i]) && added <= l->recipients;
    }
    arena_deinit(&scratch);
    return good;
}

/* ---- sender ---- */

/* Parameters that a milter may give with another sender; the others stay what the client said. */
static const enum smtp_mail_slot from_slots[] = {SMTP_MAIL_RET, SMTP_MAIL_ENVID};

static void change_from(struct queue_message *m, const struct change *x)
{
    struct smtp_envelope now, other;
    struct buf text;
    smtp_envelope_init(&now, &m->arena);
    int err = smtp_envelope_parse_mail(&now, sv_of(m->mail_params));
    REQUIRE(err == 0 && read_from(&m->arena, x, &other));
    now.reverse = other.reverse;
    for (size_t i = 0; i < sizeof from_slots / sizeof *from_slots; i++)
        if (smtp_envelope_has(&other, from_slots[i]))
            now.values[from_slots[i]] = other.values[from_slots[i]];
    buf_init(&text, SIZE_MAX / 2, 0);
    err = smtp_envelope_write_mail(&now, &text);
    REQUIRE(err == 0);
    m->reverse_path = arena_str(&m->arena, now.reverse.text);
    m->mail_params = arena_str(&m->arena, buf_view(&text));
    buf_deinit(&text);
}

/* ---- recipients ---- */

static size_t find_row(const struct queue_batch *rows, struct sv address)
{
    size_t i = 0;
    while (i < rows->nrows && !sv_ieq(sv_of(rows->rows[i].address), address))
        i++;
    return i;
}

static void delete_row(struct queue_batch *rows, struct arena *scratch, const struct change *x)
{
    struct smtp_path path;
    struct sv text = text_of(scratch, x), rest;
    if (smtp_path_parse(scratch, text, SMTP_PATH_FORWARD, &path, &rest) != SMTP_PATH_OK)
        return;
    size_t at = find_row(rows, path.text);
    if (at == rows->nrows)
        return;
    rows->nrows--;
    memmove(rows->rows + at, rows->rows + at + 1, (rows->nrows - at) * sizeof *rows->rows);
}

static void add_row(struct queue_batch *rows, struct arena *scratch, const struct change *x,
                    const struct queue_row *like)
{
    struct smtp_envelope e;
    struct buf text;
    bool good = read_rcpt(scratch, x, &e);
    REQUIRE(good);
    const struct smtp_recipient *r = &e.recipients[0];
    if (find_row(rows, r->path.text) < rows->nrows)
        return;
    buf_init(&text, SIZE_MAX / 2, 0);
    int err = smtp_envelope_write_rcpt(r, &text);
    REQUIRE(err == 0);
    rows->rows[rows->nrows++] = (struct queue_row){
        .address = arena_str(&rows->arena, r->path.text),
        .domain = arena_str(&rows->arena, smtp_path_domain(&r->path)),
        .rcpt_params = arena_str(&rows->arena, buf_view(&text)),
        .due_ms = like->due_ms,
        .held_ms = like->held_ms,
        .last_status = "",
        .last_text = "",
    };
    buf_deinit(&text);
}

static bool changes_rows(enum milter_change kind)
{
    return kind == MILTER_ADD_RCPT || kind == MILTER_DELETE_RCPT;
}

static void change_rows(struct queue_batch *rows, const struct changes *c)
{
    struct arena scratch;
    size_t most = rows->nrows;
    for (size_t i = 0; i < c->count; i++)
        most += changes_rows(c->items[i].kind);
    if (most == rows->nrows)
        return;
    struct queue_row like = rows->nrows ? rows->rows[0] : (struct queue_row){0};
    struct queue_row *list = arena_alloc(&rows->arena, most * sizeof *list);
    memcpy(list, rows->rows, rows->nrows * sizeof *list);
    rows->rows = list;
    arena_init(&scratch);
    for (size_t i = 0; i < c->count; i++) {
        if (c->items[i].kind == MILTER_ADD_RCPT)
            add_row(rows, &scratch, &c->items[i], &like);
        else if (c->items[i].kind == MILTER_DELETE_RCPT)
            delete_row(rows, &scratch, &c->items[i]);
    }
    arena_deinit(&scratch);
    for (size_t i = 0; i < rows->nrows; i++)
        rows->rows[i].number = (uint32_t)i;
}

/* ---- */

void filter_envelope_apply(struct filter *f, const struct changes *c, const struct filter_target *t)
{
    change_rows(t->rows, c);
    for (size_t i = 0; i < c->count; i++) {
        if (c->items[i].kind == MILTER_CHANGE_FROM)
            change_from(t->message, &c->items[i]);
        else if (c->items[i].kind == MILTER_QUARANTINE)
            filter_hold(f, f->parts[f->at].options->socket, c->items[i].value);
    }
}

void filter_envelope_hold(const char *why, struct queue_batch *rows)
{
    queue_batch_hold(rows, arena_printf(&rows->arena, "held by %s", why));
}

#include "rewrite/authors.h"

#include "msa/base/require.h"
#include "rewrite/address.h"
#include "rewrite/shown.h"

#include <string.h>

static const char *const words_of[] = {
#define FAULT_WORDS(name, words) [REWRITE_AUTHOR_##name] = words,
    REWRITE_AUTHOR_FAULTS(FAULT_WORDS)
#undef FAULT_WORDS
};

const char *rewrite_author_words(enum rewrite_author_fault fault)
{
    REQUIRE(fault > REWRITE_AUTHOR_OK && fault < REWRITE_AUTHOR_FAULT_COUNT);
    return words_of[fault];
}

void rewrite_authors_init(struct rewrite_authors *a)
{
    *a = (struct rewrite_authors){.count = 0};
    arena_init(&a->arena);
}

void rewrite_authors_deinit(struct rewrite_authors *a)
{
    arena_deinit(&a->arena);
}

static void grow(struct rewrite_authors *a)
{
    size_t room = a->room ? 2 * a->room : 4;
    struct rewrite_author *list = arena_alloc(&a->arena, room * sizeof *list);
    if (a->count)
        memcpy(list, a->list, a->count * sizeof *list);
    a->list = list;
    a->room = room;
}

static struct rewrite_author *add(struct rewrite_authors *a, const struct rewrite_field *f)
{
    if (a->count == REWRITE_AUTHORS_MAX) { /* the last one says so */
        a->list[a->count - 1].fault = REWRITE_AUTHOR_MANY;
        return NULL;
    }
    if (a->count == a->room)
        grow(a);
    struct rewrite_author *author = &a->list[a->count++];
    *author =
        (struct rewrite_author){.field = f->kind, .topmost = a->block_fields && !a->block_ended};
    return author;
}

static void add_fault(struct rewrite_authors *a, const struct rewrite_field *f,
                      enum rewrite_author_fault fault)
{
    struct rewrite_author *author = add(a, f);
    if (author)
        author->fault = fault;
}

/* ---- blocks ---- */

static bool is_resent(enum rewrite_field_kind kind)
{
    return kind >= REWRITE_FIELD_RESENT_FROM && kind <= REWRITE_FIELD_RESENT_BCC;
}

static void follow_block(struct rewrite_authors *a, enum rewrite_field_kind kind)
{
    if (a->block_ended || kind == REWRITE_FIELD_OTHER)
        return; /* one we do not know may be Resent-Date */
    unsigned bit = is_resent(kind) ? 1u << kind : 0;
    a->block_ended = a->block_fields && (!bit || (a->block_fields & bit));
    if (!a->block_ended)
        a->block_fields |= bit;
}

/* ---- names ---- */

/* What is seen of the section between two addresses. */
static void note_shown(struct rewrite_authors *a, const struct rewrite_field *f, struct sv raw)
{
    struct buf text;
    struct smtp_path path;
    enum rewrite_shown shown = REWRITE_SHOWN_OK;
    buf_init(&text, raw.len, 0);
    a->walked += raw.len;
    if (raw.len)
        shown = rewrite_shown_text(raw, &text);
    if (shown != REWRITE_SHOWN_OK)
        add_fault(a, f,
                  shown == REWRITE_SHOWN_CONTROL ? REWRITE_AUTHOR_CONTROL : REWRITE_AUTHOR_CHARSET);
    struct sv rest = buf_view(&text);
    while (rewrite_shown_next(&rest, &a->arena, &path)) {
        struct rewrite_author *author = add(a, f);
        if (!author)
            break;
        author->shown = true;
        author->path = path;
    }
    buf_deinit(&text);
}

/* ---- fields ---- */

/* Some readers end the header section at such a line. That of the name may hold nothing else. */
static bool has_blank_line(struct sv value)
{
    sv_split(&value, '\n');
    while (value.len) {
        struct sv line = sv_split(&value, '\n');
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (sv_trim(line).len == 0)
            return true;
    }
    return false;
}

static bool has_encoded_word(struct sv text)
{
    return text.len >= 2 && memmem(text.ptr, text.len, "=?", 2) != NULL;
}

static enum rewrite_author_fault fault_of(const struct rewrite_address *m, struct sv local,
                                          struct sv domain)
{
    return m->in_group                                           ? REWRITE_AUTHOR_GROUP
           : m->has_route                                        ? REWRITE_AUTHOR_ROUTE
           : m->has_cfws                                         ? REWRITE_AUTHOR_INSIDE
           : has_encoded_word(local) || has_encoded_word(domain) ? REWRITE_AUTHOR_ENCODED
                                                                 : REWRITE_AUTHOR_OK;
}

static void note_mailbox(struct rewrite_authors *a, struct sv section,
                         const struct rewrite_field *f, const struct rewrite_address *m)
{
    struct sv local = sv_range(section.ptr + m->local, section.ptr + m->local_end);
    struct sv domain = sv_range(section.ptr + m->domain, section.ptr + m->domain_end);
    struct rewrite_author *author = add(a, f);
    if (!author)
        return;
    author->fault = fault_of(m, local, domain);
    author->local = arena_sv(&a->arena, local);
    author->domain = arena_sv(&a->arena, domain);
}

static size_t note_mailboxes(struct rewrite_authors *a, struct sv section,
                             const struct rewrite_field *f)
{
    struct rewrite_addresses w;
    struct rewrite_address m;
    size_t count = 0, behind = f->value;
    rewrite_addresses_init(&w, section, f->value, f->end, REWRITE_AUTHORS_MAX);
    enum rewrite_address_step step;
    while ((step = rewrite_addresses_next(&w, &m)) == REWRITE_ADDRESS_MAILBOX) {
        count++;
        note_shown(a, f, sv_range(section.ptr + behind, section.ptr + m.local));
        note_mailbox(a, section, f, &m);
        behind = m.domain_end;
    }
    a->walked += w.walked;
    if (step == REWRITE_ADDRESS_FAULT)
        add_fault(a, f,
                  w.fault == REWRITE_ADDRESS_TOO_MANY ? REWRITE_AUTHOR_MANY
                                                      : REWRITE_AUTHOR_UNREADABLE);
    else if (w.has_group)
        add_fault(a, f, REWRITE_AUTHOR_GROUP);
    else if (w.has_empty)
        add_fault(a, f, REWRITE_AUTHOR_EMPTY);
    else
        note_shown(a, f, sv_range(section.ptr + behind, section.ptr + f->end));
    return count;
}

static bool is_author(enum rewrite_field_kind kind)
{
    return kind == REWRITE_FIELD_FROM || kind == REWRITE_FIELD_SENDER ||
           kind == REWRITE_FIELD_RESENT_FROM || kind == REWRITE_FIELD_RESENT_SENDER;
}

void rewrite_authors_note(struct rewrite_authors *a, struct sv section,
                          const struct rewrite_field *f)
{
    follow_block(a, f->kind);
    if (!is_author(f->kind))
        return;
    struct sv value = sv_range(section.ptr + f->value, section.ptr + f->end);
    char before_colon = section.ptr[f->value - 2];
    a->walked += value.len;
    if ((f->kind == REWRITE_FIELD_FROM && a->from_fields++ > 0) ||
        (f->kind == REWRITE_FIELD_SENDER && a->sender_fields++ > 0))
        add_fault(a, f, REWRITE_AUTHOR_TWICE);
    if (before_colon == ' ' || before_colon == '\t')
        add_fault(a, f, REWRITE_AUTHOR_COLON);
    if (has_blank_line(value))
        add_fault(a, f, REWRITE_AUTHOR_BLANK);
    size_t mailboxes = note_mailboxes(a, section, f);
    a->has_sender |= f->kind == REWRITE_FIELD_SENDER && mailboxes > 0;
    a->has_resent_from |= f->kind == REWRITE_FIELD_RESENT_FROM && mailboxes > 0 && !a->block_ended;
}

/* ---- paths ---- */

/* Characters that some readers take for the end of an address, or of a local part. */
static bool is_plain_local(struct sv local)
{
    for (size_t i = 1; local.ptr[0] == '"' && i + 1 < local.len; i++)
        if ((unsigned char)local.ptr[i] < 32 || strchr("@<>\"\\,;:()[]", local.ptr[i]))
            return false;
    return true;
}

static void make_path(struct rewrite_authors *a, struct rewrite_author *author,
                      const struct rewrite_complete *complete)
{
    struct sv added = complete ? rewrite_complete_domain(complete, author->domain) : SV_NONE;
    struct sv text =
        sv_of(arena_printf(&a->arena, "%.*s@%.*s%s%.*s", SV_ARG(author->local),
                           SV_ARG(author->domain), added.len ? "." : "", SV_ARG(added)));
    enum smtp_path_verdict v =
        smtp_path_parse_address(&a->arena, text, SMTP_PATH_FORWARD, &author->path);
    if (v == SMTP_PATH_UNQUALIFIED)
        author->fault = REWRITE_AUTHOR_UNQUALIFIED;
    else if (v != SMTP_PATH_OK ||
             !is_plain_local(sv_first(author->path.text, author->path.local_len)))
        author->fault = REWRITE_AUTHOR_FORM;
}

void rewrite_authors_finish(struct rewrite_authors *a, const struct rewrite_complete *complete)
{
    for (size_t i = 0; i < a->count; i++)
        if (!a->list[i].fault && !a->list[i].shown)
            make_path(a, &a->list[i], complete);
}

#include "rewrite/facts.h"

#include "rewrite/date.h"

#include <string.h>

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Without space and folding at both ends. */
static struct sv trim(struct sv text)
{
    while (text.len && is_white(text.ptr[0]))
        text = sv_skip(text, 1);
    while (text.len && is_white(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

/* Looser than RFC 5322 3.6.4: what others may have kept as the name of this message stays. */
static bool is_message_id(struct sv value)
{
    size_t from = sv_find(value, '<');
    struct sv id = sv_skip(value, from + 1);
    id = sv_first(id, sv_find(id, '>'));
    size_t at = sv_rfind(id, '@');
    return from + 1 + id.len < value.len && at > 0 && at + 1 < id.len;
}

/* Keeps the first Message-ID for whoever looks for the message later; folds and spaces go. */
static void note_message_id(struct rewrite_facts *f, struct sv value)
{
    size_t n = 0;
    if (f->has_message_id)
        return;
    f->has_message_id = true;
    f->message_id_readable = is_message_id(value);
    for (size_t i = 0; i < value.len && n + 1 < REWRITE_MESSAGE_ID_MAX; i++)
        if ((unsigned char)value.ptr[i] > ' ')
            f->message_id[n++] = value.ptr[i];
    f->message_id[n] = '\0';
}

/* requiretls-field = "TLS-Required:" [FWS] "No" CRLF, and never twice */
static void note_tls_required(struct rewrite_facts *f, struct sv value)
{
    f->tls_required_no = ++f->tls_required_fields == 1 && sv_ieq(trim(value), SV("No"));
}

/* A long list must be folded somewhere: space beside the commas goes, which the grammar does not
 * have. */
static void note_solicitation(struct rewrite_facts *f, struct sv value)
{
    size_t n = 0;
    if (f->has_solicitation)
        return;
    f->has_solicitation = true;
    while (value.len) {
        size_t before = value.len;
        struct sv word = sv_split(&value, ',');
        bool comma = word.len < before;
        word = trim(word);
        if (n + word.len + comma > SMTP_SOLICIT_MAX) {
            n = 0;
            break;
        }
        memcpy(f->solicitation + n, word.ptr, word.len);
        n += word.len;
        if (comma)
            f->solicitation[n++] = ',';
    }
    if (!smtp_solicit_valid((struct sv){f->solicitation, n}))
        n = 0;
    f->solicitation[n] = '\0';
}

void rewrite_facts_note(struct rewrite_facts *f, struct sv section,
                        const struct rewrite_field *field)
{
    struct sv value = {section.ptr + field->value, field->end - field->value};
    int64_t unused;
    switch (field->kind) {
    case REWRITE_FIELD_DATE:
        f->has_date = true;
        f->date_readable = f->date_readable || rewrite_date_read(value, &unused);
        break;
    case REWRITE_FIELD_MESSAGE_ID:
        note_message_id(f, value);
        break;
    case REWRITE_FIELD_FROM:
        f->has_from = true;
        break;
    case REWRITE_FIELD_SENDER:
        f->has_sender = true;
        break;
    case REWRITE_FIELD_TLS_REQUIRED:
        note_tls_required(f, value);
        break;
    case REWRITE_FIELD_SOLICITATION:
        note_solicitation(f, value);
        break;
    default:
        break;
    }
}

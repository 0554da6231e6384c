#include "rewrite/facts.h"

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

/* Keeps the first Message-ID for whoever looks for the message later; folds and spaces go. */
static void note_message_id(struct rewrite_facts *f, struct sv value)
{
    size_t n = 0;
    if (f->has_message_id)
        return;
    f->has_message_id = true;
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
    switch (field->kind) {
    case REWRITE_FIELD_DATE:
        f->has_date = true;
        break;
    case REWRITE_FIELD_MESSAGE_ID:
        note_message_id(f, value);
        break;
    case REWRITE_FIELD_FROM:
        f->has_from = true;
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

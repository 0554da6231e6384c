#include "rewrite/judge.h"

#include "rewrite/address.h"

#include <stdio.h>
#include <string.h>

#define EXCERPT_MAX 40 /* bytes of the message quoted in a reply */

void rewrite_judge_init(struct rewrite_judge *j, const struct rewrite_options *options,
                        struct rewrite_complete *complete)
{
    *j = (struct rewrite_judge){
        .options = options, .complete = complete, .mailboxes_left = REWRITE_ADDRESSES_MAX};
}

static bool is_accepting(const struct rewrite_judge *j)
{
    return j->options->header_errors == REWRITE_ERRORS_ACCEPT;
}

/* Refuses with "<field><words>" as subject; the words may quote the section. */
static bool refuse(const struct rewrite_field *f, enum rewrite_refusal_kind kind, const char *words,
                   struct rewrite_refusal *out)
{
    char subject[160];
    int len = snprintf(subject, sizeof(subject), "%s%s", rewrite_fields_name(f->kind), words);
    size_t max = sizeof(subject) - 1;
    rewrite_refusal_make(out, kind,
                         (struct sv){subject, len < 0             ? 0
                                              : (size_t)len < max ? (size_t)len
                                                                  : max});
    return false;
}

/* What stands around at, from the list element on, on one line. */
static void excerpt(char out[EXCERPT_MAX + 1], struct sv section, size_t element, size_t at,
                    size_t end)
{
    size_t from = at > element + EXCERPT_MAX * 3 / 4 ? at - EXCERPT_MAX * 3 / 4 : element, n = 0;
    while (from < end && section.ptr[from] == ' ')
        from++;
    for (size_t i = from; i < end && n < EXCERPT_MAX; i++)
        if (section.ptr[i] != '\r' && section.ptr[i] != '\n')
            out[n++] = section.ptr[i] == '\t' || section.ptr[i] == '\0' ? ' ' : section.ptr[i];
    while (n && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
}

static bool refuse_fault(const struct rewrite_addresses *w, const struct rewrite_field *f,
                         struct rewrite_refusal *out)
{
    char near[EXCERPT_MAX + 1], words[128];
    size_t element = w->fault_at < w->element ? w->fault_at : w->element;
    excerpt(near, w->section, element, w->fault_at, f->end);
    snprintf(words, sizeof(words), ": %s%s%s", rewrite_address_words(w->fault), *near ? " at " : "",
             near);
    return refuse(f, REWRITE_REFUSAL_ADDRESS, words, out);
}

static bool refuse_domain(const struct rewrite_addresses *w, const struct rewrite_address *a,
                          const struct rewrite_field *f, struct rewrite_refusal *out)
{
    char name[EXCERPT_MAX + 1], words[EXCERPT_MAX + 20];
    excerpt(name, w->section, a->domain, a->domain, a->domain_end);
    snprintf(words, sizeof(words), ": the domain %s", name);
    return refuse(f, REWRITE_REFUSAL_UNQUALIFIED, words, out);
}

static bool judge_count(const struct rewrite_field *f, size_t mailboxes,
                        struct rewrite_refusal *out)
{
    if (f->kind == REWRITE_FIELD_FROM && !mailboxes)
        return refuse(f, REWRITE_REFUSAL_NO_AUTHOR, "", out);
    if ((f->kind == REWRITE_FIELD_SENDER || f->kind == REWRITE_FIELD_RESENT_SENDER) &&
        mailboxes > 1)
        return refuse(f, REWRITE_REFUSAL_TWO_SENDERS, "", out);
    return true;
}

static bool judge_domain(struct rewrite_judge *j, const struct rewrite_addresses *w,
                         const struct rewrite_address *a, const struct rewrite_field *f,
                         struct rewrite_refusal *out)
{
    struct sv domain = sv_first(sv_skip(w->section, a->domain), a->domain_end - a->domain);
    if (a->domain_kind != REWRITE_DOMAIN_LABEL && a->domain_kind != REWRITE_DOMAIN_DIGITS)
        return true;
    if (j->complete && a->domain_kind == REWRITE_DOMAIN_LABEL) {
        j->walked += domain.len;
        if (rewrite_complete_can(j->complete, domain))
            return rewrite_complete_note(j->complete, f->kind, domain, out);
    }
    return is_accepting(j) || refuse_domain(w, a, f, out);
}

static bool judge_addresses(struct rewrite_judge *j, struct sv section,
                            const struct rewrite_field *f, struct rewrite_refusal *out)
{
    struct rewrite_addresses w;
    struct rewrite_address a;
    size_t mailboxes = 0;
    bool good = true;
    rewrite_addresses_init(&w, section, f->value, f->end, j->mailboxes_left);
    while (good && rewrite_addresses_next(&w, &a) == REWRITE_ADDRESS_MAILBOX) {
        mailboxes++;
        good = judge_domain(j, &w, &a, f, out);
    }
    j->mailboxes_left = w.left;
    j->walked += w.walked;
    if (!good || is_accepting(j))
        return good;
    return w.fault ? refuse_fault(&w, f, out) : judge_count(f, mailboxes, out);
}

bool rewrite_judge_field(struct rewrite_judge *j, struct sv section, const struct rewrite_field *f,
                         struct rewrite_refusal *refusal_out)
{
    if (!rewrite_fields_is_address(f->kind) || (is_accepting(j) && !j->complete))
        return true;
    bool again = (f->kind == REWRITE_FIELD_FROM && j->from_fields++ > 0) ||
                 (f->kind == REWRITE_FIELD_SENDER && j->sender_fields++ > 0);
    if (again && !is_accepting(j))
        return refuse(f, REWRITE_REFUSAL_REPEATED, "", refusal_out);
    return judge_addresses(j, section, f, refusal_out);
}

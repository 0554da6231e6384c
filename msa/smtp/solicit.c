#include "msa/smtp/solicit.h"

/* ALPHA *(ALPHA / DIGIT / "." / "-" / "_" / ":"); the reversed domain ends at the first colon. */
static bool is_keyword(struct sv word)
{
    if (word.len == 0 || !ascii_alpha(word.ptr[0]))
        return false;
    for (size_t i = 0; i < word.len; i++) {
        char c = word.ptr[i];
        if (!ascii_alpha(c) && !ascii_digit(c) && c != '.' && c != '-' && c != '_' && c != ':')
            return false;
    }
    return sv_find(word, ':') < word.len;
}

bool smtp_solicit_valid(struct sv list)
{
    if (list.len == 0 || list.len > SMTP_SOLICIT_MAX || list.ptr[list.len - 1] == ',')
        return false;
    while (list.len)
        if (!is_keyword(sv_split(&list, ',')))
            return false;
    return true;
}

struct sv smtp_solicit_common(struct sv list, struct sv other)
{
    while (list.len) {
        struct sv word = sv_split(&list, ','), rest = other;
        while (rest.len)
            if (sv_ieq(word, sv_split(&rest, ',')))
                return word;
    }
    return SV_NONE;
}

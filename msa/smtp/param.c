#include "msa/smtp/param.h"

#include "msa/base/utf8.h"

static bool is_keyword_char(char c, bool first)
{
    return ascii_alpha(c) || ascii_digit(c) || (!first && c == '-');
}

static bool is_value(struct sv text)
{
    return utf8_is_printable(text) && sv_find(text, ' ') == text.len &&
           sv_find(text, '=') == text.len;
}

int smtp_param_next(struct sv *rest, struct smtp_param *out)
{
    struct sv text = *rest;
    while (text.len && text.ptr[0] == ' ')
        text = sv_skip(text, 1);
    *rest = text;
    if (text.len == 0)
        return 0;

    struct sv word = sv_first(text, sv_find(text, ' '));
    struct sv value = word;
    struct sv keyword = sv_split(&value, '=');
    bool has_value = keyword.len < word.len;
    if (keyword.len == 0 || (has_value && value.len == 0))
        return ERR_SYNTAX;
    for (size_t i = 0; i < keyword.len; i++)
        if (!is_keyword_char(keyword.ptr[i], i == 0))
            return ERR_SYNTAX;
    if (!is_value(value))
        return ERR_SYNTAX;
    *out = (struct smtp_param){.keyword = keyword, .value = value, .has_value = has_value};
    *rest = sv_skip(text, word.len);
    return 1;
}

#include "msa/smtp/param.h"

static bool is_keyword_char(char c, bool first)
{
    return ascii_alpha(c) || ascii_digit(c) || (!first && c == '-');
}

static bool is_value_char(char c)
{
    return c > 32 && c < 127 && c != '=';
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
    for (size_t i = 0; i < value.len; i++)
        if (!is_value_char(value.ptr[i]))
            return ERR_SYNTAX;
    *out = (struct smtp_param){.keyword = keyword, .value = value, .has_value = has_value};
    *rest = sv_skip(text, word.len);
    return 1;
}

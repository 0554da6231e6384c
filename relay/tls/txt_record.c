#include "relay/tls/txt_record.h"

#include <string.h>

#define NAME_MAX_BYTES 32

static bool is_alnum(char c)
{
    return ascii_alpha(c) || ascii_digit(c);
}

bool txt_record_is_name(struct sv text)
{
    if (text.len == 0 || text.len > NAME_MAX_BYTES || !is_alnum(text.ptr[0]))
        return false;
    for (size_t i = 1; i < text.len; i++)
        if (!is_alnum(text.ptr[i]) && !memchr("_-.", text.ptr[i], 3))
            return false;
    return true;
}

bool txt_record_is_value(struct sv text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~' || memchr("=;", text.ptr[i], 2))
            return false;
    return text.len > 0;
}

static bool begins(struct sv text, struct sv version)
{
    return sv_starts(text, version) && sv_starts(sv_trim(sv_skip(text, version.len)), SV(";"));
}

size_t txt_record_find(const struct sv *texts, size_t n, struct sv version, struct sv *rest_out)
{
    size_t found = 0;
    *rest_out = SV_NONE;
    for (size_t i = 0; i < n; i++) {
        if (!begins(texts[i], version))
            continue;
        if (found++ == 0)
            *rest_out = sv_skip(texts[i], sv_find(texts[i], ';') + 1);
    }
    return found;
}

int txt_record_next(struct sv *rest, struct sv *name_out, struct sv *value_out)
{
    bool is_last = sv_find(*rest, ';') == rest->len;
    struct sv field = sv_trim(sv_split(rest, ';'));
    if (is_last && field.len == 0) /* the last field may have ";" behind it */
        return 0;
    size_t equals = sv_find(field, '=');
    *name_out = sv_first(field, equals);
    *value_out = sv_skip(field, equals + 1);
    return equals < field.len && txt_record_is_name(*name_out) ? 1 : ERR_SYNTAX;
}

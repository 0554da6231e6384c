#include "rewrite/mime_type.h"

#include "rewrite/cfws.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Offset behind white space, folding and comments; an open one goes to the end. */
static size_t skip_space(struct sv text, size_t at)
{
    struct sv rest = sv_skip(text, at);
    rewrite_cfws_skip(&rest);
    return text.len - rest.len;
}

static size_t skip_quoted(struct sv text, size_t at)
{
    for (at++; at < text.len && text.ptr[at] != '"'; at++)
        if (text.ptr[at] == '\\')
            at++;
    return at < text.len ? at + 1 : text.len;
}

/* Offset of the next semicolon outside of quotes and comments, or the end. */
static size_t find_semicolon(struct sv text, size_t at)
{
    while (at < text.len && text.ptr[at] != ';') {
        if (text.ptr[at] == '"')
            at = skip_quoted(text, at);
        else if (text.ptr[at] == '(')
            at = skip_space(text, at);
        else
            at++;
    }
    return at;
}

bool rewrite_mime_param_next(struct sv text, size_t *at, struct rewrite_mime_param *out)
{
    while (*at < text.len) {
        size_t start = find_semicolon(text, *at);
        if (start >= text.len)
            break;
        size_t name = skip_space(text, start + 1), i = name;
        while (i < text.len && text.ptr[i] != '=' && text.ptr[i] != ';' && text.ptr[i] != '"' &&
               text.ptr[i] != '(' && !is_space(text.ptr[i]))
            i++;
        *out = (struct rewrite_mime_param){.start = start, .name = {text.ptr + name, i - name}};
        i = skip_space(text, i);
        if (i >= text.len || text.ptr[i] != '=') {
            *at = i > start ? i : start + 1;
            continue;
        }
        out->value = skip_space(text, i + 1);
        out->is_quoted = out->value < text.len && text.ptr[out->value] == '"';
        if (out->is_quoted) {
            out->value_end = skip_quoted(text, out->value);
        } else {
            size_t end = out->value;
            while (end < text.len && text.ptr[end] != ';')
                end++;
            while (end > out->value && is_space(text.ptr[end - 1]))
                end--;
            out->value_end = end;
        }
        out->end = out->value_end;
        *at = out->end > start ? out->end : start + 1;
        return true;
    }
    return false;
}

struct sv rewrite_mime_param_text(struct sv text, const struct rewrite_mime_param *p)
{
    struct sv value = {text.ptr + p->value, p->value_end - p->value};
    size_t len = 0;
    if (p->is_quoted) {
        value = sv_skip(value, 1);
        if (value.len && value.ptr[value.len - 1] == '"')
            value.len--;
        return value;
    }
    while (len < value.len && !is_space(value.ptr[len]) && value.ptr[len] != '(')
        len++;
    return sv_first(value, len);
}

struct sv rewrite_mime_token(struct sv text, size_t *at)
{
    size_t from = *at = skip_space(text, *at);
    while (*at < text.len && text.ptr[*at] > 32 && text.ptr[*at] < 127 &&
           !strchr("()<>@,;:\\\"/[]?=", text.ptr[*at]))
        ++*at;
    return (struct sv){text.ptr + from, *at - from};
}

size_t rewrite_mime_type_read(struct sv value, struct sv *type, struct sv *subtype)
{
    size_t at = 0;
    *subtype = SV_NONE;
    *type = rewrite_mime_token(value, &at);
    size_t slash = skip_space(value, at);
    if (slash < value.len && value.ptr[slash] == '/') {
        at = slash + 1;
        *subtype = rewrite_mime_token(value, &at);
    }
    return at;
}

#include "rewrite/cfws.h"

bool rewrite_cfws_skip(struct sv *text)
{
    size_t depth = 0, i = 0;
    for (; i < text->len; i++) {
        char c = text->ptr[i];
        if (c == '(')
            depth++;
        else if (c == ')' && depth)
            depth--;
        else if (c == '\\' && depth)
            i++;
        else if (!depth && c != ' ' && c != '\t' && c != '\r' && c != '\n')
            break;
    }
    *text = sv_skip(*text, i);
    return depth == 0;
}

bool rewrite_cfws_strip(struct sv text, char *out, size_t max, size_t *n)
{
    bool quoted = false;
    for (;;) {
        if (!quoted)
            rewrite_cfws_skip(&text);
        if (!text.len)
            return true;
        char c = text.ptr[0];
        bool pair = quoted && c == '\\' && text.len > 1;
        if (c == '"')
            quoted = !quoted;
        if (*n + 1 + pair > max)
            return false;
        if (c != '\r' && c != '\n')
            out[(*n)++] = c;
        if (pair)
            out[(*n)++] = text.ptr[1];
        text = sv_skip(text, 1u + pair);
    }
}

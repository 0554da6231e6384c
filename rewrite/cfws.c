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

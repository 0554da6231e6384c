#include "relay/tls/tlsrpt_record.h"

#include "relay/tls/txt_record.h"

#include <string.h>

#define URI_BYTES 1000

static bool is_alnum(char c)
{
    return ascii_alpha(c) || ascii_digit(c);
}

static bool is_visible(struct sv text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~')
            return false;
    return text.len > 0;
}

static int hex_of(char c)
{
    return ascii_digit(c)         ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

/* RFC 6068: one address, percent-encoded; header fields that it would like are left out. */
static bool take_mailto(struct sv text, struct arena *arena, struct tlsrpt_target *out)
{
    struct sv rest = sv_first(text, sv_find(text, '?'));
    char *at = arena_alloc(arena, rest.len + 1);
    char *begin = at;
    for (size_t i = 0; i < rest.len; i++) {
        char c = rest.ptr[i];
        if (c == '%') {
            int high = i + 1 < rest.len ? hex_of(rest.ptr[i + 1]) : -1;
            int low = i + 2 < rest.len ? hex_of(rest.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        *at++ = c;
    }
    struct sv mailbox = {begin, (size_t)(at - begin)};
    size_t sign = sv_rfind(mailbox, '@');
    out->mailbox = begin;
    return is_visible(mailbox) && sign > 0 && sign + 1 < mailbox.len &&
           !memchr(mailbox.ptr, '<', mailbox.len) && !memchr(mailbox.ptr, '>', mailbox.len) &&
           !memchr(mailbox.ptr, ',', mailbox.len);
}

static bool is_host(struct sv name)
{
    if (name.len == 0 || name.len > 253)
        return false;
    while (name.len) {
        struct sv label = sv_split(&name, '.');
        if (label.len == 0 || label.len > 63 || label.ptr[0] == '-')
            return false;
        for (size_t i = 0; i < label.len; i++)
            if (!is_alnum(label.ptr[i]) && label.ptr[i] != '-' && label.ptr[i] != '_')
                return false;
    }
    return true;
}

static bool take_https(struct sv text, struct arena *arena, struct tlsrpt_target *out)
{
    struct sv rest = sv_first(text, sv_find(text, '#'));
    size_t end = 0;
    while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?')
        end++;
    struct sv authority = sv_first(rest, end), path = sv_skip(rest, end);
    struct sv host = sv_first(authority, sv_find(authority, ':'));
    uint64_t port = 443;
    if (authority.len > host.len &&
        (!sv_u64(sv_skip(authority, host.len + 1), UINT16_MAX, &port) || port == 0))
        return false;
    out->host = arena_str(arena, host);
    out->port = (uint16_t)port;
    out->path = arena_printf(arena, "%s%.*s", sv_starts(path, SV("/")) ? "" : "/", SV_ARG(path));
    return is_host(host);
}

static size_t take_uris(struct sv list, struct arena *arena, struct tlsrpt_target *out)
{
    size_t n = 0;
    while (list.len && n < TLSRPT_TARGETS_MAX) {
        struct sv uri = sv_trim(sv_split(&list, ','));
        struct tlsrpt_target t = {0};
        bool good = is_visible(uri) && uri.len <= URI_BYTES && !memchr(uri.ptr, '!', uri.len);
        if (good && sv_istarts(uri, SV("mailto:")))
            good = take_mailto(sv_skip(uri, 7), arena, &t);
        else
            good =
                good && sv_istarts(uri, SV("https://")) && take_https(sv_skip(uri, 8), arena, &t);
        if (good)
            out[n++] = t;
    }
    return n;
}

size_t tlsrpt_record_targets(const struct sv *texts, size_t n, struct arena *arena,
                             struct tlsrpt_target out[TLSRPT_TARGETS_MAX])
{
    struct sv rest, name, value, uris = SV_NONE;
    int more;
    if (txt_record_find(texts, n, SV("v=TLSRPTv1"), &rest) != 1)
        return 0;
    while ((more = txt_record_next(&rest, &name, &value)) > 0) {
        bool is_rua = sv_eq(name, SV("rua"));
        if (value.len == 0 || (!is_rua && !txt_record_is_value(value)))
            return 0;
        if (is_rua && !uris.len)
            uris = value;
    }
    if (more < 0)
        return 0;
    return take_uris(uris, arena, out);
}

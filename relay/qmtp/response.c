#include "relay/qmtp/response.h"

static const struct {
    char letter;
    struct smtp_reply reply;
} letters[] = {
    {'K', {250, {2, 0, 0}, {NULL, 0}, {NULL, 0}}},
    {'Z', {451, {4, 0, 0}, {NULL, 0}, {NULL, 0}}},
    {'D', {554, {5, 0, 0}, {NULL, 0}, {NULL, 0}}},
};
#define LETTERS (sizeof letters / sizeof letters[0])

static size_t find_letter(char letter)
{
    size_t i = 0;
    while (i < LETTERS && letters[i].letter != letter)
        i++;
    return i;
}

void qmtp_response_init(struct qmtp_response *r)
{
    netstring_init(&r->netstring, 1 + QMTP_DESCRIPTION_MAX);
    r->fault = NULL;
    r->letter = '\0';
    r->len = 0;
}

static void keep(struct qmtp_response *r, struct sv description)
{
    for (size_t i = 0; i < description.len && r->len < sizeof r->kept; i++) {
        char c = description.ptr[i];
        r->kept[r->len++] = c < 32 || c > 126 ? '?' : c;
    }
}

static enum netstring_progress bad(struct qmtp_response *r, const char *fault)
{
    r->fault = fault;
    return NETSTRING_BAD;
}

enum netstring_progress qmtp_response_feed(struct qmtp_response *r, struct sv bytes,
                                           size_t *used_out)
{
    struct sv content;
    enum netstring_progress progress = netstring_feed(&r->netstring, bytes, &content, used_out);
    if (content.len && !r->letter) {
        r->letter = content.ptr[0];
        content = sv_skip(content, 1);
        if (find_letter(r->letter) == LETTERS)
            return bad(r, "a response that begins with neither K, Z nor D");
    }
    keep(r, content);
    if (progress == NETSTRING_BAD)
        return bad(r, netstring_fault_text(r->netstring.fault));
    if (progress == NETSTRING_DONE && !r->letter)
        return bad(r, "an empty response");
    return progress;
}

/* One to three digits with nothing but them. */
static bool take_number(struct sv *text, uint16_t *out)
{
    size_t n = 0;
    unsigned value = 0;
    while (n < text->len && n < 4 && ascii_digit(text->ptr[n]))
        value = value * 10 + (unsigned)(text->ptr[n++] - '0');
    *out = (uint16_t)value;
    *text = sv_skip(*text, n);
    return n >= 1 && n <= 3;
}

static bool take_dot(struct sv *text)
{
    bool is_dot = text->len && text->ptr[0] == '.';
    *text = sv_skip(*text, is_dot);
    return is_dot;
}

/* ".1.1" at the start of text. */
static bool read_rest(struct sv text, struct smtp_status *s)
{
    struct smtp_status found = *s;
    if (!take_dot(&text) || !take_number(&text, &found.subject) || !take_dot(&text) ||
        !take_number(&text, &found.detail))
        return false;
    *s = found;
    return true;
}

/* "5.1.1" at the start of text; whatever its class, that of *s stays. */
static bool read_status(struct sv text, struct smtp_status *s)
{
    bool has_class = text.len && (text.ptr[0] == '2' || text.ptr[0] == '4' || text.ptr[0] == '5');
    return has_class && read_rest(sv_skip(text, 1), s);
}

static void find_status(struct sv text, struct smtp_status *s)
{
    bool found = read_status(text, s) || read_rest(text, s);
    while (!found && text.len) {
        text = sv_skip(text, sv_find(text, '#') + 1);
        found = read_status(text, s);
    }
}

struct smtp_reply qmtp_response_reply(const struct qmtp_response *r)
{
    struct smtp_reply reply = letters[find_letter(r->letter)].reply;
    reply.text = (struct sv){r->kept, r->len};
    find_status(reply.text, &reply.enhanced);
    return reply;
}

/*
 * States: nothing pending -> command -> pending (a packet was sent that will be answered), or
 * immediate (it was not). An event (milter_answer.c) takes either away. What was answered is
 * consumed at the next call, so that the event's views live until then.
 */
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/policy/milter_internal.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    char letter;
    uint32_t skip, mute;
    const char *words;
} commands[] = {
#define COMMAND_ROW(name, letter_, skip_, mute_, words_) \
    [MILTER_##name] = {.letter = (letter_), .skip = (skip_), .mute = (mute_), .words = (words_)},
    MILTER_COMMANDS(COMMAND_ROW)
#undef COMMAND_ROW
};

static const struct {
    const char *name;
    unsigned at;
} macro_names[] = {
#define MACRO_ROW(name, text, commands_) [MILTER_MACRO_##name] = {(text), (commands_)},
    MILTER_MACROS(MACRO_ROW)
#undef MACRO_ROW
};

const char *milter_command_text(enum milter_command c)
{
    return commands[c].words;
}

struct milter *milter_new(void)
{
    struct milter *m = NEW(struct milter);
    buf_init(&m->in, MILTER_PACKET_MAX + MILTER_LENGTH_BYTES, 0);
    buf_init(&m->out, SIZE_MAX / 2, 0);
    arena_init(&m->arena);
    return m;
}

void milter_free(struct milter *m)
{
    if (!m)
        return;
    buf_deinit(&m->in);
    buf_deinit(&m->out);
    arena_deinit(&m->arena);
    free(m);
}

/* ---- output ---- */

struct sv milter_output(const struct milter *m)
{
    return buf_view(&m->out);
}

void milter_sent(struct milter *m, size_t bytes)
{
    buf_consume(&m->out, bytes);
    if (buf_len(&m->out) == 0)
        buf_release(&m->out);
}

static void put(struct milter *m, struct sv bytes)
{
    int err = buf_put(&m->out, bytes);
    REQUIRE(err == 0);
}

static void put_u32(struct milter *m, uint32_t v)
{
    char bytes[4] = {(char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v};
    put(m, (struct sv){bytes, sizeof bytes});
}

/* Ended by NUL; one within would end it early, and hide what follows. */
static void put_string(struct milter *m, struct sv text)
{
    while (text.len) {
        size_t n = sv_find(text, '\0');
        put(m, sv_first(text, n));
        if (n < text.len)
            put(m, SV("?"));
        text = sv_skip(text, n + 1);
    }
    put(m, (struct sv){"", 1});
}

/* Returns where the packet begins; packet_end() writes its length there. */
static size_t packet_begin(struct milter *m, char letter)
{
    size_t at = buf_len(&m->out);
    put_u32(m, 0);
    put(m, (struct sv){&letter, 1});
    return at;
}

static void packet_end(struct milter *m, size_t at)
{
    size_t len = buf_len(&m->out) - at - MILTER_LENGTH_BYTES;
    char *bytes = m->out.data + m->out.start + at;
    for (int i = 0; i < 4; i++)
        bytes[i] = (char)(len >> (24 - 8 * i));
}

/* ---- macros ---- */

static bool is_asked(struct sv list, const char *name)
{
    while (list.len) {
        struct sv word = sv_split(&list, ' ');
        if (sv_eq(word, sv_of(name)))
            return true;
        /* one letter may be asked for with braces or without */
        if (word.len == 3 && word.ptr[0] == '{' && word.ptr[2] == '}' && strlen(name) == 1 &&
            word.ptr[1] == name[0])
            return true;
    }
    return false;
}

static bool tells(const struct milter *m, enum milter_command c, size_t macro)
{
    if (m->asked[c].ptr)
        return is_asked(m->asked[c], macro_names[macro].name);
    return macro_names[macro].at & (1u << c);
}

static void put_macros(struct milter *m, enum milter_command c, const struct milter_macros *macros)
{
    size_t at = 0;
    bool any = false;
    for (size_t i = 0; macros && i < MILTER_MACRO_COUNT; i++) {
        if (!macros->values[i].len || !tells(m, c, i))
            continue;
        if (!any) {
            at = packet_begin(m, 'D');
            put(m, (struct sv){&commands[c].letter, 1});
        }
        any = true;
        put_string(m, sv_of(macro_names[i].name));
        put_string(m, macros->values[i]);
    }
    if (any)
        packet_end(m, at);
}

/* ---- commands ---- */

/* True: the packet is wanted, and begins at *at_out. Else its answer is there already. */
static bool begin(struct milter *m, enum milter_command c, const struct milter_macros *macros,
                  size_t *at_out)
{
    REQUIRE(!m->pending && !m->immediate);
    milter_drop_used(m);
    m->command = c;
    if (m->failed)
        return false;
    put_macros(m, c, macros); /* also where the command itself is not wanted */
    if (m->steps & commands[c].skip) {
        m->immediate = true;
        return false;
    }
    m->immediate = m->steps & commands[c].mute;
    m->pending = !m->immediate;
    *at_out = packet_begin(m, commands[c].letter);
    return true;
}

void milter_negotiate(struct milter *m)
{
    size_t at;
    if (!begin(m, MILTER_NEGOTIATE, NULL, &at))
        return;
    put_u32(m, MILTER_VERSION);
    put_u32(m, MILTER_MAY_ALL);
    put_u32(m, MILTER_STEPS_ALL);
    packet_end(m, at);
}

void milter_connect(struct milter *m, struct sv name, const struct ip_port *client,
                    const struct milter_macros *macros)
{
    char text[IP_TEXT_MAX];
    size_t at;
    if (!begin(m, MILTER_CONNECT, macros, &at))
        return;
    put_string(m, name);
    if (client->ip.family == IP_NONE) {
        put(m, SV("U"));
    } else {
        char port[2] = {(char)(client->port >> 8), (char)client->port};
        put(m, client->ip.family == IP_V4 ? SV("4") : SV("6"));
        put(m, (struct sv){port, sizeof port});
        put_string(m, sv_of(ip_text(&client->ip, text)));
    }
    packet_end(m, at);
}

void milter_helo(struct milter *m, struct sv helo, const struct milter_macros *macros)
{
    size_t at;
    if (!begin(m, MILTER_HELO, macros, &at))
        return;
    put_string(m, helo);
    packet_end(m, at);
}

static void put_path(struct milter *m, enum milter_command c, struct sv path, struct sv args,
                     const struct milter_macros *macros)
{
    size_t at;
    if (!begin(m, c, macros, &at))
        return;
    put_string(m, path);
    while (args.len) {
        struct sv arg = sv_split(&args, ' ');
        if (arg.len)
            put_string(m, arg);
    }
    packet_end(m, at);
}

void milter_mail(struct milter *m, struct sv path, struct sv args,
                 const struct milter_macros *macros)
{
    m->skips_body = false;
    put_path(m, MILTER_MAIL, path, args, macros);
}

void milter_rcpt(struct milter *m, struct sv path, struct sv args,
                 const struct milter_macros *macros)
{
    put_path(m, MILTER_RCPT, path, args, macros);
}

static void put_empty(struct milter *m, enum milter_command c, const struct milter_macros *macros)
{
    size_t at;
    if (begin(m, c, macros, &at))
        packet_end(m, at);
}

void milter_data(struct milter *m, const struct milter_macros *macros)
{
    put_empty(m, MILTER_DATA, macros);
}

void milter_header(struct milter *m, struct sv name, struct sv value)
{
    size_t at;
    if (!begin(m, MILTER_HEADER, NULL, &at))
        return;
    put_string(m, name);
    while (!milter_has_leading_space(m) && value.len &&
           (value.ptr[0] == ' ' || value.ptr[0] == '\t'))
        value = sv_skip(value, 1);
    /* lines are separated by LF in this protocol */
    while (value.len) {
        size_t n = sv_find(value, '\r');
        struct sv piece = sv_first(value, n);
        for (size_t nul; (nul = sv_find(piece, '\0')) < piece.len;
             piece = sv_skip(piece, nul + 1)) {
            put(m, sv_first(piece, nul));
            put(m, SV("?"));
        }
        put(m, piece);
        value = sv_skip(value, n + 1);
    }
    put(m, (struct sv){"", 1});
    packet_end(m, at);
}

void milter_eoh(struct milter *m, const struct milter_macros *macros)
{
    put_empty(m, MILTER_EOH, macros);
}

bool milter_wants_body(const struct milter *m)
{
    return !m->skips_body && !(m->steps & MILTER_NO_BODY) && !m->failed;
}

void milter_body(struct milter *m, struct sv chunk)
{
    size_t at;
    REQUIRE(chunk.len <= MILTER_CHUNK_MAX);
    if (!begin(m, MILTER_BODY, NULL, &at))
        return;
    put(m, chunk);
    packet_end(m, at);
}

void milter_end(struct milter *m, const struct milter_macros *macros)
{
    put_empty(m, MILTER_END, macros);
}

void milter_abort(struct milter *m)
{
    REQUIRE(!m->pending);
    m->immediate = false;
    packet_end(m, packet_begin(m, 'A'));
}

void milter_quit(struct milter *m)
{
    packet_end(m, packet_begin(m, 'Q'));
}

bool milter_has_leading_space(const struct milter *m)
{
    return m->steps & MILTER_LEADING_SPACE;
}

bool milter_waits(const struct milter *m)
{
    return m->pending && !m->failed;
}

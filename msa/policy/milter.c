/*
 * States: nothing pending -> command -> pending (a packet was sent that will be answered), or
 * immediate (it was not). An event takes either away. What was answered is consumed at the next
 * call, so that the event's views live until then.
 */
#include "msa/policy/milter.h"
#include "msa/base/arena.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <stdlib.h>
#include <string.h>

#define LENGTH_BYTES 4u
#define NEGOTIATION  12u /* bytes: version, actions, steps */

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

struct milter {
    struct buf in, out;
    struct arena arena; /* of asked */
    uint32_t actions, steps;
    /* what it has asked to be told before each command; ptr NULL: nothing asked */
    struct sv asked[MILTER_COMMAND_COUNT];
    enum milter_command command; /* the last */
    size_t used;                 /* bytes of in that the last event was made of */
    bool pending, immediate;
    bool skips_body;
    bool failed, told;
    const char *why;
};

const char *milter_command_text(enum milter_command c)
{
    return commands[c].words;
}

struct milter *milter_new(void)
{
    struct milter *m = NEW(struct milter);
    buf_init(&m->in, MILTER_PACKET_MAX + LENGTH_BYTES, 0);
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
    size_t len = buf_len(&m->out) - at - LENGTH_BYTES;
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

/* Consumes what the last event was made of. */
static void drop_used(struct milter *m)
{
    buf_consume(&m->in, m->used);
    m->used = 0;
    if (buf_len(&m->in) == 0)
        buf_release(&m->in);
}

/* True: the packet is wanted, and begins at *at_out. Else its answer is there already. */
static bool begin(struct milter *m, enum milter_command c, const struct milter_macros *macros,
                  size_t *at_out)
{
    REQUIRE(!m->pending && !m->immediate);
    drop_used(m);
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

/* ---- answers ---- */

size_t milter_feed(struct milter *m, struct sv bytes)
{
    if (m->failed)
        return bytes.len;
    drop_used(m);
    struct sv part = sv_first(bytes, buf_room(&m->in));
    int err = buf_put(&m->in, part);
    REQUIRE(err == 0);
    return part.len;
}

static bool fail(struct milter *m, const char *why)
{
    m->failed = true;
    m->pending = m->immediate = false;
    m->why = why;
    return false;
}

static uint32_t get_u32(struct sv bytes)
{
    uint32_t v = 0;
    for (size_t i = 0; i < 4; i++)
        v = v << 8 | (unsigned char)bytes.ptr[i];
    return v;
}

static bool take_u32(struct sv *data, uint32_t *out)
{
    if (data->len < 4)
        return false;
    *out = get_u32(*data);
    *data = sv_skip(*data, 4);
    return true;
}

static bool take_string(struct sv *data, struct sv *out)
{
    size_t n = sv_find(*data, '\0');
    if (n == data->len)
        return false;
    *out = sv_first(*data, n);
    *data = sv_skip(*data, n + 1);
    return true;
}

/* Lists of macros: the number of a stage, a text. */
static bool take_lists(struct milter *m, struct sv data)
{
    static const enum milter_command stages[] = {
        MILTER_CONNECT, MILTER_HELO, MILTER_MAIL, MILTER_RCPT, MILTER_DATA, MILTER_END, MILTER_EOH};
    while (data.len) {
        uint32_t stage;
        struct sv names;
        if (!take_u32(&data, &stage) || !take_string(&data, &names))
            return false;
        if (stage >= sizeof stages / sizeof *stages)
            return false;
        m->asked[stages[stage]] = arena_sv(&m->arena, names);
    }
    return true;
}

static bool take_negotiation(struct milter *m, struct sv data)
{
    uint32_t version, actions, steps;
    if (data.len < NEGOTIATION || !take_u32(&data, &version) || !take_u32(&data, &actions) ||
        !take_u32(&data, &steps))
        return fail(m, "its negotiation is cut short");
    if (version < MILTER_VERSION_MIN || version > MILTER_VERSION)
        return fail(m, "it wants another version of the protocol");
    if (actions & ~(uint32_t)MILTER_MAY_ALL || steps & ~(uint32_t)MILTER_STEPS_ALL)
        return fail(m, "it wants what was not offered");
    m->actions = actions;
    m->steps = steps;
    if (version < 4)
        m->steps |= MILTER_NO_DATA; /* came with version 4 */
    if (!take_lists(m, data))
        return fail(m, "its list of macros is malformed");
    return true;
}

/* "550 5.7.1 text": the form that libmilter's smfi_setreply() lets through. */
static bool is_reply(struct sv text)
{
    return text.len >= 4 && (text.ptr[0] == '4' || text.ptr[0] == '5') &&
           ascii_digit(text.ptr[1]) && ascii_digit(text.ptr[2]) &&
           (text.ptr[3] == ' ' || text.ptr[3] == '-');
}

static bool take_reply(struct milter *m, struct sv data, struct milter_event *e)
{
    if (!take_string(&data, &e->text) || !is_reply(e->text))
        return fail(m, "its reply has no code");
    e->verdict = MILTER_REPLY;
    return true;
}

static bool answer(struct milter *m, int letter, struct sv data, struct milter_event *e)
{
    e->kind = MILTER_ANSWER;
    switch (letter) {
    case MILTER_SAYS_CONTINUE:
        e->verdict = MILTER_CONTINUE;
        break;
    case MILTER_SAYS_ACCEPT:
        e->verdict = MILTER_ACCEPT;
        break;
    case MILTER_SAYS_REJECT:
        e->verdict = MILTER_REJECT;
        break;
    case MILTER_SAYS_TEMPFAIL:
    case MILTER_SAYS_CONN_FAIL:
    case MILTER_SAYS_SHUTDOWN:
        e->verdict = MILTER_TEMPFAIL;
        break;
    case MILTER_SAYS_DISCARD:
        if (m->command < MILTER_MAIL)
            return fail(m, "it discards a connection");
        e->verdict = MILTER_DISCARD;
        break;
    case MILTER_SAYS_SKIP:
        if (m->command != MILTER_BODY || !(m->steps & MILTER_SKIP_OK))
            return fail(m, "it skips what is no body");
        m->skips_body = true;
        e->verdict = MILTER_CONTINUE;
        break;
    case MILTER_SAYS_REPLY:
        if (!take_reply(m, data, e))
            return false;
        break;
    default:
        return fail(m, "it says what nobody knows");
    }
    m->pending = false;
    return true;
}

/* letter, the action that must have been negotiated, what it means */
static const struct change_row {
    char letter;
    uint32_t action;
    enum milter_change change;
    bool has_index, has_name, has_value, value_optional;
} changes[] = {
    {MILTER_SAYS_ADD_HEADER, MILTER_MAY_ADD_HEADER, MILTER_ADD_HEADER, false, true, true, false},
    {MILTER_SAYS_INSERT_HEADER, MILTER_MAY_ADD_HEADER, MILTER_INSERT_HEADER, true, true, true,
     false},
    {MILTER_SAYS_CHANGE_HEADER, MILTER_MAY_CHANGE_HEADER, MILTER_CHANGE_HEADER, true, true, true,
     false},
    {MILTER_SAYS_REPLACE_BODY, MILTER_MAY_CHANGE_BODY, MILTER_REPLACE_BODY, false, false, false,
     false},
    {MILTER_SAYS_CHANGE_FROM, MILTER_MAY_CHANGE_FROM, MILTER_CHANGE_FROM, false, true, true, true},
    {MILTER_SAYS_ADD_RCPT, MILTER_MAY_ADD_RCPT, MILTER_ADD_RCPT, false, true, false, false},
    {MILTER_SAYS_ADD_RCPT_ARGS, MILTER_MAY_ADD_RCPT_ARGS, MILTER_ADD_RCPT, false, true, true, true},
    {MILTER_SAYS_DELETE_RCPT, MILTER_MAY_DELETE_RCPT, MILTER_DELETE_RCPT, false, true, false,
     false},
    {MILTER_SAYS_QUARANTINE, MILTER_MAY_QUARANTINE, MILTER_QUARANTINE, false, false, true, false},
};

static const struct change_row *change_of(int letter)
{
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        if (changes[i].letter == letter)
            return &changes[i];
    return NULL;
}

static bool take_change(struct milter *m, const struct change_row *row, struct sv data,
                        struct milter_event *e)
{
    if (m->command != MILTER_END)
        return fail(m, "it changes the message before its end");
    if (!(m->actions & row->action))
        return fail(m, "it changes what it has not negotiated");
    e->kind = MILTER_CHANGE;
    e->change = row->change;
    if (row->change == MILTER_REPLACE_BODY) {
        e->value = data;
        return true;
    }
    if ((row->has_index && !take_u32(&data, &e->index)) ||
        (row->has_name && !take_string(&data, &e->name)))
        return fail(m, "its change is cut short");
    if (row->has_value && !(row->value_optional && data.len == 0) && !take_string(&data, &e->value))
        return fail(m, "its change is cut short");
    if (row->has_name && e->name.len == 0)
        return fail(m, "its change names nothing");
    return true;
}

static bool read_packet(struct milter *m, int letter, struct sv data, struct milter_event *e)
{
    const struct change_row *row = change_of(letter);
    if (m->command == MILTER_NEGOTIATE) {
        if (letter != MILTER_SAYS_NEGOTIATE)
            return fail(m, "it does not negotiate");
        if (!take_negotiation(m, data))
            return false;
        m->pending = false;
        e->kind = MILTER_ANSWER;
        e->verdict = MILTER_CONTINUE;
        return true;
    }
    if (letter == MILTER_SAYS_PROGRESS) {
        e->kind = MILTER_PROGRESS;
        return true;
    }
    return row ? take_change(m, row, data, e) : answer(m, letter, data, e);
}

static bool next(struct milter *m, struct milter_event *e)
{
    if (m->immediate) {
        m->immediate = false;
        *e = (struct milter_event){.kind = MILTER_ANSWER, .verdict = MILTER_CONTINUE};
        return true;
    }
    struct sv in = buf_view(&m->in);
    if (in.len < LENGTH_BYTES)
        return false;
    uint32_t len = get_u32(in);
    if (!m->pending)
        return fail(m, "it speaks out of turn");
    if (len == 0 || len > MILTER_PACKET_MAX)
        return fail(m, "its packet has an impossible length");
    if (in.len - LENGTH_BYTES < len)
        return false;
    m->used = LENGTH_BYTES + len;
    *e = (struct milter_event){0};
    in = sv_first(sv_skip(in, LENGTH_BYTES), len);
    return read_packet(m, in.ptr[0], sv_skip(in, 1), e);
}

bool milter_next(struct milter *m, struct milter_event *out)
{
    if (!m->failed) {
        drop_used(m);
        if (next(m, out))
            return true;
    }
    if (!m->failed || m->told)
        return false;
    m->told = true;
    *out = (struct milter_event){.kind = MILTER_FAULT, .why = m->why};
    return true;
}

#include "msa/base/require.h"
#include "msa/policy/milter_internal.h"

#define NEGOTIATION 12u /* bytes: version, actions, steps */

void milter_drop_used(struct milter *m)
{
    buf_consume(&m->in, m->used);
    m->used = 0;
    if (buf_len(&m->in) == 0)
        buf_release(&m->in);
}

size_t milter_feed(struct milter *m, struct sv bytes)
{
    if (m->failed)
        return bytes.len;
    milter_drop_used(m);
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
    if (in.len < MILTER_LENGTH_BYTES)
        return false;
    uint32_t len = get_u32(in);
    if (!m->pending)
        return fail(m, "it speaks out of turn");
    if (len == 0 || len > MILTER_PACKET_MAX)
        return fail(m, "its packet has an impossible length");
    if (in.len - MILTER_LENGTH_BYTES < len)
        return false;
    m->used = MILTER_LENGTH_BYTES + len;
    *e = (struct milter_event){0};
    in = sv_first(sv_skip(in, MILTER_LENGTH_BYTES), len);
    return read_packet(m, in.ptr[0], sv_skip(in, 1), e);
}

bool milter_next(struct milter *m, struct milter_event *out)
{
    if (!m->failed) {
        milter_drop_used(m);
        if (next(m, out))
            return true;
    }
    if (!m->failed || m->told)
        return false;
    m->told = true;
    *out = (struct milter_event){.kind = MILTER_FAULT, .why = m->why};
    return true;
}

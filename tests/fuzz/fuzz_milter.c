/*
 * What a hostile milter may say: the protocol machine through whole messages, whole and octet by
 * octet, and what it makes of a header and a body; and the answers of a policy service. First byte:
 * 0 a milter, else a service; the rest is what they say.
 */
#include "msa/base/require.h"
#include "msa/policy/changes.h"
#include "msa/policy/delegation.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADER   "Received: by us\r\nFrom: a@b.example\r\nSubject: x\r\n y\r\nX: 1\r\nX: 2\r\n"
#define MESSAGES 3
#define ROOM     4096

struct run {
    struct milter *m;
    struct changes changes;
    struct header header;
    struct body_lines lines;
    struct buf body;
    struct sv said;
    uint64_t sum; /* of all events: the same however the bytes come */
    bool failed, bad_body;
};

static void count(struct run *r, const struct milter_event *e)
{
    uint64_t v[] = {e->kind,     e->verdict,   e->change,  e->index,
                    e->name.len, e->value.len, e->text.len};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++)
        r->sum = r->sum * 1099511628211u + v[i];
}

/* Nothing that was not there before begins or ends the header, or a line of it, by surprise. */
static void check_header(const struct header *h)
{
    struct buf out;
    buf_init(&out, 2 * ROOM, 0);
    REQUIRE(h->bytes <= ROOM && header_write(h, &out) == 0);
    struct sv text = buf_view(&out);
    REQUIRE(text.len == h->bytes && !memchr(text.ptr, '\0', text.len));
    REQUIRE(sv_starts(text, SV("Received: by us\r\n")) && sv_iends(text, SV("\r\n")));
    REQUIRE(!memmem(text.ptr, text.len, "\r\n\r\n", 4));
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\r')
            REQUIRE(text.ptr[i + 1] == '\n');
        if (text.ptr[i] == '\n')
            REQUIRE(i && text.ptr[i - 1] == '\r');
    }
    size_t fields = 0;
    struct header again;
    header_parse(&again, text, ROOM, true);
    for (size_t i = 0; i < again.count; i++)
        fields += again.fields[i].name.len > 0;
    REQUIRE(fields == h->count); /* all of ours are fields, and stay those that they are */
    header_deinit(&again);
    buf_deinit(&out);
}

static void check_body(const struct buf *body)
{
    struct sv text = buf_view(body);
    for (size_t i = 0; i < text.len; i++) {
        REQUIRE(text.ptr[i] != '\0');
        if (text.ptr[i] == '\r')
            REQUIRE(i + 1 < text.len && text.ptr[i + 1] == '\n');
        if (text.ptr[i] == '\n')
            REQUIRE(i && text.ptr[i - 1] == '\r');
    }
}

static void take_change(struct run *r, const struct milter_event *e)
{
    struct buf out;
    if (e->change != MILTER_REPLACE_BODY) {
        bool fits = changes_add(&r->changes, e);
        (void)fits;
        return;
    }
    buf_init(&out, 3 * MILTER_PACKET_MAX, 0);
    r->bad_body |= !body_lines_feed(&r->lines, e->value, &out);
    if (!r->bad_body && buf_len(&r->body) + buf_len(&out) < (1u << 20))
        REQUIRE(buf_put(&r->body, buf_view(&out)) == 0);
    buf_deinit(&out);
}

/* The answer to the command under way, with changes before it; false: there is none. */
static bool answered(struct run *r, size_t piece, struct milter_event *e)
{
    for (;;) {
        while (milter_next(r->m, e)) {
            count(r, e);
            if (e->kind == MILTER_CHANGE)
                take_change(r, e);
            r->failed = e->kind == MILTER_FAULT;
            if (e->kind == MILTER_ANSWER || r->failed)
                return !r->failed;
        }
        REQUIRE(milter_waits(r->m));
        if (!r->said.len)
            return false;
        size_t n = milter_feed(r->m, sv_first(r->said, piece));
        REQUIRE(n > 0);
        r->said = sv_skip(r->said, n);
    }
}

static bool passes(struct run *r, size_t piece)
{
    struct milter_event e;
    milter_sent(r->m, milter_output(r->m).len);
    return answered(r, piece, &e) && e.verdict == MILTER_CONTINUE;
}

static bool run_message(struct run *r, size_t piece)
{
    struct milter_macros macros = {.values = {[MILTER_MACRO_QUEUE_ID] = SV("id")}};
    milter_mail(r->m, SV("<a@b>"), SV("SIZE=1"), &macros);
    if (!passes(r, piece))
        return false;
    milter_rcpt(r->m, SV("<c@d>"), SV(""), &macros);
    if (!passes(r, piece))
        return false;
    milter_data(r->m, &macros);
    if (!passes(r, piece))
        return false;
    for (size_t i = 0; i < r->header.count; i++) {
        milter_header(r->m, r->header.fields[i].name, r->header.fields[i].value);
        if (!passes(r, piece))
            return false;
    }
    milter_eoh(r->m, &macros);
    if (!passes(r, piece))
        return false;
    for (int i = 0; i < 2 && milter_wants_body(r->m); i++) {
        milter_body(r->m, SV("body\r\n"));
        if (!passes(r, piece))
            return false;
    }
    milter_end(r->m, &macros);
    return passes(r, piece);
}

static uint64_t run(struct sv said, size_t piece)
{
    struct ip_port client = {.ip = {.family = IP_V6}};
    struct run r = {.m = milter_new(), .said = said};
    header_parse(&r.header, SV(HEADER), ROOM, true);
    changes_init(&r.changes, ROOM);
    buf_init(&r.body, 1u << 20, 0);
    milter_negotiate(r.m);
    bool good = passes(&r, piece);
    if (good) {
        milter_connect(r.m, SV("h"), &client, NULL);
        good = passes(&r, piece);
    }
    for (int i = 0; i < MESSAGES && good; i++) {
        changes_reset(&r.changes);
        good = run_message(&r, piece);
        if (good && changes_to_header(&r.changes, &r.header, milter_has_leading_space(r.m)))
            r.sum++;
        check_header(&r.header);
        if (!good && !r.failed && !milter_waits(r.m)) {
            milter_abort(r.m);
            good = true;
        }
    }
    if (!r.bad_body) {
        body_lines_end(&r.lines, &r.body);
        check_body(&r.body);
    }
    buf_deinit(&r.body);
    changes_deinit(&r.changes);
    header_deinit(&r.header);
    milter_free(r.m);
    return r.sum;
}

static void check_service(struct sv said)
{
    struct delegation_answer a;
    if (delegation_parse(said, &a) == DELEGATION_DONE) {
        REQUIRE(a.bytes <= said.len);
        REQUIRE(!memchr(a.text.ptr ? a.text.ptr : "", '\n', a.text.len));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct sv said = {(const char *)data + 1, size - 1};
    if (data[0])
        check_service(said);
    else
        REQUIRE(run(said, SIZE_MAX) == run(said, 1));
    return 0;
}

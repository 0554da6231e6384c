/*
 * Header sections of submitted messages. The input as the value of an address field: ranges lie in
 * order inside of it, an address that was read is read again when it stands alone, and the bytes
 * looked at are few. The input as a message through the completer: pieces of any size have one
 * outcome; what leaves is a header section of good lines, and every byte outside of its edits is
 * the submitted one; with no action switched on all of them are there, in one run. Rules leave
 * addresses that are read again, and as many as before.
 * Whoever is told as an author is a fault or a good address.
 */
#include "msa/base/buf.h"
#include "msa/base/require.h"
#include "rewrite/address.h"
#include "rewrite/stream.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAILBOXES 1000

static void check_alone(struct sv text, const struct rewrite_address *a)
{
    struct rewrite_addresses w;
    struct rewrite_address again;
    rewrite_addresses_init(&w, text, a->local, a->domain_end, 1);
    REQUIRE(rewrite_addresses_next(&w, &again) == REWRITE_ADDRESS_MAILBOX);
    REQUIRE(again.local == a->local && again.local_end == a->local_end);
    REQUIRE(again.domain == a->domain && again.domain_end == a->domain_end);
    REQUIRE(again.domain_kind == a->domain_kind && again.has_cfws == a->has_cfws);
    REQUIRE(rewrite_addresses_next(&w, &again) == REWRITE_ADDRESS_END);
}

static void check_addresses(struct sv text)
{
    struct rewrite_addresses w;
    struct rewrite_address a;
    enum rewrite_address_step step;
    size_t last = 0, count = 0;
    rewrite_addresses_init(&w, text, 0, text.len, MAILBOXES);
    while ((step = rewrite_addresses_next(&w, &a)) == REWRITE_ADDRESS_MAILBOX) {
        REQUIRE(last <= a.local && a.local < a.local_end && a.local_end < a.domain);
        REQUIRE(a.domain < a.domain_end && a.domain_end <= text.len);
        REQUIRE(++count <= MAILBOXES);
        check_alone(text, &a);
        last = a.domain_end;
    }
    REQUIRE(w.walked <= 3 * text.len + 3);
    REQUIRE((step == REWRITE_ADDRESS_FAULT) == (w.fault != REWRITE_ADDRESS_OK));
    REQUIRE(w.fault_at <= text.len);
}

struct outcome {
    struct buf out;
    struct rewrite_refusal refusal; /* code 0: accepted */
    size_t asked;
    uint64_t authors; /* what was told of them, in short */
    bool named;       /* Sender or From were given */
    bool checked;     /* its header section */
};

/* Every author has a fault or an address that an envelope could have. */
static void check_authors(const struct rewrite_authors *authors, struct outcome *o)
{
    REQUIRE(authors->count <= REWRITE_AUTHORS_MAX);
    for (size_t i = 0; i < authors->count; i++) {
        const struct rewrite_author *author = &authors->list[i];
        o->authors = o->authors * 31 + author->field + 7 * author->fault;
        if (author->fault)
            continue;
        struct arena a;
        struct smtp_path again;
        arena_init(&a);
        REQUIRE(smtp_path_parse_address(&a, author->path.text, SMTP_PATH_FORWARD, &again) ==
                    SMTP_PATH_OK &&
                smtp_path_same(&again, &author->path));
        o->authors = o->authors * 31 + author->path.text.len;
        arena_deinit(&a);
    }
}

static void drain(struct rewrite_stream *s, struct outcome *o)
{
    struct rewrite_action a;
    while (rewrite_stream_next(s, &a)) {
        if (a.kind == REWRITE_EMIT)
            REQUIRE(a.bytes.len && !o->refusal.code && buf_put(&o->out, a.bytes) == 0);
        if (a.kind == REWRITE_REFUSE)
            o->refusal = *a.refusal;
        if (a.kind == REWRITE_AUTHORS) {
            check_authors(a.authors, o);
            struct rewrite_named named = {.from = SV_NONE};
            if (o->authors % 2)
                named.sender = SV("s@a.example");
            if (o->authors % 4 > 1)
                named.from = SV("f@a.example");
            o->named = named.sender.len || named.from.len;
            rewrite_stream_permit(s, named);
        }
        if (a.kind == REWRITE_ALIAS) {
            REQUIRE(smtp_domain_valid(a.name) && ++o->asked <= 200);
            rewrite_stream_aliased(s,
                                   a.name.ptr[0] == 'u' ? REWRITE_NAME_UNKNOWN : REWRITE_NAME_YES,
                                   a.name.len % 2 ? SV("real.a.example") : SV_NONE);
        }
        if (a.kind == REWRITE_RESOLVE) {
            REQUIRE(smtp_domain_valid(a.name) && ++o->asked <= 2 * REWRITE_LABELS_MAX);
            rewrite_stream_resolved(s, a.name.ptr[0] == 'u' ? REWRITE_NAME_UNKNOWN
                                       : (a.name.len + (unsigned char)a.name.ptr[0]) % 2
                                           ? REWRITE_NAME_YES
                                           : REWRITE_NAME_NO);
        }
    }
}

/* All of out that edits do not name is the section's, and without them out is the section. Returns
 * how long that is. */
static size_t check_undone(const struct rewrite_stream *s, struct sv out)
{
    const struct rewrite_edits *edits = &s->edits;
    size_t at = 0, from = 0;
    for (size_t i = 0; i <= edits->count; i++) {
        const struct rewrite_edit *e = i < edits->count ? &edits->list[i] : NULL;
        size_t upto = e ? e->from : s->section.len;
        REQUIRE(from <= upto && upto <= s->section.len);
        REQUIRE(sv_eq(sv_first(sv_skip(out, at), upto - from),
                      sv_first(sv_skip(s->section, from), upto - from)));
        at += upto - from;
        from = upto;
        if (!e)
            continue;
        REQUIRE(sv_eq(sv_first(sv_skip(out, at), e->len), rewrite_edits_text(edits, e)));
        at += e->len;
        from = e->to;
    }
    return at;
}

/* What leaves can be read again, and has no line that is too long. */
static void check_head(struct sv head)
{
    struct rewrite_field f;
    size_t at = 0;
    while (rewrite_fields_next(head, &at, &f))
        for (struct sv rest = sv_range(head.ptr + f.start, head.ptr + f.end); rest.len;)
            REQUIRE(sv_split(&rest, '\n').len <= REWRITE_LINE_MAX + 1);
    REQUIRE(sv_eq(sv_skip(head, at), SV("\r\n")));
}

/* Mailboxes and faults in fields that are neither added, dropped nor replaced. */
static uint64_t read_addresses(struct sv section)
{
    struct rewrite_field f;
    uint64_t sum = 0;
    for (size_t at = 0; rewrite_fields_next(section, &at, &f);) {
        struct rewrite_addresses w;
        struct rewrite_address a;
        bool apart = f.kind == REWRITE_FIELD_FROM || f.kind == REWRITE_FIELD_SENDER ||
                     f.kind == REWRITE_FIELD_BCC;
        if (!rewrite_fields_is_address(f.kind) || apart)
            continue;
        rewrite_addresses_init(&w, section, f.value, f.end, MAILBOXES);
        while (rewrite_addresses_next(&w, &a) == REWRITE_ADDRESS_MAILBOX)
            sum++;
        sum = sum * 31 + w.fault;
    }
    return sum;
}

/* As stream.h asks for: no CR or LF on its own. */
static bool is_lines(struct sv section)
{
    bool good = true;
    for (size_t i = 0; i < section.len; i++)
        good &= (section.ptr[i] != '\r' || (i + 1 < section.len && section.ptr[i + 1] == '\n')) &&
                (section.ptr[i] != '\n' || (i && section.ptr[i - 1] == '\r'));
    return good;
}

/* Once the whole section is out, and its bytes are still there. */
static void check_section(const struct rewrite_stream *s, struct outcome *o)
{
    bool is_out = s->state == REWRITE_STREAM_BODY || s->state == REWRITE_STREAM_DONE;
    if (!is_out || o->checked)
        return;
    o->checked = true;
    struct sv head = sv_first(buf_view(&o->out), check_undone(s, buf_view(&o->out)));
    if (!is_lines(s->section))
        return;
    check_head(head);
    REQUIRE(read_addresses(head) == read_addresses(s->section));
}

static void complete(const struct rewrite_stream_config *c, struct sv text, size_t piece,
                     struct outcome *o)
{
    struct rewrite_stream s;
    o->refusal = (struct rewrite_refusal){.code = 0};
    o->asked = 0;
    o->authors = 0;
    o->named = o->checked = false;
    buf_init(&o->out, 2u << 20, 0);
    rewrite_stream_init(&s, c);
    for (struct sv rest = text; rest.len; rest = sv_skip(rest, piece)) {
        rewrite_stream_feed(&s, sv_first(rest, piece));
        drain(&s, o);
        check_section(&s, o);
    }
    rewrite_stream_end(&s);
    drain(&s, o);
    check_section(&s, o);
    REQUIRE(o->checked == !o->refusal.code);
    REQUIRE(s.walked <= 24 * text.len + 1000 * o->asked + 1000);
    rewrite_stream_deinit(&s);
}

static const struct rewrite_options nothing;

/* Rules that many inputs meet. */
static const struct rewrite_rules *rules(void)
{
    static const char *const pairs[][2] = {
        {"a@a.example", "bb.cc@b.example"},         {"*@a.example", "*@a.example.longer.example"},
        {"*@*.a.example", "*@a.example"},           {"*@*.b.example", "x@b.example"},
        {"\"a b\"@b.example", "\"c d\"@b.example"}, {"*@c.example", "*@c.example"}};
    static struct rewrite_rules *made;
    static struct arena arena;
    if (made)
        return made;
    arena_init(&arena);
    made = rewrite_rules_new(&arena);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct rewrite_rule rule;
        struct rewrite_rule_fault fault;
        REQUIRE(rewrite_rule_parse(&arena, sv_of(pairs[i][0]), sv_of(pairs[i][1]), &rule, &fault));
        REQUIRE(rewrite_rules_add(made, &rule,
                                  REWRITE_IN_HEADER | REWRITE_OF_SENDER | REWRITE_OF_RECIPIENT,
                                  (uint16_t)i));
    }
    return made;
}

static void check_message(struct sv text, bool binary, const struct rewrite_options *options)
{
    static const struct sv domains[] = {SV("a.example"), SV("b.example")};
    struct rewrite_stream_config c = {.options = options,
                                      .received = {.by = SV("m.example"),
                                                   .protocol = SV("ESMTPSA"),
                                                   .id = SV("qid"),
                                                   .wall_s = 1785233472},
                                      .header_size = 1000,
                                      .received_hops = 3,
                                      .binary = binary,
                                      .judge_authors = true,
                                      .domains = domains,
                                      .domain_count = 2};
    struct outcome whole, parts;
    if (options->drop_forged_results)
        c.rules = rules();
    complete(&c, text, text.len, &whole);
    for (size_t piece = 1; piece < 40; piece += 6) {
        complete(&c, text, piece, &parts);
        REQUIRE(parts.asked == whole.asked && parts.authors == whole.authors);
        REQUIRE(parts.refusal.code == whole.refusal.code);
        REQUIRE(strcmp(parts.refusal.text, whole.refusal.text) == 0);
        if (!parts.refusal.code)
            REQUIRE(sv_eq(buf_view(&parts.out), buf_view(&whole.out)));
        buf_deinit(&parts.out);
    }
    for (const char *p = whole.refusal.text; *p; p++)
        REQUIRE(*p >= 32 && *p < 127);
    struct sv out = buf_view(&whole.out);
    if (options == &nothing && !whole.refusal.code && !whole.named)
        REQUIRE(!text.len || memmem(out.ptr, out.len, text.ptr, text.len) != NULL);
    REQUIRE(options->complete_domains || options->resolve_aliases || !whole.asked);
    buf_deinit(&whole.out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv text = {(const char *)data, size};
    check_addresses(text);
    static const char *drop[] = {"Bcc", "X-Originating-IP", "a"};
    static const struct rewrite_options plain = {.add_date = true, .add_message_id = true};
    static const struct rewrite_options full = {.add_date = true,
                                                .add_message_id = true,
                                                .complete_domains = true,
                                                .resolve_aliases = REWRITE_ALIASES_BOTH,
                                                .drop = {drop, 3},
                                                .drop_forged_results = true};
    static const struct rewrite_options complete = {.complete_domains = true};
    static const struct rewrite_options keep = {.complete_domains = true,
                                                .header_errors = REWRITE_ERRORS_ACCEPT};
    check_message(text, false, &nothing);
    check_message(text, true, &nothing);
    check_message(text, false, &plain);
    check_message(text, true, &plain);
    check_message(text, false, &full);
    check_message(text, false, &complete);
    check_message(text, false, &keep);
    return 0;
}

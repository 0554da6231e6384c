/*
 * Design: two tables, replies and failures, and one function that reads each. Nobody else turns a
 * code into "deferred" or "failed".
 */
#include "relay/outcome.h"

#include <errno.h>
#include <string.h>

/* The longest text that is kept, bytes; a report and the queue's listing need no more. */
#define TEXT_MAX 6000

static const struct {
    enum relay_verdict verdict;
    struct smtp_status status;
    enum relay_scope scope;
    const char *words;
} failures[] = {
#define STATUS_OF(c, s, d) \
    {                      \
        c, s, d            \
    }
#define FAILURE_ROW(name, verdict, status, scope, words) \
    [RELAY_FAILURE_##name] = {RELAY_##verdict, STATUS_OF status, RELAY_SCOPE_##scope, words},
    RELAY_FAILURES(FAILURE_ROW)
#undef FAILURE_ROW
#undef STATUS_OF
};

/* RFC 3463 subject and detail of a bare code (RFC 5321 4.2.2, 5248, 7504); the class is the
 * code's. What stands at phase CONNECT holds for every phase. */
static const struct {
    int code;
    enum smtp_phase phase;
    uint16_t subject, detail;
} bare_codes[] = {
    {421, SMTP_PHASE_CONNECT, 3, 2},  {450, SMTP_PHASE_RCPT, 2, 0},
    {451, SMTP_PHASE_CONNECT, 3, 0},  {452, SMTP_PHASE_RCPT, 5, 3},
    {452, SMTP_PHASE_CONNECT, 3, 1},  {454, SMTP_PHASE_CONNECT, 7, 0},
    {455, SMTP_PHASE_CONNECT, 5, 4},  {500, SMTP_PHASE_CONNECT, 5, 2},
    {501, SMTP_PHASE_CONNECT, 5, 4},  {502, SMTP_PHASE_CONNECT, 5, 1},
    {503, SMTP_PHASE_CONNECT, 5, 1},  {504, SMTP_PHASE_CONNECT, 5, 4},
    {521, SMTP_PHASE_CONNECT, 3, 2},  {530, SMTP_PHASE_CONNECT, 7, 0},
    {534, SMTP_PHASE_CONNECT, 7, 9},  {535, SMTP_PHASE_CONNECT, 7, 8},
    {550, SMTP_PHASE_RCPT, 2, 0},     {551, SMTP_PHASE_CONNECT, 1, 6},
    {552, SMTP_PHASE_RCPT, 5, 3},     {552, SMTP_PHASE_CONNECT, 3, 4},
    {553, SMTP_PHASE_CONNECT, 1, 3},  {555, SMTP_PHASE_CONNECT, 5, 4},
    {556, SMTP_PHASE_CONNECT, 1, 10},
};

static struct smtp_status status_of_reply(const struct smtp_client_result *r)
{
    uint8_t class = (uint8_t)(r->reply.code / 100);
    if (r->reply.enhanced.class)
        return r->reply.enhanced;
    for (size_t i = 0; i < sizeof(bare_codes) / sizeof(bare_codes[0]); i++)
        if (bare_codes[i].code == r->reply.code &&
            (bare_codes[i].phase == r->phase || bare_codes[i].phase == SMTP_PHASE_CONNECT))
            return SMTP_STATUS(class, bare_codes[i].subject, bare_codes[i].detail);
    return SMTP_STATUS(class, 0, 0);
}

/* The reply as it was sent, codes on the first line. */
static const char *reply_text(struct arena *a, const struct smtp_reply *r, bool qmtp)
{
    char status[SMTP_STATUS_TEXT_MAX];
    struct sv text = sv_first(r->text, TEXT_MAX);
    char letter = smtp_reply_is_ok(r) ? 'K' : smtp_reply_is_permanent(r) ? 'D' : 'Z';
    if (qmtp)
        return arena_printf(a, "QMTP: %c%.*s", letter, SV_ARG(text));
    return arena_printf(a, "%d%s%s%s%.*s", r->code, r->enhanced.class ? " " : "",
                        smtp_status_text(r->enhanced, status), text.len ? " " : "", SV_ARG(text));
}

/* The session's own steps: a refusal there is the host's, never the message's. */
static bool is_session_phase(enum smtp_phase phase)
{
    switch (phase) {
    case SMTP_PHASE_MAIL:
    case SMTP_PHASE_RCPT:
    case SMTP_PHASE_DATA:
    case SMTP_PHASE_BODY:
    case SMTP_PHASE_END_OF_DATA:
        return false;
    default:
        return true;
    }
}

/* RFC 5321 4.5.3.1.10: 452 to RCPT is "too many recipients", 552 too, unless the server says that
 * it means something else (552 5.2.2, a full mailbox). */
bool relay_outcome_is_too_many(const struct smtp_client_result *r)
{
    struct smtp_status s = r->reply.enhanced;
    return r->end == SMTP_END_REPLY && r->phase == SMTP_PHASE_RCPT &&
           (r->reply.code == 452 || r->reply.code == 552) &&
           (!s.class || (s.subject == 5 && s.detail == 3));
}

static void judge_reply(const struct smtp_client_result *r, struct relay_outcome *o)
{
    o->status = status_of_reply(r);
    if (relay_outcome_is_goodbye(r) || is_session_phase(r->phase)) {
        o->scope = RELAY_SCOPE_HOST;
        o->verdict = RELAY_DEFERRED;
        o->status.class = 4; /* not final, whatever the host called it */
        return;
    }
    o->scope = r->phase == SMTP_PHASE_RCPT ? RELAY_SCOPE_RECIPIENT : RELAY_SCOPE_MESSAGE;
    if (r->phase == SMTP_PHASE_MAIL && r->reply.code / 100 == 4)
        o->scope = RELAY_SCOPE_HOST; /* of its load, or of us; nothing of the content is known */
    if (smtp_reply_is_ok(&r->reply)) {
        o->verdict = RELAY_DELIVERED;
    } else if (relay_outcome_is_too_many(r)) {
        o->verdict = RELAY_DEFERRED;
        o->status = SMTP_STATUS(4, 5, 3);
    } else {
        o->verdict = smtp_reply_is_permanent(&r->reply) ? RELAY_FAILED : RELAY_DEFERRED;
    }
}

/* A time that has passed is past at each host. */
static bool is_expired(struct smtp_status s)
{
    return s.class == 5 && s.subject == 4 && s.detail == 7;
}

/* Whether a recipient had been taken: SMTP asks for content only then. */
static bool is_past_rcpt(const struct smtp_client_result *r)
{
    return !r->qmtp && (r->phase == SMTP_PHASE_DATA || r->phase == SMTP_PHASE_BODY ||
                        r->phase == SMTP_PHASE_END_OF_DATA);
}

/* What this machine lacks for a connection: no host has to do with it. */
static bool is_ours(const struct smtp_client_result *r)
{
    return r->phase == SMTP_PHASE_CONNECT &&
           (r->err == -EADDRNOTAVAIL || r->err == -EMFILE || r->err == -ENFILE ||
            r->err == -ENOBUFS || r->err == -ENOMEM);
}

/* Everything that is not a reply: verdict, status and reach of each end. */
static void judge_end(const struct smtp_client_result *r, struct relay_outcome *o)
{
    *o = (struct relay_outcome){.verdict = RELAY_DEFERRED,
                                .scope = RELAY_SCOPE_HOST,
                                .status = SMTP_STATUS(4, 4, 2),
                                .spares_site = is_past_rcpt(r) || is_ours(r)};
    switch (r->end) {
    case SMTP_END_REPLY:
    case SMTP_END_TIMEOUT:
    case SMTP_END_LOST:
    case SMTP_END_QUIT:
        if (r->phase == SMTP_PHASE_CONNECT)
            o->status = is_ours(r) ? SMTP_STATUS(4, 4, 0) : SMTP_STATUS(4, 4, 1);
        o->maybe_taken = r->phase == SMTP_PHASE_END_OF_DATA;
        break;
    case SMTP_END_PROTOCOL:
        o->status = SMTP_STATUS(4, 5, 0);
        o->maybe_taken = r->phase == SMTP_PHASE_END_OF_DATA;
        break;
    case SMTP_END_NO_TLS:
        o->status = SMTP_STATUS(4, 7, 4);
        break;
    case SMTP_END_TLS:
        o->status = SMTP_STATUS(4, 7, 5);
        break;
    case SMTP_END_NO_AUTH:
        o->status = SMTP_STATUS(4, 7, 4);
        break;
    case SMTP_END_CREDENTIALS: /* the host cannot be logged in at; or we have nothing to log in by
                                */
        o->status = SMTP_STATUS(4, 7, 0);
        o->scope = r->err == ERR_NOT_FOUND ? RELAY_SCOPE_HOST : RELAY_SCOPE_LOCAL;
        break;
    case SMTP_END_UNSUPPORTED:
        o->status = r->reply.enhanced;
        if (is_expired(o->status)) {
            o->verdict = RELAY_FAILED;
            o->scope = RELAY_SCOPE_MESSAGE;
        } else {
            o->fails_at_last = true;
            o->status.class = 4;
        }
        break;
    case SMTP_END_DEMANDS:
        o->verdict = RELAY_FAILED;
        o->status = SMTP_STATUS(5, 3, 3);
        o->scope = RELAY_SCOPE_MESSAGE;
        break;
    case SMTP_END_TOO_BIG:
        o->verdict = RELAY_FAILED;
        o->status = SMTP_STATUS(5, 3, 4);
        o->scope = RELAY_SCOPE_MESSAGE;
        break;
    case SMTP_END_CONTENT:
        o->status = SMTP_STATUS(4, 3, 0);
        o->scope = RELAY_SCOPE_LOCAL;
        break;
    }
}

/* "timed out after 300 s, waiting for the reply to MAIL: detail", "TLS failed: detail (after 55 s,
 * in the TLS handshake)". */
static const char *end_text(struct arena *a, const struct smtp_client_result *r, bool maybe_taken)
{
    const char *what = r->detail       ? r->detail
                       : r->reply.code ? arena_str(a, r->reply.text)
                       : r->err        ? err_text(r->err)
                                       : "";
    const char *part = *what ? ": " : "";
    unsigned long long s = r->elapsed_ms / 1000;
    if (r->phase == SMTP_PHASE_CONNECT)
        return arena_printf(a, "connection failed after %llu s%s%s", s, part, what);
    if (r->end == SMTP_END_TIMEOUT || r->end == SMTP_END_LOST || r->end == SMTP_END_PROTOCOL)
        return arena_printf(a, "%s after %llu s, %s%s%s%s", smtp_end_text(r->end), s,
                            smtp_phase_text(r->phase), part, what,
                            maybe_taken ? " (possible duplicate)" : "");
    if (r->end == SMTP_END_UNSUPPORTED || r->end == SMTP_END_DEMANDS || r->end == SMTP_END_TOO_BIG)
        return arena_printf(a, "%s%s%s", smtp_end_text(r->end), part, what); /* found before MAIL */
    return arena_printf(a, "%s%s%s (after %llu s, %s)", smtp_end_text(r->end), part, what, s,
                        smtp_phase_text(r->phase));
}

struct relay_outcome relay_outcome_of_result(struct arena *a, const struct smtp_client_result *r,
                                             struct sv remote)
{
    struct relay_outcome o = {.maybe_taken = false};
    if (r->end == SMTP_END_REPLY) {
        judge_reply(r, &o);
        o.text = reply_text(a, &r->reply, r->qmtp);
        o.when = arena_printf(a, "%s after %llu s", smtp_phase_name(r->phase),
                              (unsigned long long)(r->elapsed_ms / 1000));
    } else {
        judge_end(r, &o);
        o.text = end_text(a, r, o.maybe_taken);
    }
    o.remote = arena_str(a, remote);
    return o;
}

struct relay_outcome relay_outcome_of_failure(struct arena *a, enum relay_failure what, int err,
                                              struct sv remote)
{
    return (struct relay_outcome){
        .verdict = failures[what].verdict,
        .scope = failures[what].scope,
        .status = failures[what].status,
        .text = arena_printf(a, "%s%s%s", failures[what].words, err < 0 ? ": " : "",
                             err < 0 ? err_text(err) : ""),
        .remote = arena_str(a, remote),
    };
}

const char *relay_outcome_told(struct arena *a, const struct relay_outcome *o)
{
    if (!o->remote || !*o->remote)
        return arena_str(a, sv_of(o->text));
    return arena_printf(a, "%s [%s%s%s]", o->text, o->remote, o->when ? ", " : "",
                        o->when ? o->when : "");
}

bool relay_outcome_is_goodbye(const struct smtp_client_result *r)
{
    return r->end == SMTP_END_REPLY && r->reply.code == 421;
}

void relay_outcome_back_off(struct relay_outcome *o, const struct conf_strings *codes)
{
    char status[SMTP_STATUS_TEXT_MAX];
    smtp_status_text(o->status, status);
    for (size_t i = 0; i < codes->count; i++)
        o->backs_off = o->backs_off || strcmp(codes->items[i], status) == 0;
    if (o->backs_off && o->verdict == RELAY_DEFERRED)
        o->scope = RELAY_SCOPE_SITE;
}

void relay_outcome_fail(struct relay_outcome *o)
{
    o->verdict = RELAY_FAILED;
    o->scope = RELAY_SCOPE_MESSAGE;
    o->status.class = 5;
    o->fails_at_last = false;
}

bool relay_outcome_asks_for_ipv4(const struct smtp_client_result *r,
                                 const struct conf_strings *codes, bool any_550)
{
    const struct smtp_status said = r->reply.enhanced;
    struct sv rest = r->reply.text, line = sv_split(&rest, '\n'), word = sv_split(&line, ' ');
    if (r->end != SMTP_END_REPLY || r->reply.code != 550)
        return false;
    for (size_t i = 0; i < codes->count; i++) {
        struct sv code = sv_of(codes->items[i]);
        struct smtp_status status;
        if (smtp_status_parse(code, &status, NULL) ? smtp_status_eq(status, said)
                                                   : sv_eq(word, code)) /* the text 5.5.XXX */
            return true;
    }
    return any_550 && (smtp_status_eq(said, SMTP_STATUS(5, 7, 1)) ||
                       smtp_status_eq(said, SMTP_STATUS(5, 7, 25)));
}

void relay_outcome_fall_back(struct relay_outcome *o)
{
    o->verdict = RELAY_DEFERRED;
    o->scope = RELAY_SCOPE_HOST;
    o->status.class = 4;
}

static bool is_tls_trouble(const struct relay_outcome *o)
{
    return o->verdict == RELAY_DEFERRED && o->status.subject == 7 &&
           (o->status.detail == 4 || o->status.detail == 5);
}

void relay_outcome_name_rule(struct arena *a, struct relay_outcome *o, enum route_rule rule,
                             const char *host)
{
    static const char *const rules[] = {
        [ROUTE_RULE_STATIC] = "relay.routes demands TLS for",
        [ROUTE_RULE_DANE] = "DANE (TLSA records) demands TLS for",
        [ROUTE_RULE_STS] = "the MTA-STS policy of the domain demands TLS for",
        [ROUTE_RULE_MEMORY] =
            "relay.tls.refuse_downgrade demands TLS, which has worked before, for",
    };
    if (rule == ROUTE_RULE_NONE || !is_tls_trouble(o))
        return;
    if (rule != ROUTE_RULE_STATIC)
        o->status.detail = 5;
    o->by_policy = rule != ROUTE_RULE_STATIC;
    o->text = arena_printf(a, "%s; %s %s", o->text, rules[rule], host);
}

void relay_outcome_require_tls(struct relay_outcome *o)
{
    if (!is_tls_trouble(o))
        return;
    o->status = SMTP_STATUS(4, 7, 10);
    o->scope = RELAY_SCOPE_HOST;
    o->fails_at_last = true;
}

const char *relay_verdict_text(enum relay_verdict v)
{
    static const char *const texts[] = {"delivered", "deferred", "failed"};
    return texts[v];
}

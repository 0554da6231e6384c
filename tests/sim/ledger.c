#include "tests/sim/ledger.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "tests/sim/loop/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAULT_LINES_MAX 20
#define CONTENT_MAX     (16u << 20)
#define ON_ITS_WAY_MS   60000 /* less than from one attempt to the next */

struct report {
    char id[LEDGER_ID_MAX];
    bool seen, may_repeat, recorded, queued;
};

static struct {
    struct ledger_message **messages; /* pointers to them stay good */
    unsigned count;
    struct report *reports;
    unsigned nreports, crashes;
    struct buf faults;
    unsigned nfaults;
    uint64_t digest;
} ledger;

void ledger_start(void)
{
    buf_init(&ledger.faults, CONTENT_MAX, 0);
}

void ledger_stop(void)
{
    for (unsigned i = 0; i < ledger.count; i++) {
        buf_deinit(&ledger.messages[i]->content);
        free(ledger.messages[i]->recipients);
        free(ledger.messages[i]);
    }
    free(ledger.messages);
    free(ledger.reports);
    buf_deinit(&ledger.faults);
    memset(&ledger, 0, sizeof ledger);
}

void ledger_fault(const char *fmt, ...)
{
    va_list args;
    if (++ledger.nfaults > FAULT_LINES_MAX)
        return;
    va_start(args, fmt);
    int err = buf_printf(&ledger.faults, "at %llu ms: ", (unsigned long long)sim_now());
    if (err == 0)
        err = buf_vprintf(&ledger.faults, fmt, args);
    if (err == 0)
        err = buf_printf(&ledger.faults, "\n");
    va_end(args);
    REQUIRE(err == 0);
}

/* ---- messages ---- */

static void put_line(struct buf *b, unsigned length)
{
    static const char bytes[] = "abcdefghijklmnopqrstuvwxyz ABC .,0123456789\t\xc3\xa4";
    char line[1000];
    for (unsigned i = 0; i < length; i++)
        line[i] = bytes[sim_below(sizeof bytes - 1)];
    if (length > 0 && sim_below(4) == 0)
        line[0] = '.';
    int err = buf_append(b, line, length);
    REQUIRE(err == 0 && buf_put(b, SV("\r\n")) == 0);
}

static void write_content(struct buf *b, unsigned number, const char *author, size_t size)
{
    int err = buf_printf(b,
                         "From: <%s>\r\nTo: undisclosed-recipients:;\r\nSubject: message %u\r\n"
                         "Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <m%u@%s>\r\n\r\n",
                         author, number, number, author);
    REQUIRE(err == 0);
    while (buf_len(b) < size)
        put_line(b, sim_below(4) == 0 ? sim_below(900) : sim_below(70));
}

unsigned ledger_add(const char *author, size_t size, unsigned count, const char *const *domains,
                    unsigned ndomains)
{
    unsigned number = ledger.count;
    ledger.messages = mem_resize(ledger.messages, number + 1, sizeof *ledger.messages);
    struct ledger_message *m = ledger.messages[number] = NEW(struct ledger_message);
    m->count = count;
    snprintf(m->author, sizeof m->author, "%s", author);
    m->recipients = mem_new(count, sizeof *m->recipients);
    for (unsigned i = 0; i < count; i++) {
        struct ledger_recipient *r = &m->recipients[i];
        snprintf(r->address, sizeof r->address, "m%u.r%u@%s", number, i, domains[i % ndomains]);
        r->notify = sim_below(8) > 1 ? LEDGER_NOTIFY_DEFAULT : 1 + sim_below(2);
    }
    buf_init(&m->content, CONTENT_MAX, 0);
    write_content(&m->content, number, author, size);
    ledger.count++;
    return number;
}

struct ledger_message *ledger_message(unsigned number)
{
    REQUIRE(number < ledger.count);
    return ledger.messages[number];
}

unsigned ledger_count(void)
{
    return ledger.count;
}

/* By its address; message_out may be NULL. */
static struct ledger_recipient *find(struct sv address, struct ledger_message **message_out)
{
    char text[48];
    unsigned message, number;
    if (address.len >= sizeof text)
        return NULL;
    memcpy(text, address.ptr, address.len);
    text[address.len] = '\0';
    if (sscanf(text, "m%u.r%u@", &message, &number) != 2 || message >= ledger.count ||
        number >= ledger.messages[message]->count)
        return NULL;
    struct ledger_recipient *r = &ledger.messages[message]->recipients[number];
    if (strcmp(r->address, text) != 0)
        return NULL;
    if (message_out)
        *message_out = ledger.messages[message];
    return r;
}

static struct report *report_get(struct sv id)
{
    for (unsigned i = 0; i < ledger.nreports; i++)
        if (sv_eq(sv_of(ledger.reports[i].id), id))
            return &ledger.reports[i];
    ledger.reports = mem_resize(ledger.reports, ledger.nreports + 1, sizeof *ledger.reports);
    struct report *r = &ledger.reports[ledger.nreports++];
    *r = (struct report){0};
    snprintf(r->id, sizeof r->id, "%.*s", SV_ARG(id));
    return r;
}

/* ---- deliveries ---- */

/* The content sent, behind exactly one Received field. */
static bool is_unaltered(const struct ledger_message *m, struct sv content)
{
    struct sv rest = content;
    if (!sv_starts(rest, SV("Received: ")))
        return false;
    do
        (void)sv_split(&rest, '\n');
    while (rest.len && (rest.ptr[0] == '\t' || rest.ptr[0] == ' '));
    return sv_eq(rest, buf_view(&m->content));
}

/* Whoever does not know whether it was delivered leaves it for a later attempt. What was on its way
 * may have been taken after that was decided. */
static bool was_put_off(const struct ledger_recipient *r)
{
    return r->delivered_after != ledger.crashes || r->deferrals == LEDGER_ATTEMPTS_MAX ||
           (r->deferrals > 0 &&
            r->deferred_ms[r->deferrals - 1] + ON_ITS_WAY_MS >= r->delivered_ms);
}

static void deliver(struct sv from, struct sv to, struct sv content, bool may_repeat)
{
    struct ledger_message *m;
    struct ledger_recipient *r = find(to, &m);
    if (!r) {
        ledger_fault("<%.*s> is nobody's recipient", SV_ARG(to));
        return;
    }
    if (!sv_eq(from, sv_of(m->author)))
        ledger_fault("<%s>: reverse-path <%.*s>", r->address, SV_ARG(from));
    if (!is_unaltered(m, content))
        ledger_fault("<%s>: content altered", r->address);
    if (m->state != LEDGER_SENT && m->state != LEDGER_ACCEPTED && m->state != LEDGER_UNKNOWN)
        ledger_fault("<%s>: delivered, although never submitted (%d)", r->address, (int)m->state);
    if (r->deliveries > 0 && !r->may_repeat)
        ledger_fault("<%s>: delivered again without need", r->address);
    else if (r->deliveries > 0 && !was_put_off(r))
        ledger_fault("<%s>: delivered again in the same attempt", r->address);
    if (r->recorded_delivered || r->recorded_failed)
        ledger_fault("<%s>: delivered after its end was committed", r->address);
    r->deliveries++;
    r->delivered_ms = sim_now();
    r->delivered_after = ledger.crashes;
    r->may_repeat = may_repeat;
    r->handed = LEDGER_DEFERRED; /* what was given before cannot be on the disk */
}

/* The value of "Name: value" if the line is that. */
static bool field(struct sv line, struct sv name, struct sv *value_out)
{
    if (!sv_istarts(line, name))
        return false;
    *value_out = sv_trim(sv_skip(line, name.len));
    return true;
}

static void report_action(struct sv address, struct sv action)
{
    struct ledger_recipient *r = find(address, NULL);
    if (!r) {
        ledger_fault("a report names <%.*s>", SV_ARG(address));
        return;
    }
    if (r->notify == LEDGER_NOTIFY_NEVER)
        ledger_fault("<%s>: reported as %.*s against the author's wish", r->address,
                     SV_ARG(action));
    if (sv_eq(action, SV("failed"))) {
        r->failed_report_ms = sim_now();
        if (++r->failed_reports > 1)
            ledger_fault("<%s>: reported as failed twice", r->address);
    } else if (sv_eq(action, SV("delayed"))) {
        r->delay_report_ms = sim_now();
        if (++r->delay_reports > 1)
            ledger_fault("<%s>: reported as delayed twice", r->address);
    } else if (sv_eq(action, SV("relayed")) && r->notify == LEDGER_NOTIFY_SUCCESS) {
        if (++r->relayed_reports > 1)
            ledger_fault("<%s>: reported as relayed twice", r->address);
        if (r->deliveries == 0)
            ledger_fault("<%s>: reported as relayed, and nobody has it", r->address);
    } else {
        ledger_fault("<%s>: reported as %.*s", r->address, SV_ARG(action));
    }
}

/* Only the machine's part of it: the returned message is behind that. */
static void read_report(struct sv content)
{
    struct sv address = SV_NONE, value;
    bool inside = false;
    while (content.len) {
        struct sv line = sv_split(&content, '\n');
        line.len -= line.len > 0;
        if (sv_starts(line, SV("Content-Type: ")))
            inside = sv_eq(line, SV("Content-Type: message/delivery-status"));
        if (inside && field(line, SV("Final-Recipient: rfc822;"), &value))
            address = value;
        if (inside && field(line, SV("Action:"), &value))
            report_action(address, value);
    }
}

static struct sv report_id(struct sv content)
{
    struct sv value;
    while (content.len) {
        struct sv line = sv_split(&content, '\n');
        if (line.len <= 1)
            break;
        if (field(line, SV("Message-ID: <"), &value))
            return sv_first(value, sv_find(value, '@'));
    }
    return SV_NONE;
}

static void deliver_report(struct sv content, bool may_repeat)
{
    struct sv id = report_id(content);
    if (!id.len) {
        ledger_fault("a report without Message-ID");
        return;
    }
    struct report *r = report_get(id);
    if (!r->seen)
        read_report(content);
    else if (!r->may_repeat || r->recorded)
        ledger_fault("report %s delivered again without need", r->id);
    r->seen = true;
    r->may_repeat = may_repeat;
}

/* FNV-1a */
static void digest(const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ledger.digest =
            (ledger.digest ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
}

void ledger_on_delivery(struct sv from, const struct sv *to, unsigned count, struct sv content,
                        bool may_repeat)
{
    uint64_t now_ms = sim_now();
    digest(&now_ms, sizeof now_ms);
    digest(content.ptr, content.len);
    for (unsigned i = 0; i < count; i++)
        digest(to[i].ptr, to[i].len);
    if (!from.len) {
        deliver_report(content, may_repeat);
        return;
    }
    for (unsigned i = 0; i < count; i++)
        deliver(from, to[i], content, may_repeat);
}

/* ---- results ---- */

void ledger_on_handed(struct sv to, enum ledger_verdict verdict, struct sv report)
{
    struct ledger_recipient *r = find(to, NULL);
    if (!r)
        return; /* told when it is recorded */
    r->handed = verdict;
    r->handed_after = ledger.crashes;
    snprintf(r->report, sizeof r->report, "%.*s", SV_ARG(report));
}

void ledger_on_recorded(struct sv id, struct sv from, struct sv to, enum ledger_verdict verdict)
{
    if (!from.len) {
        struct report *report = report_get(id);
        report->recorded = verdict != LEDGER_DEFERRED;
        if (report->recorded && !report->seen)
            ledger_fault("report %s ended (%d) and nobody has it", report->id, (int)verdict);
        return;
    }
    struct ledger_recipient *r = find(to, NULL);
    if (!r) {
        ledger_fault("recorded: unknown recipient <%.*s>", SV_ARG(to));
        return;
    }
    if (r->recorded_delivered || r->recorded_failed)
        ledger_fault("<%s>: recorded again after its end", r->address);
    if (verdict == LEDGER_DELIVERED && r->deliveries == 0)
        ledger_fault("<%s>: recorded as delivered, and nobody has it", r->address);
    if (verdict == LEDGER_DEFERRED && r->deferrals < LEDGER_ATTEMPTS_MAX)
        r->deferred_ms[r->deferrals++] = sim_now();
    r->recorded_delivered |= verdict == LEDGER_DELIVERED;
    r->recorded_failed |= verdict == LEDGER_FAILED;
}

void ledger_on_answers_lost(void)
{
    for (unsigned i = 0; i < ledger.count; i++) {
        struct ledger_message *m = ledger.messages[i];
        for (unsigned k = 0; k < m->count; k++)
            m->recipients[k].may_repeat = true;
    }
    for (unsigned i = 0; i < ledger.nreports; i++)
        ledger.reports[i].may_repeat = true;
}

void ledger_on_crash(void)
{
    ledger.crashes++;
    for (unsigned i = 0; i < ledger.count; i++) {
        struct ledger_message *m = ledger.messages[i];
        if (m->state == LEDGER_OPEN)
            m->state = LEDGER_DROPPED;
        if (m->state == LEDGER_SENT)
            m->state = LEDGER_UNKNOWN;
    }
    ledger_on_answers_lost();
}

void ledger_on_queued(struct sv id, struct sv to)
{
    struct ledger_recipient *r = find(to, NULL);
    if (r)
        r->queued = true;
    else
        report_get(id)->queued = true;
}

/* ---- the end ---- */

/* The report that went along with its end. */
static bool has_report(const struct ledger_recipient *r)
{
    const struct report *report = r->report[0] ? report_get(sv_of(r->report)) : NULL;
    return report && (report->seen || report->queued);
}

/* Its end was committed. The power may go when that is on the disk and nobody has been told: what
 * was given to the store before a crash, and is not queued after it, was. */
static bool has_ended(const struct ledger_recipient *r, enum ledger_verdict verdict)
{
    if (verdict == LEDGER_DELIVERED ? r->recorded_delivered : r->recorded_failed)
        return true;
    return !r->queued && r->handed == verdict && r->handed_after < ledger.crashes;
}

/* One fate, and only one. A delivery whose answer was lost may also end as a failure. */
static void settle_recipient(const struct ledger_recipient *r, struct ledger_sum *sum)
{
    bool delivered = r->deliveries > 0;
    bool failed = has_ended(r, LEDGER_FAILED);
    bool reported = failed && (r->notify == LEDGER_NOTIFY_NEVER || has_report(r));
    if (r->failed_reports > 0 && !failed)
        ledger_fault("<%s>: reported, and has not failed", r->address);
    if (r->notify == LEDGER_NOTIFY_SUCCESS && r->recorded_delivered && !has_report(r))
        ledger_fault("<%s>: not reported as relayed", r->address);
    if (r->queued && (r->recorded_delivered || r->recorded_failed))
        ledger_fault("<%s>: ended, and still queued", r->address);
    if (!delivered && !reported && !r->queued)
        ledger_fault("<%s>: lost", r->address);
    if (delivered && (reported || r->queued) && !r->may_repeat)
        ledger_fault("<%s>: delivered, and %s", r->address, reported ? "reported" : "queued");
    sum->queued += r->queued;
    sum->reported += !r->queued && reported;
    sum->delivered += !r->queued && !reported && delivered;
    sum->repeated += delivered ? r->deliveries - 1 : 0;
}

static bool is_seen(const struct ledger_recipient *r)
{
    return r->deliveries > 0 || r->failed_reports > 0 || r->queued || has_ended(r, LEDGER_FAILED);
}

/* All or nothing; a whole one is an accepted one from here on. */
static void settle_unknown(struct ledger_message *m)
{
    unsigned seen = 0;
    for (unsigned k = 0; k < m->count; k++)
        seen += is_seen(&m->recipients[k]);
    if (seen > 0 && seen < m->count)
        ledger_fault("<%s> and others: %u of %u recipients", m->recipients[0].address, seen,
                     m->count);
    if (seen == m->count)
        m->state = LEDGER_ACCEPTED;
}

void ledger_settle(struct ledger_sum *sum)
{
    *sum = (struct ledger_sum){.digest = ledger.digest};
    for (unsigned i = 0; i < ledger.count; i++) {
        struct ledger_message *m = ledger.messages[i];
        sum->unknown += m->state == LEDGER_UNKNOWN;
        sum->refused += m->state == LEDGER_REFUSED;
        sum->dropped += m->state == LEDGER_DROPPED;
        if (m->state == LEDGER_UNKNOWN)
            settle_unknown(m);
        for (unsigned k = 0; k < m->count && m->state == LEDGER_ACCEPTED; k++) {
            sum->accepted++;
            settle_recipient(&m->recipients[k], sum);
        }
        for (unsigned k = 0; k < m->count && m->state != LEDGER_ACCEPTED; k++)
            if (is_seen(&m->recipients[k]))
                ledger_fault("<%s>: was not accepted (%d) and is here", m->recipients[k].address,
                             (int)m->state);
    }
    if (sum->accepted != sum->delivered + sum->reported + sum->queued)
        ledger_fault("%u accepted, but %u delivered + %u reported + %u queued", sum->accepted,
                     sum->delivered, sum->reported, sum->queued);
}

bool ledger_is_good(const struct ledger_sum *sum)
{
    if (getenv("MSA_SIM_SUMS"))
        fprintf(stderr,
                "accepted %u = delivered %u + reported %u + queued %u; repeated %u; messages "
                "refused %u, dropped %u, unknown %u; at %llu ms, %llu disk operations\n",
                sum->accepted, sum->delivered, sum->reported, sum->queued, sum->repeated,
                sum->refused, sum->dropped, sum->unknown, (unsigned long long)sim_now(),
                (unsigned long long)disk_ops());
    fprintf(stderr, "%.*s", SV_ARG(buf_view(&ledger.faults)));
    return ledger.nfaults == 0;
}

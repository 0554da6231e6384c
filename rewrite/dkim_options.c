#include "rewrite/dkim_options.h"

#include <time.h>

#define SELECTOR_MAX 200 /* bytes; with "._domainkey." and a domain it must be a name */

static const char *const canonicalization_names[] = {
    [REWRITE_DKIM_RELAXED_RELAXED] = "relaxed/relaxed",
    [REWRITE_DKIM_RELAXED_SIMPLE] = "relaxed/simple",
    [REWRITE_DKIM_SIMPLE_RELAXED] = "simple/relaxed",
    [REWRITE_DKIM_SIMPLE_SIMPLE] = "simple/simple",
    NULL};

/* Two or four digits of a date, and what stands behind them. */
static bool take_number(struct sv *text, size_t digits, char behind, int *out)
{
    uint64_t n;
    if (!sv_u64(sv_first(*text, digits), 9999, &n) || text->len < digits)
        return false;
    *text = sv_skip(*text, digits);
    if (behind && (!text->len || text->ptr[0] != behind))
        return false;
    *text = sv_skip(*text, behind != '\0');
    *out = (int)n;
    return true;
}

bool rewrite_dkim_options_time(struct sv text, int64_t *wall_s_out)
{
    struct tm tm = {0}, same;
    bool day_only = text.len == sizeof "2026-01-31" - 1;
    *wall_s_out = INT64_MIN;
    if (!text.len)
        return true;
    if (!take_number(&text, 4, '-', &tm.tm_year) || !take_number(&text, 2, '-', &tm.tm_mon) ||
        !take_number(&text, 2, day_only ? '\0' : 'T', &tm.tm_mday))
        return false;
    if (!day_only &&
        (!take_number(&text, 2, ':', &tm.tm_hour) || !take_number(&text, 2, ':', &tm.tm_min) ||
         !take_number(&text, 2, 'Z', &tm.tm_sec)))
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    same = tm;
    *wall_s_out = timegm(&tm);
    /* timegm() takes the 31st of June for the first of July */
    return !text.len && tm.tm_mon == same.tm_mon && tm.tm_mday == same.tm_mday &&
           tm.tm_hour == same.tm_hour && tm.tm_min == same.tm_min && tm.tm_sec == same.tm_sec;
}

static void check_from(const char *value, struct conf_faults *faults)
{
    int64_t wall_s;
    if (!rewrite_dkim_options_time(sv_of(value), &wall_s))
        conf_fault(faults, "\"2026-01-31\", or \"2026-01-31T12:00:00Z\", in UTC",
                   "\"%s\" is no date", value);
}

static bool is_label(struct sv text)
{
    for (size_t i = 0; i < text.len; i++) /* "_" is seen */
        if (!ascii_alpha(text.ptr[i]) && !ascii_digit(text.ptr[i]) && text.ptr[i] != '_' &&
            (text.ptr[i] != '-' || i == 0 || i + 1 == text.len))
            return false;
    return text.len > 0 && text.len <= 63;
}

bool rewrite_dkim_options_selector(struct sv text)
{
    bool good = text.len > 0 && text.len <= SELECTOR_MAX && text.ptr[text.len - 1] != '.';
    while (good && text.len)
        good = is_label(sv_split(&text, '.'));
    return good;
}

static void check_selector(const char *value, struct conf_faults *faults)
{
    if (!rewrite_dkim_options_selector(sv_of(value)))
        conf_fault(faults, "letters, digits and hyphens, such as \"s2026\"",
                   "\"%s\" is no selector", value);
}

const struct conf_option rewrite_dkim_options_rows[] = {
    CONF_ROW(CONF_STRING, struct rewrite_dkim_options, domain, "domain", NULL,
             "domain that signs (d=)",
             "Mail is signed by the rows of the domain in its From, else by those of the closest "
             "domain above that has a row in force: \"example.net\" also signs for "
             "\"sales.example.net\", as long as that has none.",
             .flags = CONF_RELOAD | CONF_REQUIRED, .example = "\"example.net\""),
    CONF_ROW(CONF_STRING, struct rewrite_dkim_options, selector, "selector", NULL,
             "name of the key in the DNS (s=)",
             "The public half is published as a TXT record at SELECTOR._domainkey.DOMAIN; "
             "\"msactl dkim new\" prints it.",
             .flags = CONF_RELOAD | CONF_REQUIRED, .example = "\"s2026\"", .check = check_selector),
    CONF_ROW(CONF_PATH, struct rewrite_dkim_options, key, "key", NULL, "private key",
             "PEM, without a passphrase: RSA of at least 1024 bits (2048 advised), or Ed25519 "
             "(RFC 8463). Only the user who starts msad should be able to read it.",
             .flags = CONF_RELOAD | CONF_FILE | CONF_SECRET | CONF_REQUIRED,
             .example = "\"/etc/msa/s2026.pem\""),
    CONF_ROW(CONF_STRING, struct rewrite_dkim_options, from, "from", NULL,
             "when the row comes into force, in UTC",
             "\"2026-01-31\", or \"2026-01-31T12:00:00Z\". Of the rows of one domain and one kind "
             "of key those with the latest time that has come sign; so a new selector takes over "
             "by itself, and both may stand here while the DNS learns of it. Without a time: "
             "since ever.",
             .flags = CONF_RELOAD, .example = "\"2026-01-31\"", .check = check_from),
    CONF_ROW(CONF_BOOL, struct rewrite_dkim_options, require, "require", "false",
             "send nothing without this signature",
             "While a signature cannot be made, the client is told to try again (451 4.7.0). "
             "With false the message goes without it, and the log has a warning. A message whose "
             "From cannot be read may be anybody's: if any row requires its signature, it is "
             "refused (554 5.7.0). Reports that this server writes itself are sent all the same.",
             .flags = CONF_RELOAD),
    CONF_ROW(CONF_ENUM, struct rewrite_dkim_options, canonicalization, "canonicalization",
             "relaxed/relaxed", "what may change on the way, of header and body (c=)",
             "\"relaxed\": white space; \"simple\": nothing (RFC 6376 3.4).",
             .names = canonicalization_names, .flags = CONF_RELOAD),
    CONF_END,
};

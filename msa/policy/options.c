#include "msa/policy/options.h"

#include <string.h>

/* of sockaddr_un, without its NUL */
#define PATH_BYTES_MAX 107

static const char *const on_error_names[] = {"tempfail", "accept", "reject", NULL};
static const char *const stage_names[] = {[POLICY_STAGE_MAIL] = "MAIL",
                                          [POLICY_STAGE_RCPT] = "RCPT",
                                          [POLICY_STAGE_DATA] = "DATA",
                                          [POLICY_STAGE_END_OF_MESSAGE] = "END-OF-MESSAGE",
                                          [POLICY_STAGES] = NULL};

const char *policy_stage_text(enum policy_stage stage)
{
    return stage_names[stage];
}

static bool parse_address(struct sv text, struct ip *out)
{
    if (sv_ieq(text, SV("localhost")))
        text = SV("127.0.0.1");
    if (text.len > 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']')
        text = sv_first(sv_skip(text, 1), text.len - 2);
    return ip_parse(text, out);
}

static bool parse_inet(struct sv text, struct ip_port *out)
{
    size_t at = sv_find(text, '@'), colon = sv_rfind(text, ':');
    struct sv port, address;
    uint64_t number;
    if (at < text.len) {
        port = sv_first(text, at);
        address = sv_skip(text, at + 1);
    } else if (colon < text.len) {
        address = sv_first(text, colon);
        port = sv_skip(text, colon + 1);
    } else {
        return false;
    }
    if (!sv_u64(port, UINT16_MAX, &number) || number == 0 || !parse_address(address, &out->ip))
        return false;
    out->port = (uint16_t)number;
    return true;
}

bool policy_options_socket(const char *text, struct policy_socket *out)
{
    static const char *const unix_forms[] = {"unix:", "local:"};
    static const char *const inet_forms[] = {"inet:", "inet6:"};
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < 2; i++)
        if (sv_starts(sv_of(text), sv_of(unix_forms[i]))) {
            out->path = text + strlen(unix_forms[i]);
            return out->path[0] == '/' && strlen(out->path) <= PATH_BYTES_MAX;
        }
    for (size_t i = 0; i < 2; i++)
        if (sv_starts(sv_of(text), sv_of(inet_forms[i])))
            return parse_inet(sv_skip(sv_of(text), strlen(inet_forms[i])), &out->at);
    return false;
}

static bool is_unix(const char *text)
{
    struct policy_socket s;
    return policy_options_socket(text, &s) && s.path;
}

bool policy_options_unix(const struct policy_options *o)
{
    for (size_t i = 0; i < o->milters.count; i++)
        if (is_unix(CONF_ITEM(o->milters, i, struct policy_milter_options)->socket))
            return true;
    return is_unix(o->service);
}

unsigned policy_options_stages(const struct policy_options *o)
{
    unsigned stages = 0;
    for (size_t i = 0; i < o->service_stages.count; i++)
        for (unsigned k = 0; k < POLICY_STAGES; k++)
            if (sv_ieq(sv_of(o->service_stages.items[i]), sv_of(stage_names[k])))
                stages |= 1u << k;
    return stages;
}

static void check_socket(const char *value, struct conf_faults *faults)
{
    struct policy_socket unused;
    if (!policy_options_socket(value, &unused))
        conf_fault(faults,
                   "\"unix:/run/rspamd/milter.sock\" or \"inet:8891@127.0.0.1\", an address and "
                   "no name",
                   "\"%s\" is no socket", value);
}

static void check_stage(const char *value, struct conf_faults *faults)
{
    const char *item = value;
    struct policy_options one = {.service_stages = {.items = &item, .count = 1}};
    if (!policy_options_stages(&one))
        conf_fault(faults, "MAIL, RCPT, DATA or END-OF-MESSAGE", "\"%s\" is no such stage", value);
}

#define ON_ERROR_TEXT                                                                         \
    "\"tempfail\": the client is answered 451 4.7.1 and tries again later. \"accept\": mail " \
    "passes as if nobody had been asked. \"reject\": it is refused for good."

static const struct conf_option milter_rows[] = {
    CONF_ROW(CONF_STRING, struct policy_milter_options, socket, "socket", NULL,
             "where the milter listens",
             "\"unix:PATH\" or \"inet:PORT@ADDRESS\"; also \"inet:ADDRESS:PORT\". ADDRESS is an "
             "IPv4 or IPv6 address or \"localhost\", no other name. The user of the server "
             "process (user) needs the right to write to a unix socket: make it a member of the "
             "milter's group, which counts at the next start. So does the first unix socket in "
             "this file: a reload that brings it is refused.",
             .flags = CONF_RELOAD | CONF_REQUIRED, .check = check_socket,
             .example = "\"unix:/run/rspamd/milter.sock\""),
    CONF_ROW(CONF_TIME, struct policy_milter_options, timeout_s, "timeout", "30s",
             "how long to wait for each answer",
             "Also for the connection. All milters together have 80 seconds for a command and 80 "
             "for a message, as clients give up after that (RFC 6409 5.3).",
             .min = 1, .max = 80, .flags = CONF_RELOAD),
    CONF_ROW(CONF_ENUM, struct policy_milter_options, on_error, "on_error", "tempfail",
             "what to do while the milter fails",
             "It counts when the milter cannot be reached, is late, hangs up or breaks the "
             "protocol. " ON_ERROR_TEXT,
             .flags = CONF_RELOAD, .names = on_error_names),
    CONF_END,
};

const struct conf_option policy_options_rows[] = {
    CONF_ROW(CONF_LIST, struct policy_options, milters, "milters", NULL,
             "milters that see each message, in this order",
             "Programs such as rspamd, clamav-milter and opendkim. They are asked once the client "
             "is allowed to send (for a login, that is after AUTH): connection, EHLO and MAIL are "
             "told to them together at MAIL, so that a refusal of the connection refuses MAIL. "
             "Each sees what those before it have changed. They see the message as it will be "
             "queued, completed and rewritten, without our own Received field, so that a signature "
             "they add holds. They may refuse, change header, body, sender and recipients, hold "
             "the message (quarantine: \"msactl queue release\" lets it go) or discard it. Reports "
             "and notices of this server do not pass them.",
             .flags = CONF_RELOAD, .rows = milter_rows,
             .item_bytes = sizeof(struct policy_milter_options),
             .example =
                 "( { socket = \"unix:/run/rspamd/milter.sock\"; timeout = \"30s\"; on_error "
                 "= \"tempfail\"; } )"),
    CONF_ROW(CONF_STRING, struct policy_options, service, "service", NULL,
             "server of Postfix's policy delegation protocol",
             "A program as for Postfix's check_policy_service, by its socket, in the forms of "
             "policy.milters. Its answers OK, DUNNO, REJECT, DEFER, DEFER_IF_PERMIT, "
             "DEFER_IF_REJECT, HOLD, DISCARD, PREPEND, INFO, WARN and codes (\"450 4.7.1 text\") "
             "are understood (DEFER_IF_REJECT does nothing). Any other is logged and treated by "
             "policy.service_on_error. "
             "Empty: nobody is asked.",
             .flags = CONF_RELOAD, .check = check_socket, .example = "\"inet:127.0.0.1:10023\""),
    CONF_ROW(CONF_TIME, struct policy_options, service_timeout_s, "service_timeout", "30s",
             "how long to wait for an answer of the policy service", "Also for the connection.",
             .min = 1, .max = 80, .flags = CONF_RELOAD),
    CONF_ROW(CONF_ENUM, struct policy_options, service_on_error, "service_on_error", "tempfail",
             "what to do while the policy service fails", ON_ERROR_TEXT, .flags = CONF_RELOAD,
             .names = on_error_names),
    CONF_ROW(CONF_STRINGS, struct policy_options, service_stages, "service_stages", "[ \"RCPT\" ]",
             "when the policy service is asked",
             "Values of protocol_state: \"MAIL\", \"RCPT\" (for each recipient), \"DATA\", "
             "\"END-OF-MESSAGE\" (then it knows size and queue_id, before the milters do).",
             .flags = CONF_RELOAD, .check = check_stage,
             .example = "[ \"RCPT\", \"END-OF-MESSAGE\" ]"),
    CONF_END,
};

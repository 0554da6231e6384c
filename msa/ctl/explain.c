#include "msa/ctl/explain.h"

#include "msa/base/pack.h"
#include "msa/ctl/ask.h"
#include "msa/ctl/codes.h"
#include "msa/ctl/diff.h"
#include "msa/ctl/plain.h"
#include "msa/ctl/session.h"
#include "msa/ctl/show.h"
#include "msa/ctl/users.h"
#include "msa/server/permissions.h"
#include "msa/server/submission.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* A command while it runs. */
struct run {
    const struct msa_options *options;
    const struct explain_command *command;
    struct arena arena;
    struct letter letter;
    const char *login;
    json_t *to;
    struct buf error;
    unsigned refused; /* replies */
    bool discarded;
};

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "msactl: %s: %s\n", what, why);
    return CTL_REFUSED;
}

static void add_recipient(void *arg, const char *address)
{
    json_t *text = json_string(address);
    if (text) /* else it is not UTF-8 */
        json_array_append_new(arg, text);
}

static int begin(struct run *r, const struct msa_options *o, const struct explain_command *c)
{
    const char *wrong, *right;
    *r = (struct run){.options = o, .command = c, .to = json_array()};
    arena_init(&r->arena);
    buf_init(&r->error, 65536, 0);
    int err = letter_read(c->file, &r->letter);
    if (err < 0)
        return fail(c->file, err_text(err));
    r->login = permissions_login(&r->arena, sv_of(c->user), &o->auth.realms, &wrong, &right);
    if (!r->login) {
        fprintf(stderr, "msactl: --user %s: %s; %s\n", c->user, wrong, right);
        return CTL_USAGE;
    }
    if (json_array_size(c->to))
        json_array_extend(r->to, c->to);
    else
        letter_recipients(&r->letter, add_recipient, r->to);
    if (json_array_size(r->to) == 0) {
        fprintf(stderr, "msactl: no recipient: To, Cc and Bcc name none; say --to A\n");
        return CTL_USAGE;
    }
    return CTL_DONE;
}

static int ask(struct run *r, const char *mode, session_refused *on_refused, FILE *out)
{
    struct session_request request = {.socket_path = r->options->admin.socket,
                                      .user = r->login,
                                      .from = r->command->from,
                                      .to = r->to,
                                      .mode = mode,
                                      .letter = &r->letter};
    users_warn(r->options, r->login); /* the daemon does as if that user had logged in */
    int code = session_run(&request, on_refused, r, out, &r->error);
    if (buf_len(&r->error))
        fprintf(stderr, "msactl: %.*s\n", SV_ARG(buf_view(&r->error)));
    return code;
}

static int end(struct run *r, int code)
{
    letter_deinit(&r->letter);
    json_decref(r->to);
    buf_deinit(&r->error);
    arena_deinit(&r->arena);
    return code;
}

/* ---- sign ---- */

static void sign_refused(void *arg, const char *at, const char *address, const char *reply)
{
    struct run *r = arg;
    r->refused++;
    fprintf(stderr, "msactl: refused at %s%s%s%s: %s\n", at, address ? " <" : "",
            address ? address : "", address ? ">" : "", plain_copy(&r->arena, reply));
}

int sign_run(const struct msa_options *o, const struct explain_command *c)
{
    struct run r;
    int code = begin(&r, o, c);
    if (code == CTL_DONE)
        code = ask(&r, "XRETURN", sign_refused, stdout);
    return end(&r, code == CTL_DONE && r.refused ? CTL_REFUSED : code);
}

/* ---- explain ---- */

static void explain_refused(void *arg, const char *at, const char *address, const char *reply)
{
    struct run *r = arg;
    r->refused++;
    if (r->command->json)
        show_json(json_pack("{s:s, s:s, s:s, s:s}", "verdict", "refused", "at", at, "address",
                            address ? address : "", "reply", plain_copy(&r->arena, reply)));
    else
        printf("refused   at %s%s%s%s: %s\n", at, address ? " <" : "", address ? address : "",
               address ? ">" : "", plain_copy(&r->arena, reply));
}

/* The record that came back, while it is read. */
struct verdict {
    struct unpack rest;
    const char *word, *why, *from;
    uint32_t forms;
};

static bool read_verdict(struct run *r, struct sv record, struct verdict *v)
{
    struct unpack *u = &v->rest;
    *u = unpack_start(record);
    bool known = unpack_u8(u) == SUBMISSION_VERDICT_VERSION;
    v->from = arena_str(&r->arena, unpack_sv(u));
    const char *hold = arena_str(&r->arena, unpack_sv(u));
    const char *discard = arena_str(&r->arena, unpack_sv(u));
    v->forms = unpack_u32(u);
    v->word = *discard ? "discarded" : *hold ? "held" : "accepted";
    v->why = *discard ? discard : hold;
    r->discarded = *discard;
    return known && !u->bad;
}

static void show_verdict(struct run *r, const struct verdict *v)
{
    struct arena *a = &r->arena;
    if (r->command->json)
        show_json(json_pack("{s:s, s:s, s:s, s:s}", "verdict", v->word, "why",
                            plain_copy(a, v->why), "login", r->login, "from",
                            plain_copy(a, v->from)));
    else
        printf("%-9s %s%sas %s; nothing was sent\nfrom      <%s>\n", v->word, plain_copy(a, v->why),
               *v->why ? ", " : "", r->login, plain_copy(a, v->from));
}

/* One form, for its recipients; they are added to all. False: the record is damaged. */
static bool show_form(struct run *r, struct unpack *u, json_t *all)
{
    json_t *to = json_array();
    for (uint32_t n = unpack_u32(u); n > 0 && !u->bad; n--) {
        struct sv address = unpack_sv(u);
        json_array_append_new(to, json_stringn(address.len ? address.ptr : "", address.len));
    }
    uint64_t octets = unpack_u64(u);
    struct sv provenance = unpack_sv(u);
    json_array_extend(all, to);
    if (r->command->json) {
        show_json(json_pack("{s:O, s:I}", "to", to, "octets", (json_int_t)octets));
    } else {
        size_t i;
        json_t *address;
        json_array_foreach(to, i, address)
        {
            printf("to        <%s>\n", plain_copy(&r->arena, json_string_value(address)));
        }
        printf("octets    %" PRIu64 "\n", octets);
    }
    json_decref(to);
    return !u->bad && (provenance.len == 0 || diff_show(provenance, r->command->json));
}

static int show_route_of(struct run *r, json_t *address)
{
    struct show show = {.json = r->command->json, .text = show_route};
    struct buf error;
    buf_init(&error, 65536, 0);
    if (show.json)
        show_json(json_pack("{s:O}", "route", address));
    else
        printf("route     to <%s>\n", plain_copy(&r->arena, json_string_value(address)));
    json_t *request = json_pack("{s:s, s:O}", "command", "route", "address", address);
    int code = ask_daemon(r->options->admin.socket, request, show_line, &show, &error);
    if (buf_len(&error))
        fprintf(stderr, "msactl: %.*s\n", SV_ARG(buf_view(&error)));
    buf_deinit(&error);
    return code;
}

static int show_all(struct run *r, struct sv record)
{
    struct verdict v;
    json_t *all = json_array(), *to;
    int code = CTL_DONE;
    size_t i;
    bool good = read_verdict(r, record, &v);
    if (good)
        show_verdict(r, &v);
    for (uint32_t n = 0; good && n < v.forms; n++)
        good = show_form(r, &v.rest, all);
    if (!good || !unpack_ok(&v.rest))
        code = fail("what the daemon said", "it cannot be read");
    json_array_foreach(all, i, to)
    {
        int its = show_route_of(r, to);
        code = code == CTL_DONE ? its : code;
    }
    json_decref(all);
    return code == CTL_DONE && (r->discarded || r->refused) ? CTL_REFUSED : code;
}

int explain_run(const struct msa_options *o, const struct explain_command *c)
{
    struct run r;
    char *record = NULL;
    size_t len = 0;
    int code = begin(&r, o, c);
    FILE *out = code == CTL_DONE ? open_memstream(&record, &len) : NULL;
    if (code == CTL_DONE && !out)
        abort();
    if (code == CTL_DONE)
        code = ask(&r, c->milters ? "XRETURN=EXPLAIN-MILTERS" : "XRETURN=EXPLAIN", explain_refused,
                   out);
    if (out)
        fclose(out);
    if (code == CTL_DONE)
        code = show_all(&r, (struct sv){record, len});
    free(record);
    return end(&r, code);
}

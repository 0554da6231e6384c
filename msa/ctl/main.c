/*
 * msactl: one command, one answer. The table below is what --help prints.
 */
#include "msa/ctl/ask.h"
#include "msa/ctl/blocks.h"
#include "msa/ctl/check.h"
#include "msa/ctl/codes.h"
#include "msa/ctl/confirm.h"
#include "msa/ctl/diff.h"
#include "msa/ctl/explain.h"
#include "msa/ctl/dkim.h"
#include "msa/ctl/extensions.h"
#include "msa/ctl/show.h"
#include "msa/ctl/users.h"
#include "msa/daemon/load.h"
#include "msa/server/permissions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_CONFIG   "/etc/msa/msa.conf"
#define CONFIG_MAX_BYTES (4u << 20)

/* What the command line says. */
struct args {
    const char *config;
    bool json, dry_run, yes, diff, milters, password_stdin;
    const char *positional; /* NAME, ID, ADDRESS or DOMAIN */
    const char *word;       /* LABEL, ROLE or SELECTOR */
    const char *reason;     /* --reason; NULL: none */
    json_t *to;             /* each --to */
    json_t *filter;         /* id, user, from, to, domain, error, site, older, since, message_id */
};

enum takes {
    TAKES_NOTHING,
    TAKES_NAME,
    TAKES_NAME_WORD,
    TAKES_FILTER,
    TAKES_ID,
    TAKES_ADDRESS,
    TAKES_WHAT, /* of pause and resume; and options */
    TAKES_OPTIONS,
    TAKES_FILE
};

struct command {
    const char *group, *verb; /* verb NULL: a single word; "app add": two */
    enum takes takes;
    const char *request; /* of the control socket; NULL: done here */
    void (*text)(struct show *s, json_t *line);
    int (*run)(const struct command *c, const struct args *a);
    int number; /* enum auth_admin_verb, or one of those below */
    const char *help;
};

static int run_ask(const struct command *c, const struct args *a);
static int run_trace(const struct command *c, const struct args *a);
static int run_redirect(const struct command *c, const struct args *a);
static int run_letter(const struct command *c, const struct args *a);
static int run_user(const struct command *c, const struct args *a);
static int run_block(const struct command *c, const struct args *a);
static int run_dkim_new(const struct command *c, const struct args *a);
static int run_check(const struct command *c, const struct args *a);
static int run_extensions(const struct command *c, const struct args *a);

enum { LETTER_EXPLAIN, LETTER_SIGN };

static const struct command commands[] = {
    {"user", "add", TAKES_NAME, NULL, NULL, run_user, AUTH_ADMIN_ADD,
     "NAME [--password-stdin]  a new login"},
    {"user", "passwd", TAKES_NAME, NULL, NULL, run_user, AUTH_ADMIN_PASSWD,
     "NAME [--password-stdin]  a new password"},
    {"user", "delete", TAKES_NAME, NULL, NULL, run_user, AUTH_ADMIN_DELETE,
     "NAME  remove a login; its sessions end"},
    {"user", "list", TAKES_NOTHING, NULL, NULL, run_user, AUTH_ADMIN_LIST, "all logins"},
    {"user", "show", TAKES_NAME, NULL, NULL, run_user, AUTH_ADMIN_SHOW,
     "NAME  state, roles, mechanisms, app passwords, last logins; while msad runs also rights and "
     "budgets"},
    {"user", "disable", TAKES_NAME, NULL, NULL, run_user, AUTH_ADMIN_DISABLE,
     "NAME [--reason TEXT]  no login any more; its sessions end"},
    {"user", "enable", TAKES_NAME, NULL, NULL, run_user, AUTH_ADMIN_ENABLE, "NAME  end that"},
    {"user", "unlock", TAKES_NAME, NULL, NULL, run_user, AUTH_ADMIN_UNLOCK,
     "NAME  end a lock that msad has set, and a block of this login for guessing"},
    {"user", "role", TAKES_NAME_WORD, NULL, NULL, run_user, AUTH_ADMIN_ROLE,
     "NAME admin|none  give or take a role"},
    {"user", "app add", TAKES_NAME_WORD, NULL, NULL, run_user, AUTH_ADMIN_APP_ADD,
     "NAME LABEL  a further password, for one program; it is shown once"},
    {"user", "app list", TAKES_NAME, NULL, NULL, run_user, AUTH_ADMIN_APP_LIST,
     "NAME  app passwords and their last use"},
    {"user", "app revoke", TAKES_NAME_WORD, NULL, NULL, run_user, AUTH_ADMIN_APP_REVOKE,
     "NAME LABEL  end an app password, and its open sessions"},
    {"block", "list", TAKES_NOTHING, NULL, NULL, run_block, 0,
     "addresses and logins that are blocked for guessing (auth.block)"},
    {"block", "remove", TAKES_NAME, NULL, NULL, run_block, 0,
     "ADDRESS-or-LOGIN  end a block; what failed there is forgotten"},
    {"queue", "list", TAKES_FILTER, "queue-list", show_queue, run_ask, 0,
     "[F]  recipients waiting, oldest first"},
    {"queue", "show", TAKES_ID, "queue-show", show_queue_detail, run_ask, 0,
     "ID  one message with its recipients"},
    {"queue", "summary", TAKES_FILTER, "queue-summary", show_summary, run_ask, 0,
     "[F]  how many for each domain"},
    {"queue", "retry", TAKES_FILTER, "queue-retry", show_changed, run_ask, 0,
     "[F] [--dry-run]  try now what is not held; later release (FUTURERELEASE): by ID only"},
    {"queue", "hold", TAKES_FILTER, "queue-hold", show_changed, run_ask, 0,
     "F [--dry-run]  do not deliver until released"},
    {"queue", "release", TAKES_FILTER, "queue-release", show_changed, run_ask, 0,
     "F [--dry-run]  end a hold; the time of the next try stays; --user LOGIN alone also begins "
     "the "
     "budget of the login anew"},
    {"queue", "delete", TAKES_FILTER, "queue-delete", show_changed, run_ask, 0,
     "F [--dry-run | --yes]  remove without a report"},
    {"queue", "bounce", TAKES_FILTER, "queue-bounce", show_changed, run_ask, 0,
     "F [--dry-run | --yes]  return to their authors with a report, held ones too"},
    {"queue", "redirect", TAKES_FILTER, "queue-redirect", show_changed, run_redirect, 0,
     "F --to ADDRESS-OR-ROUTE [--dry-run | --yes]  send to another address, or by a next hop such "
     "as smtp://HOST:25"},
    {"trace", NULL, TAKES_FILTER, "trace", show_trace, run_trace, 0,
     "[ID [--diff]] [--user U] [--from A] [--to A] [--site S] [--message-id M] [--since 2h]  what "
     "happened; "
     "ID is a "
     "queue id, or the id at the end of a refusal; --diff: and who changed what in its header"},
    {"route", NULL, TAKES_ADDRESS, "route", show_route, run_ask, 0,
     "ADDRESS [--from A] [--user U]  the way mail for it would take, step by step"},
    {"explain", NULL, TAKES_FILE, NULL, NULL, run_letter, LETTER_EXPLAIN,
     "FILE --user U [--from A] [--to A ...] [--milters]  what would become of this message: "
     "verdict, "
     "changes, signatures, routes; nothing is sent"},
    {"sign", NULL, TAKES_FILE, NULL, NULL, run_letter, LETTER_SIGN,
     "FILE --user U [--from A] [--to A ...]  the message completed, rewritten and signed, on "
     "standard "
     "output; it is not sent"},
    {"site", "list", TAKES_OPTIONS, "site-list", show_site, run_ask, 0,
     "[--site S]  the sites that mail goes to now or has failed at: state, connections, last "
     "error"},
    {"pause", NULL, TAKES_WHAT, "pause", show_pause, run_ask, 0,
     "WHAT [--site S]  submission: take no new mail; relay: deliver nothing, there or anywhere; "
     "also "
     "after a restart"},
    {"resume", NULL, TAKES_WHAT, "resume", show_pause, run_ask, 0, "WHAT [--site S]  end that"},
    {"status", NULL, TAKES_NOTHING, "status", show_status, run_ask, 0, "processes and figures"},
    {"stats", NULL, TAKES_NOTHING, "stats", show_stats, run_ask, 0,
     "what clients did since start, and those that had trouble today and yesterday"},
    {"reload", NULL, TAKES_NOTHING, "reload", show_changed, run_ask, 0,
     "read the configuration again"},
    {"stop", NULL, TAKES_NOTHING, "stop", show_changed, run_ask, 0,
     "end msad within shutdown_grace"},
    {"config", "show", TAKES_NOTHING, "config", show_config, run_ask, 0,
     "the configuration in force, secrets masked"},
    {"dkim", "new", TAKES_NAME_WORD, NULL, NULL, run_dkim_new, 0,
     "DOMAIN SELECTOR  new signing keys, with the DNS records and the rows for the configuration"},
    {"dkim", "list", TAKES_NOTHING, "dkim-list", show_dkim, run_ask, 0,
     "the signing keys, which of them sign now, and what the DNS says of them"},
    {"check", NULL, TAKES_NOTHING, NULL, NULL, run_check, 0,
     "all faults of the configuration file, of the databases of users, and logins that lack what "
     "a mechanism needs"},
    {"extensions", NULL, TAKES_NOTHING, NULL, show_extension, run_extensions, 0,
     "SMTP extensions: what is on, and what becomes of mail to a next hop without it"},
};
#define NCOMMANDS (sizeof commands / sizeof *commands)

/* options that take a value: the name of the request's argument, and the groups that look at it */
static const struct {
    const char *option, *argument;
    bool is_time;
    const char *groups[5];
} valued[] = {
    {"--user", "user", false, {"queue", "trace", "explain", "sign", "route"}},
    {"--from", "from", false, {"queue", "trace", "explain", "sign", "route"}},
    {"--to", "to", false, {"queue", "trace", "explain", "sign"}},
    {"--domain", "domain", false, {"queue"}},
    {"--error", "error", false, {"queue"}},
    {"--site", "site", false, {"queue", "trace", "site", "pause", "resume"}},
    {"--older", "older", true, {"queue"}},
    {"--since", "since", true, {"trace"}},
    {"--message-id", "message_id", false, {"trace"}},
};
#define NVALUED (sizeof valued / sizeof *valued)

static void help(FILE *out)
{
    fprintf(out, "usage: msactl [-c FILE] [--json] COMMAND\n\n");
    for (size_t i = 0; i < NCOMMANDS; i++)
        fprintf(out, "  msactl %s%s%s%s%s\n", commands[i].group, commands[i].verb ? " " : "",
                commands[i].verb ? commands[i].verb : "",
                commands[i].takes == TAKES_NOTHING ? "  " : " ", commands[i].help);
    fprintf(out,
            "\nF is an ID, or any of --user U, --from A, --to A, --domain D, --site S, --older 2h, "
            "--error TEXT.\nNAME without \"@\" is of the first realm. FILE of -c is " DEFAULT_CONFIG
            " by default.\nWith --json (not for sign) each line is one JSON object; see msactl(8)."
            "\nExit codes: 0 done, 1 refused or fault found, 2 usage, 3 daemon needed but not "
            "reachable.\n");
}

static int usage(const char *wrong, const char *what)
{
    fprintf(stderr, "msactl: %s%s%s\nTry \"msactl --help\".\n", wrong, what ? ": " : "",
            what ? what : "");
    return CTL_USAGE;
}

/* Reads the options of the file; false: faults have been printed. */
static bool read_options(const char *path, struct arena *a, struct msa_options *o)
{
    struct conf_faults faults;
    struct buf text, said;
    conf_faults_init(&faults, a);
    buf_init(&text, CONFIG_MAX_BYTES, 0);
    buf_init(&said, CONFIG_MAX_BYTES, 0);
    int err = load_file(path, &text);
    bool good = err == 0;
    if (!good) {
        fprintf(stderr, "msactl: cannot read %s: %s (another file: -c)\n", path, err_text(err));
    } else {
        good = options_read(path, buf_view(&text), options_fqdn(a), a, o, &faults, NULL);
        if (!good) {
            conf_faults_print(&faults, &said);
            fprintf(stderr, "%.*s", SV_ARG(buf_view(&said)));
        }
    }
    buf_deinit(&text);
    buf_deinit(&said);
    return good;
}

static int run_user(const struct command *c, const struct args *a)
{
    struct arena arena;
    struct msa_options o = {0};
    arena_init(&arena);
    int code = CTL_REFUSED;
    if (read_options(a->config, &arena, &o))
        code = users_run(&o, &(struct users_command){.verb = (enum auth_admin_verb)c->number,
                                                     .name = a->positional,
                                                     .word = a->reason ? a->reason : a->word,
                                                     .password_stdin = a->password_stdin,
                                                     .json = a->json});
    arena_deinit(&arena);
    return code;
}

static int run_block(const struct command *c, const struct args *a)
{
    struct arena arena;
    struct msa_options o = {0};
    arena_init(&arena);
    (void)c;
    int code = CTL_REFUSED;
    if (read_options(a->config, &arena, &o))
        code = blocks_run(&o, a->positional, a->json);
    arena_deinit(&arena);
    return code;
}

static const char *positional_name(const struct command *c)
{
    return c->takes == TAKES_ADDRESS ? "address" : c->takes == TAKES_WHAT ? "what" : "id";
}

/* Mail in the queue. */
static bool changes(const struct command *c)
{
    return c->takes == TAKES_FILTER && c->text == show_changed;
}

/* Never a script. */
static bool may_ask(const struct command *c, const struct args *a)
{
    return changes(c) && !a->dry_run && !a->yes && isatty(STDIN_FILENO);
}

/* A login without its realm is one of the first realm; false: it is none. */
static bool complete_login(json_t *request, const struct msa_options *o, struct arena *arena)
{
    const char *user = json_string_value(json_object_get(request, "user")), *wrong, *right;
    const char *login =
        user ? permissions_login(arena, sv_of(user), &o->auth.realms, &wrong, &right) : NULL;
    if (login)
        json_object_set_new(request, "user", json_string(login));
    else if (user)
        fprintf(stderr, "msactl: --user %s: %s; %s\n", user, wrong, right);
    return login || !user;
}

/* Asks the daemon; each line goes to on_line. */
static int ask_and_show(const struct command *c, const struct args *a,
                        void (*on_line)(void *arg, json_t *line), struct show *show)
{
    struct arena arena;
    struct msa_options o = {0};
    struct buf error;
    int code = CTL_REFUSED;
    arena_init(&arena);
    buf_init(&error, 1u << 20, 0);
    if (read_options(a->config, &arena, &o)) {
        json_t *request = json_deep_copy(a->filter);
        json_object_set_new(request, "command", json_string(c->request));
        json_object_set_new(request, "dry_run", json_boolean(a->dry_run));
        if (a->diff)
            json_object_set_new(request, "diff", json_true());
        if (c->text == show_route && !complete_login(request, &o, &arena)) {
            json_decref(request);
            code = CTL_USAGE;
        } else if (a->positional && json_object_set_new(request, positional_name(c),
                                                        json_string(a->positional)) < 0) {
            json_decref(request);
            code = usage("not UTF-8", a->positional);
        } else {
            code =
                may_ask(c, a) ? confirm_change(o.admin.socket, request, c->verb, &error) : CTL_DONE;
            if (code == CTL_DONE)
                code = ask_daemon(o.admin.socket, json_incref(request), on_line, show, &error);
            json_decref(request);
            if (code == CTL_DONE && c->text == show_status)
                users_health(&o, show_line, show);
        }
        if (buf_len(&error))
            fprintf(stderr, "msactl: %.*s\n", SV_ARG(buf_view(&error)));
    }
    buf_deinit(&error);
    arena_deinit(&arena);
    return code;
}

static int run_ask(const struct command *c, const struct args *a)
{
    struct show show = {.json = a->json, .text = c->text};
    return ask_and_show(c, a, show_line, &show);
}

/* Its --to is no filter. */
static int run_redirect(const struct command *c, const struct args *a)
{
    json_t *to = json_object_get(a->filter, "to");
    if (!to)
        return usage("say where: --to ADDRESS-OR-ROUTE", NULL);
    json_object_set(a->filter, "target", to);
    json_object_del(a->filter, "to");
    return run_ask(c, a);
}

struct traced {
    struct show show;
    bool has_record, damaged;
};

static void trace_line(void *arg, json_t *line)
{
    struct traced *t = arg;
    const char *record = json_string_value(json_object_get(line, "provenance"));
    if (!record) {
        show_line(&t->show, line);
        return;
    }
    t->has_record = true;
    t->damaged |= !diff_show_text(record, t->show.json);
}

static int run_trace(const struct command *c, const struct args *a)
{
    struct traced t = {.show = {.json = a->json, .text = c->text}};
    int code = ask_and_show(c, a, trace_line, (struct show *)&t);
    if (code == CTL_DONE && a->diff && !t.has_record)
        fprintf(stderr, "msactl: nothing is kept of how its header came to be\n");
    if (t.damaged)
        fprintf(stderr, "msactl: the record of how its header came to be is damaged\n");
    return t.damaged && code == CTL_DONE ? CTL_REFUSED : code;
}

static int run_dkim_new(const struct command *c, const struct args *a)
{
    struct arena arena;
    struct msa_options o = {0};
    arena_init(&arena);
    (void)c;
    int code = CTL_REFUSED;
    if (read_options(a->config, &arena, &o))
        code = dkim_new(&o, a->positional, a->word, a->json);
    arena_deinit(&arena);
    return code;
}

static int run_letter(const struct command *c, const struct args *a)
{
    struct arena arena;
    struct msa_options o = {0};
    const char *user = json_string_value(json_object_get(a->filter, "user"));
    int code = CTL_REFUSED;
    if (!user)
        return usage("say --user U", NULL);
    arena_init(&arena);
    struct explain_command e = {.file = a->positional,
                                .user = user,
                                .from = json_string_value(json_object_get(a->filter, "from")),
                                .to = a->to,
                                .milters = a->milters,
                                .json = a->json};
    if (read_options(a->config, &arena, &o))
        code = c->number == LETTER_SIGN ? sign_run(&o, &e) : explain_run(&o, &e);
    arena_deinit(&arena);
    return code;
}

static int run_check(const struct command *c, const struct args *a)
{
    (void)c;
    return check_run(a->config, a->json);
}

static int run_extensions(const struct command *c, const struct args *a)
{
    struct arena arena;
    struct msa_options o = {0};
    struct show show = {.json = a->json, .text = c->text};
    arena_init(&arena);
    bool good = read_options(a->config, &arena, &o);
    if (good)
        extensions_show(&o, &show);
    arena_deinit(&arena);
    return good ? CTL_DONE : CTL_REFUSED;
}

/* How many of the words after the first are the command's verb; -1: they are another's. */
static int verb_words(const struct command *c, const char *const *words, size_t n)
{
    char two[64];
    if (!c->verb)
        return 0;
    if (n > 0 && strcmp(c->verb, words[0]) == 0)
        return 1;
    if (n < 2)
        return -1;
    snprintf(two, sizeof two, "%s %s", words[0], words[1]);
    return strcmp(c->verb, two) == 0 ? 2 : -1;
}

/* used_out: how many of the words are the command itself. */
static const struct command *find(const char *const *words, size_t n, size_t *used_out)
{
    for (size_t i = 0; i < NCOMMANDS; i++) {
        int used = verb_words(&commands[i], words + 1, n - 1);
        if (strcmp(commands[i].group, words[0]) != 0 || used < 0)
            continue;
        *used_out = (size_t)used + 1;
        return &commands[i];
    }
    return NULL;
}

/* One option of the command line; *at moves behind its value. */
static bool take_option(struct args *a, int argc, char **argv, int *at)
{
    const char *option = argv[*at];
    if (strcmp(option, "--json") == 0) {
        a->json = true;
        return true;
    }
    if (strcmp(option, "--dry-run") == 0) {
        a->dry_run = true;
        return true;
    }
    if (strcmp(option, "--yes") == 0) {
        a->yes = true;
        return true;
    }
    if (strcmp(option, "--diff") == 0) {
        a->diff = true;
        return true;
    }
    if (strcmp(option, "--milters") == 0) {
        a->milters = true;
        return true;
    }
    if (strcmp(option, "--password-stdin") == 0) {
        a->password_stdin = true;
        return true;
    }
    if (strcmp(option, "--reason") == 0 && *at + 1 < argc) {
        a->reason = argv[++*at];
        return true;
    }
    for (size_t i = 0; i < NVALUED; i++) {
        int64_t seconds;
        if (strcmp(option, valued[i].option) != 0 || *at + 1 >= argc)
            continue;
        const char *value = argv[++*at];
        if (valued[i].is_time && !conf_parse_time(sv_of(value), &seconds))
            return false;
        /* false where it is not UTF-8: a filter must not be lost */
        if (strcmp(option, "--to") == 0 && json_array_append_new(a->to, json_string(value)) < 0)
            return false;
        return json_object_set_new(a->filter, valued[i].argument,
                                   valued[i].is_time ? json_integer(seconds)
                                                     : json_string(value)) == 0;
    }
    return false;
}

static bool is_for(const char *const groups[5], const char *group)
{
    for (size_t i = 0; i < 5 && groups[i]; i++)
        if (strcmp(groups[i], group) == 0)
            return true;
    return false;
}

/* An option that the command would ignore: "queue delete --since 2h" must not delete all. */
static const char *misplaced(const struct command *c, const struct args *a)
{
    bool sets_password = c->run == run_user && c->takes == TAKES_NAME &&
                         (c->number == AUTH_ADMIN_ADD || c->number == AUTH_ADMIN_PASSWD);
    for (size_t i = 0; i < NVALUED; i++)
        if (json_object_get(a->filter, valued[i].argument) &&
            (c->takes < TAKES_FILTER || c->takes == TAKES_ID ||
             !is_for(valued[i].groups, c->group)))
            return valued[i].option;
    if (a->dry_run && !changes(c))
        return "--dry-run";
    if (a->yes && !changes(c))
        return "--yes";
    if (a->diff && c->run != run_trace)
        return "--diff";
    if (a->json && c->run == run_letter && c->number == LETTER_SIGN)
        return "--json"; /* what it prints is the message itself */
    if (a->milters && (c->run != run_letter || c->number != LETTER_EXPLAIN))
        return "--milters";
    if (json_array_size(a->to) > 1 && c->takes != TAKES_FILE)
        return "--to twice";
    if (a->reason && (c->run != run_user || c->number != AUTH_ADMIN_DISABLE))
        return "--reason";
    return a->password_stdin && !sets_password ? "--password-stdin" : NULL;
}

static int run(int argc, char **argv, struct args *a)
{
    const char *words[5];
    size_t n = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-c") == 0 && i + 1 < argc) {
            a->config = argv[++i];
        } else if (strcmp(argv[i], "--help") == 0) {
            help(stdout);
            return CTL_DONE;
        } else if (strncmp(argv[i], "--", 2) == 0) {
            if (!take_option(a, argc, argv, &i))
                return usage("unknown option, or one with a wrong value", argv[i]);
        } else if (n < sizeof words / sizeof *words) {
            words[n++] = argv[i];
        } else {
            return usage("one argument too many", argv[i]);
        }
    }
    if (n == 0)
        return usage("no command", NULL);
    size_t used;
    const struct command *c = find(words, n, &used);
    if (!c)
        return usage("unknown command", words[0]);
    size_t most = c->takes == TAKES_NOTHING || c->takes == TAKES_OPTIONS ? 0
                  : c->takes == TAKES_NAME_WORD                          ? 2
                                                                         : 1;
    size_t least = c->takes == TAKES_FILTER ? 0 : most;
    if (n > used + most)
        return usage("one argument too many", words[n - 1]);
    if (n < used + least)
        return usage("something is missing", c->help);
    a->positional = n > used ? words[used] : NULL;
    a->word = n > used + 1 ? words[used + 1] : NULL;
    if (misplaced(c, a))
        return usage("this command does not take the option", misplaced(c, a));
    return c->run(c, a);
}

int main(int argc, char **argv)
{
    struct args a = {.config = DEFAULT_CONFIG, .filter = json_object(), .to = json_array()};
    int code = run(argc, argv, &a);
    json_decref(a.filter);
    json_decref(a.to);
    return fflush(stdout) != 0 && code == CTL_DONE ? CTL_REFUSED : code;
}

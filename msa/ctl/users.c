#include "msa/ctl/users.h"
#include "msa/base/mem.h"
#include "msa/ctl/ask.h"
#include "msa/ctl/codes.h"
#include "msa/ctl/state.h"
#include "msa/ctl/users_print.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define PASSWORD_LINE_MAX 1024

/* One line without its line end; false at the end of the input, and for one that is too long. */
static bool read_line(struct buf *out)
{
    char line[PASSWORD_LINE_MAX];
    bool got = fgets(line, sizeof line, stdin) && (strchr(line, '\n') || feof(stdin));
    if (got) {
        int err = buf_append(out, line, strcspn(line, "\r\n"));
        got = err == 0;
    }
    mem_wipe(line, sizeof line);
    return got;
}

static bool ask_hidden(const char *prompt, struct buf *out)
{
    struct termios old, quiet;
    bool terminal = tcgetattr(STDIN_FILENO, &old) == 0;
    if (terminal) {
        fprintf(stderr, "%s", prompt);
        quiet = old;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    bool got = read_line(out);
    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
        fprintf(stderr, "\n");
    }
    return got;
}

static bool get_password(bool from_stdin, struct buf *out)
{
    struct buf again;
    if (from_stdin)
        return read_line(out);
    if (!isatty(STDIN_FILENO)) {
        fprintf(stderr, "msactl: no terminal to ask for the password; use --password-stdin\n");
        return false;
    }
    buf_init(&again, PASSWORD_LINE_MAX, BUF_SECRET);
    bool good = ask_hidden("New password: ", out) && ask_hidden("Once more: ", &again);
    if (good && !sv_eq(buf_view(out), buf_view(&again))) {
        fprintf(stderr, "msactl: the two passwords differ\n");
        good = false;
    }
    buf_deinit(&again);
    return good;
}

static int say_result(const struct auth_admin_answer *a, bool json)
{
    struct sv text = buf_view(&a->text);
    if (json && text.len) {
        json_t *line = json_pack("{s:b, s:s%}", a->err < 0 ? "refused" : "done", 1, "text",
                                 text.ptr, text.len);
        if (*a->secret)
            json_object_set_new(line, "secret", json_string(a->secret));
        users_print_line(line);
    } else if (text.len) {
        fprintf(a->err < 0 ? stderr : stdout, "%.*s\n", SV_ARG(text));
        if (*a->secret)
            printf("%s\n", a->secret);
    } else if (a->err < 0) {
        fprintf(stderr, "msactl: %s\n", err_text(a->err));
    }
    /* a database that only the keeper asks, and none runs */
    return a->err == ERR_KEEPER ? CTL_UNREACHABLE : a->err < 0 ? CTL_REFUSED : CTL_DONE;
}

static bool needs_password(enum auth_admin_verb verb)
{
    return verb == AUTH_ADMIN_ADD || verb == AUTH_ADMIN_PASSWD;
}

static int ask(const struct msa_options *o, const struct auth_admin_request *request,
               struct auth_admin_answer *answer)
{
    char socket_path[4096];
    snprintf(socket_path, sizeof socket_path, "%s/auth/keeper.sock", o->state);
    return auth_admin_ask(socket_path, request, answer);
}

/* Through the keeper, or, where the daemon is stopped, the same work under the same locks. */
static int run(const struct msa_options *o, const struct auth_admin_request *request,
               struct auth_admin_answer *answer)
{
    int err = ask(o, request, answer);
    if (err == ERR_KEEPER) {
        if (request->verb == AUTH_ADMIN_ADD && !state_make(o))
            return CTL_REFUSED;
        auth_admin_apply(&o->auth, request, answer, NULL);
    } else if (err < 0) {
        fprintf(stderr, "msactl: %s/auth/keeper.sock: %s\n", o->state, err_text(err));
        return CTL_UNREACHABLE;
    }
    return CTL_DONE;
}

static void keep_line(void *arg, json_t *line)
{
    json_t **kept = arg;
    if (!*kept)
        *kept = json_incref(line);
}

/* As the server has them, with what is used of the budgets; NULL: it does not run. */
static json_t *rights_of(const struct msa_options *o, const char *login)
{
    json_t *rights = NULL;
    struct buf error;
    buf_init(&error, 4096, 0);
    int code =
        ask_daemon(o->admin.socket, json_pack("{s:s, s:s}", "command", "rights", "login", login),
                   keep_line, &rights, &error);
    if (code != CTL_DONE && rights) {
        json_decref(rights);
        rights = NULL;
    }
    buf_deinit(&error);
    return rights;
}

int users_run(const struct msa_options *o, const struct users_command *c)
{
    struct buf password;
    struct auth_admin_answer answer;
    struct auth_admin_request request = {
        .verb = c->verb, .name = sv_of(c->name), .word = sv_of(c->word)};
    buf_init(&password, PASSWORD_LINE_MAX, BUF_SECRET);
    if (needs_password(c->verb) && !get_password(c->password_stdin, &password)) {
        fprintf(stderr, "msactl: no password was given\n");
        buf_deinit(&password);
        return CTL_USAGE;
    }
    request.password = buf_view(&password);
    auth_admin_answer_init(&answer);
    int code = run(o, &request, &answer);
    if (code == CTL_DONE) {
        code = say_result(&answer, c->json);
        json_t *rights = NULL;
        if (c->verb == AUTH_ADMIN_SHOW && answer.nusers == 1)
            rights = rights_of(o, answer.users->login);
        if (code == CTL_DONE)
            users_print(c->verb, &answer, rights, c->json);
        json_decref(rights);
    }
    auth_admin_answer_deinit(&answer);
    buf_deinit(&password);
    return code;
}

void users_warn(const struct msa_options *o, const char *login)
{
    struct auth_admin_request request = {.verb = AUTH_ADMIN_SHOW, .name = sv_of(login)};
    struct auth_admin_answer answer;
    auth_admin_answer_init(&answer);
    int err = ask(o, &request, &answer);
    if (err == 0 && answer.err < 0) /* without a keeper there is no session either */
        fprintf(stderr, "msactl: %.*s\n", SV_ARG(buf_view(&answer.text)));
    else if (err == 0 && answer.nusers == 1 && answer.users->state != AUTH_STATE_ENABLED)
        fprintf(stderr, "msactl: %s is %s: nobody logs in as that user now\n", login,
                auth_state_text(answer.users->state));
    auth_admin_answer_deinit(&answer);
}

/* Logins at smarthosts by token; nothing where the keeper is away, as is said already. */
static void show_tokens(const struct msa_options *o, void (*on_line)(void *arg, json_t *line),
                        void *arg)
{
    char socket_path[4096];
    struct auth_tokens tokens;
    auth_tokens_init(&tokens);
    snprintf(socket_path, sizeof socket_path, "%s/auth/keeper.sock", o->state);
    int err = auth_tokens_ask(socket_path, &tokens);
    for (size_t i = 0; err == 0 && i < tokens.count; i++) {
        const struct auth_tokens_entry *e = &tokens.entries[i];
        json_t *line =
            json_pack("{s:s, s:s, s:s, s:i, s:s}", "process", "token", "user", e->user, "issuer",
                      e->url, "seconds_left", (int)e->left_s, "last_error", e->fault);
        on_line(arg, line);
        json_decref(line);
    }
    auth_tokens_deinit(&tokens);
}

void users_health(const struct msa_options *o, void (*on_line)(void *arg, json_t *line), void *arg)
{
    struct auth_admin_request request = {.verb = AUTH_ADMIN_PROBE};
    struct auth_admin_answer answer;
    auth_admin_answer_init(&answer);
    int err = ask(o, &request, &answer);
    struct sv said = err < 0 ? sv_of(err_text(err)) : buf_view(&answer.text);
    if (err != ERR_KEEPER) {
        json_t *line = json_pack("{s:s, s:s%}", "process", "keeper", "users", said.ptr, said.len);
        on_line(arg, line);
        json_decref(line);
    }
    auth_admin_answer_deinit(&answer);
    if (err == 0)
        show_tokens(o, on_line, arg);
}

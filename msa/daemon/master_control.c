/* Requests of the control socket: the master's own, and those that the server answers. */
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/pack.h"
#include "msa/daemon/master_internal.h"
#include "msa/server/permissions.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONFIG_MAX_BYTES (8u << 20)

/* One line of an answer; takes the reference. */
static void say(struct master *m, uint64_t request, json_t *line)
{
    char *text = json_dumps(line, JSON_COMPACT);
    size_t len = strlen(text);
    text = mem_resize(text, len + 2, 1);
    text[len] = '\n'; /* with its line, whose length may be above what may wait */
    control_answer(m->control, request, (struct sv){text, len + 1}, false);
    free(text);
    json_decref(line);
}

static int pid_of(const struct member *member)
{
    return member->child.process ? (int)process_pid(member->child.process) : 0;
}

static void say_status(struct master *m, uint64_t request)
{
    static const char *const states[] = {"down", "starting", "serving"};
    say(m, request,
        json_pack("{s:s, s:s, s:s, s:i, s:i, s:I, s:s, s:i, s:s, s:i, s:i}", "process", "master",
                  "version", MSA_VERSION, "hostname", m->current->options.hostname, "pid",
                  (int)getpid(), "generation", (int)m->current->number, "started",
                  (json_int_t)m->started_s, "keeper", states[m->keeper.state], "keeper_pid",
                  pid_of(&m->keeper), "server", states[m->server.state], "server_pid",
                  pid_of(&m->server), "workers", (int)m->workers));
}

static void say_config(struct master *m, uint64_t request)
{
    struct buf text;
    buf_init(&text, CONFIG_MAX_BYTES, 0);
    int err = conf_write(msa_options_rows, &m->current->options, CONF_SHOW_ALL, &text);
    if (err == 0)
        say(m, request,
            json_pack("{s:i, s:s%}", "generation", (int)m->current->number, "config",
                      buf_view(&text).ptr, buf_len(&text)));
    control_end(m->control, request, err < 0 ? 1 : 0, err < 0 ? err_text(err) : NULL);
    buf_deinit(&text);
}

static void pass_on(struct master *m, uint64_t request, struct sv json)
{
    struct buf b;
    if (m->server.state != MEMBER_SERVING) {
        control_end(m->control, request, 3, "the server process is not up; try again");
        return;
    }
    buf_init(&b, CONTROL_REQUEST_MAX + 64, 0);
    pack_u64(&b, request);
    pack_sv(&b, json);
    master_tell(&m->server, WIRE_CONTROL, &b);
}

/* "msactl sign", "msactl explain": the connection becomes an SMTP session of the server. */
static void open_session(struct master *m, uint64_t request, struct sv json)
{
    struct arena a;
    struct buf b;
    const char *wrong = NULL, *right = "";
    json_t *line = json_loadb(json.ptr, json.len, 0, NULL);
    const char *user = json_string_value(json_object_get(line, "user"));
    arena_init(&a);
    buf_init(&b, CONTROL_REQUEST_MAX + 64, 0);
    const char *login =
        user ? permissions_login(&a, sv_of(user), &m->current->options.auth.realms, &wrong, &right)
             : NULL;
    int fd = -1;
    if (m->server.state != MEMBER_SERVING) {
        control_end(m->control, request, 3, "the server process is not up; try again");
    } else if (!login) {
        int cut = buf_printf(&b, "--user: %s; %s%c", wrong ? wrong : "is missing", right, 0);
        control_end(m->control, request, 2, cut < 0 ? "--user" : buf_view(&b).ptr);
    } else {
        fd = control_take(m->control, request);
    }
    if (fd >= 0) {
        pack_sv(&b, sv_of(login));
        int err = child_send(&m->server.child, WIRE_SESSION, buf_view(&b), &fd, 1);
        (void)err; /* the child is ended then, and the tool sees the end of its connection */
        close(fd);
    }
    buf_deinit(&b);
    arena_deinit(&a);
    json_decref(line);
}

static void on_request(void *arg, uint64_t request, struct sv command, struct sv json)
{
    struct master *m = arg;
    if (sv_eq(command, SV("reload"))) {
        master_reload(m, request);
    } else if (sv_eq(command, SV("stop"))) {
        control_end(m->control, request, 0, NULL);
        master_stop(m);
    } else if (sv_eq(command, SV("config"))) {
        say_config(m, request);
    } else if (sv_eq(command, SV("session"))) {
        open_session(m, request, json);
    } else {
        if (sv_eq(command, SV("status")))
            say_status(m, request);
        pass_on(m, request, json);
    }
}

static void on_more(void *arg, uint64_t request, bool wanted)
{
    struct master *m = arg;
    struct buf b;
    buf_init(&b, 16, 0);
    pack_u64(&b, request);
    pack_u8(&b, wanted);
    master_tell(&m->server, WIRE_MORE, &b);
}

const struct control_ops master_control_ops = {.on_request = on_request, .on_more = on_more};

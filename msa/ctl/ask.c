#include "msa/ctl/ask.h"
#include "msa/ctl/codes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int say(struct buf *error, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

static int say(struct buf *error, int code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int cut = buf_vprintf(error, fmt, args);
    (void)cut;
    va_end(args);
    return code;
}

static int connect_to(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof a.sun_path)
        return -ENAMETOOLONG;
    memcpy(a.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

static int read_answer(FILE *f, void (*on_line)(void *arg, json_t *line), void *arg,
                       struct buf *error)
{
    char *text = NULL;
    size_t room = 0;
    int code = CTL_UNREACHABLE;
    bool ended = false;
    ssize_t n;
    while (!ended && (n = getline(&text, &room, f)) > 0) {
        json_t *line = json_loadb(text, (size_t)n, 0, NULL);
        ended = json_is_true(json_object_get(line, "end"));
        if (ended) {
            const char *why = json_string_value(json_object_get(line, "error"));
            code = (int)json_integer_value(json_object_get(line, "code"));
            if (why)
                say(error, code, "%s", why);
        } else if (line) {
            on_line(arg, line);
        }
        json_decref(line);
    }
    free(text);
    return ended ? code : say(error, CTL_UNREACHABLE, "the daemon went away without an answer");
}

int ask_open(const char *socket_path, json_t *request, FILE **out, struct buf *error)
{
    int fd = connect_to(socket_path);
    if (fd < 0) {
        if (fd == -EACCES)
            return say(error, CTL_UNREACHABLE, "no right to use %s: run msactl as root",
                       socket_path);
        return say(error, CTL_UNREACHABLE, "msad does not answer at %s (admin.socket): %s",
                   socket_path, err_text(fd));
    }
    FILE *f = fdopen(fd, "r+e");
    if (!f) {
        close(fd);
        return say(error, CTL_UNREACHABLE, "%s", strerror(errno));
    }
    if (json_dumpf(request, f, JSON_COMPACT) < 0 || fputc('\n', f) == EOF || fflush(f) != 0) {
        fclose(f);
        return say(error, CTL_UNREACHABLE, "cannot write to %s", socket_path);
    }
    *out = f;
    return CTL_DONE;
}

int ask_daemon(const char *socket_path, json_t *request, void (*on_line)(void *arg, json_t *line),
               void *arg, struct buf *error)
{
    FILE *f;
    int code = ask_open(socket_path, request, &f, error);
    json_decref(request);
    if (code != CTL_DONE)
        return code;
    code = read_answer(f, on_line, arg, error);
    fclose(f);
    return code;
}

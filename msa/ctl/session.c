#include "msa/ctl/session.h"

#include "msa/ctl/ask.h"
#include "msa/ctl/codes.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_BYTES ((size_t)1 << 20)

struct session {
    const struct session_request *request;
    session_refused *on_refused;
    void *arg;
    FILE *f, *in; /* of the same connection, to be written and to be read */
    struct buf *error;
    char reply[SESSION_REPLY_MAX]; /* the last, its lines joined by spaces, without line ends */
    int code;
    bool eight_bit, utf8; /* offered */
};

static int say_error(struct session *s, int code, const char *words)
{
    int cut = buf_printf(s->error, "%s", words);
    (void)cut;
    return code;
}

static int lost(struct session *s)
{
    return say_error(s, CTL_UNREACHABLE, "the daemon went away without an answer");
}

static void note_keyword(struct session *s, const char *line)
{
    s->eight_bit |= strcmp(line, "8BITMIME") == 0;
    s->utf8 |= strcmp(line, "SMTPUTF8") == 0;
}

/* Reads a whole reply. False: the connection is lost, or what came is none. */
static bool read_reply(struct session *s)
{
    char line[SESSION_REPLY_MAX];
    size_t used = 0;
    do {
        if (!fgets(line, sizeof line, s->in))
            return false;
        size_t n = strcspn(line, "\r\n");
        line[n] = '\0';
        s->code = atoi(line);
        if (n < 4 || s->code < 200 || s->code > 599)
            return false;
        note_keyword(s, line + 4);
        int len = snprintf(s->reply + used, sizeof s->reply - used, "%s%s", used ? " " : "",
                           used ? line + 4 : line);
        used += (size_t)len < sizeof s->reply - used ? (size_t)len : 0;
    } while (line[3] == '-');
    if (s->reply[3] == '-')
        s->reply[3] = ' ';
    return true;
}

static int open_reading(struct session *s)
{
    int fd = dup(fileno(s->f));
    s->in = fd < 0 ? NULL : fdopen(fd, "re");
    return s->in ? CTL_DONE : say_error(s, CTL_UNREACHABLE, strerror(errno));
}

/* The greeting, or a line of the control socket that says why there is none. */
static int read_greeting(struct session *s)
{
    int c = fgetc(s->in);
    ungetc(c, s->in);
    if (c != '{')
        return c != EOF && read_reply(s) ? CTL_DONE : lost(s);
    json_t *line = json_loadf(s->in, JSON_DISABLE_EOF_CHECK, NULL);
    const char *why = json_string_value(json_object_get(line, "error"));
    int code = (int)json_integer_value(json_object_get(line, "code"));
    say_error(s, code, why ? why : "no session is given");
    json_decref(line);
    return code ? code : CTL_UNREACHABLE;
}

static bool command(struct session *s, const char *verb, const char *address, const char *rest)
{
    return fprintf(s->f, "%s%s%s%s%s\r\n", verb, address ? "<" : "", address ? address : "",
                   address ? ">" : "", rest) > 0 &&
           fflush(s->f) == 0 && read_reply(s);
}

static int refused(struct session *s, const char *at, const char *address)
{
    s->on_refused(s->arg, at, address, s->reply);
    return CTL_REFUSED;
}

static bool is_line(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 32 || *text == 127)
            return false;
    return true;
}

static int envelope(struct session *s, const char *from)
{
    const struct session_request *r = s->request;
    char rest[200];
    size_t taken = 0, i;
    json_t *to;
    bool utf8 = r->letter->eight_bit_header;
    json_array_foreach(r->to, i, to)
    {
        for (const char *c = json_string_value(to); *c; c++)
            utf8 |= (*c & 0x80) != 0;
    }
    snprintf(rest, sizeof rest, " %s%s%s", r->mode,
             r->letter->eight_bit && s->eight_bit ? " BODY=8BITMIME" : "",
             utf8 && s->utf8 ? " SMTPUTF8" : "");
    if (!command(s, "MAIL FROM:", from, rest))
        return lost(s);
    if (s->code != 250)
        return refused(s, "MAIL", from);
    json_array_foreach(r->to, i, to)
    {
        if (!is_line(json_string_value(to)))
            return say_error(s, CTL_USAGE, "an address with a control character");
        if (!command(s, "RCPT TO:", json_string_value(to), ""))
            return lost(s);
        if (s->code == 250)
            taken++;
        else
            refused(s, "RCPT", json_string_value(to));
    }
    return taken ? CTL_DONE : CTL_REFUSED;
}

static int content(struct session *s)
{
    struct sv left = buf_view(&s->request->letter->text);
    do {
        struct sv chunk = sv_first(left, CHUNK_BYTES);
        left = sv_skip(left, chunk.len);
        if (fprintf(s->f, "BDAT %zu%s\r\n", chunk.len, left.len ? "" : " LAST") < 0 ||
            fwrite(chunk.ptr, 1, chunk.len, s->f) != chunk.len || fflush(s->f) != 0 ||
            !read_reply(s))
            return lost(s);
        if (s->code != 250)
            return refused(s, "DATA", NULL);
    } while (left.len);
    return CTL_DONE;
}

/* "250 2.0.0 N octets follow", or without the status. */
static bool announced(const struct session *s, uint64_t *n)
{
    struct sv text = sv_of(s->reply + 4), word = sv_split(&text, ' ');
    if (sv_find(word, '.') < word.len)
        word = sv_split(&text, ' ');
    return sv_u64(word, UINT64_MAX, n);
}

static int returned(struct session *s, FILE *out)
{
    char piece[65536];
    uint64_t left;
    if (!announced(s, &left))
        return lost(s);
    while (left) {
        size_t want = left < sizeof piece ? (size_t)left : sizeof piece;
        size_t n = fread(piece, 1, want, s->in);
        if (n == 0)
            return say_error(s, CTL_UNREACHABLE, "the message did not come back whole");
        if (fwrite(piece, 1, n, out) != n)
            return say_error(s, CTL_REFUSED, "cannot write the message");
        left -= n;
    }
    if (fflush(out) != 0)
        return say_error(s, CTL_REFUSED, "cannot write the message");
    return command(s, "QUIT", NULL, "") ? CTL_DONE : lost(s);
}

int session_run(const struct session_request *r, session_refused *on_refused, void *arg, FILE *out,
                struct buf *error)
{
    struct session *s = calloc(1, sizeof *s);
    const char *from = r->from ? r->from : r->user;
    if (!s)
        abort();
    signal(SIGPIPE, SIG_IGN); /* who goes away while we write is told of, too */
    *s = (struct session){.request = r, .on_refused = on_refused, .arg = arg, .error = error};
    json_t *request = json_pack("{s:s, s:s}", "command", "session", "user", r->user);
    int code = CTL_USAGE;
    if (!request || !is_line(from))
        say_error(s, code, "--user or --from is not UTF-8, or has a control character");
    else
        code = ask_open(r->socket_path, request, &s->f, error);
    json_decref(request);
    if (code == CTL_DONE)
        code = open_reading(s);
    if (code == CTL_DONE)
        code = read_greeting(s);
    if (code == CTL_DONE && !command(s, "EHLO msactl", NULL, ""))
        code = lost(s);
    if (code == CTL_DONE)
        code = envelope(s, from);
    if (code == CTL_DONE)
        code = content(s);
    if (code == CTL_DONE)
        code = returned(s, out);
    if (s->in)
        fclose(s->in);
    if (s->f)
        fclose(s->f);
    free(s);
    return code;
}

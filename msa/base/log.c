/*
 * The setting is written at start and at reload only; readers see a whole pointer or int. A line
 * is made on the caller's stack, so logging allocates nothing.
 */
#include "msa/base/log.h"

#include "msa/base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ESCAPE_ROOM 20 /* bytes kept for the longest escape and what closes the line */

static const char *const level_names[] = {"error", "warning", "info", "debug"};

static struct {
    const char *process;
    _Atomic int format, level;
    log_sink *_Atomic sink;
    void *_Atomic sink_arg;
    int64_t (*_Atomic wall_ms)(void);
} setting = {.process = "msad", .level = LOG_INFO};

struct line {
    char text[LOG_LINE_MAX];
    size_t len;
};

void log_setup(const char *process, enum log_format format, enum log_level level)
{
    setting.process = process;
    setting.format = (int)format;
    setting.level = (int)level;
}

void log_set_sink(log_sink *sink, void *arg)
{
    /* never a sink with the argument NULL that only standard error has */
    if (!sink)
        setting.sink = NULL;
    setting.sink_arg = arg;
    setting.sink = sink;
}

void log_set_clock(int64_t (*wall_ms)(void))
{
    setting.wall_ms = wall_ms;
}

bool log_enabled(enum log_level level)
{
    return (int)level <= setting.level;
}

/* Room is kept for the closing bytes of the line. */
static void put(struct line *l, const char *text, size_t len)
{
    size_t room = sizeof l->text - 4 - l->len;
    if (len > room)
        len = room;
    memcpy(l->text + l->len, text, len);
    l->len += len;
}

static void put_str(struct line *l, const char *text)
{
    put(l, text, strlen(text));
}

/* A character as JSON writes it beyond ASCII; what is no UTF-8 as the number of its byte. */
static size_t put_point(struct line *l, struct sv text)
{
    size_t len = utf8_length(text);
    uint32_t point = len ? utf8_point(text) : (unsigned char)text.ptr[0];
    char esc[16];
    if (point > 0xffff)
        snprintf(esc, sizeof esc, "\\u%04x\\u%04x", 0xd7c0u + (point >> 10),
                 0xdc00u | (point & 0x3ff));
    else
        snprintf(esc, sizeof esc, "\\u%04x", point);
    put_str(l, esc);
    return len ? len : 1;
}

/* quoted: inside double quotes, as JSON and text fields with spaces need it */
static void put_escaped(struct line *l, struct sv text, bool quoted)
{
    while (text.len && l->len < sizeof l->text - ESCAPE_ROOM) {
        char c = text.ptr[0];
        size_t len = 1;
        if (c < 32 || c > 126) {
            len = put_point(l, text);
        } else {
            if (quoted && (c == '"' || c == '\\'))
                put_str(l, "\\");
            put(l, &c, 1);
        }
        text = sv_skip(text, len);
    }
}

static void put_field(struct line *l, bool json, const char *name, struct sv value)
{
    /* whole or not at all, so that a cut line is still one of its format */
    if (!value.len || l->len + strlen(name) + 8 > sizeof l->text - ESCAPE_ROOM)
        return;
    put_str(l, json ? ",\"" : " ");
    put_str(l, name);
    put_str(l, json ? "\":\"" : "=");
    if (!json && (sv_find(value, ' ') < value.len || sv_find(value, '"') < value.len)) {
        put_str(l, "\"");
        put_escaped(l, value, true);
        put_str(l, "\"");
    } else {
        put_escaped(l, value, json);
    }
    if (json)
        put_str(l, "\"");
}

static void put_time(struct line *l)
{
    int64_t (*wall)(void) = setting.wall_ms;
    int64_t ms;
    struct tm tm;
    char text[96];
    if (wall) {
        ms = wall();
    } else {
        struct timespec ts;
        clock_gettime(CLOCK_REALTIME, &ts);
        ms = (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
    }
    time_t s = (time_t)(ms / 1000);
    gmtime_r(&s, &tm);
    /* not strftime(), which looks each time whether the machine's time zone has changed */
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(ms % 1000));
    put_str(l, text);
}

static void write_stderr(const char *line, size_t len)
{
    while (len) {
        ssize_t n = write(STDERR_FILENO, line, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* nobody can be told */
        line += n;
        len -= (size_t)n;
    }
}

void log_event(enum log_level level, const char *event, const struct log_ctx *ctx, const char *fmt,
               ...)
{
    struct line l = {.len = 0};
    char text[LOG_LINE_MAX];
    va_list args;

    if (!log_enabled(level))
        return;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    struct sv said = {text, n < 0 ? 0 : strnlen(text, sizeof text)};

    bool json = setting.format == LOG_JSON;
    if (json)
        put_str(&l, "{\"time\":\"");
    put_time(&l);
    if (json) {
        put_str(&l, "\"");
        put_field(&l, true, "level", sv_of(level_names[level]));
        put_field(&l, true, "process", sv_of(setting.process));
        put_field(&l, true, "event", sv_of(event));
    } else {
        put_str(&l, " ");
        put_str(&l, level_names[level]);
        put_str(&l, " ");
        put_str(&l, setting.process);
        put_str(&l, " ");
        put_str(&l, event);
    }
    if (ctx) {
        put_field(&l, json, "session", ctx->session);
        put_field(&l, json, "queue", ctx->queue);
        put_field(&l, json, "client", ctx->client);
        put_field(&l, json, "mechanism", ctx->mechanism);
        put_field(&l, json, "login", ctx->login);
    }
    if (json) {
        put_field(&l, true, "text", said);
    } else if (said.len) {
        put_str(&l, ": ");
        put_escaped(&l, said, false);
    }
    /* put() keeps the last bytes free for this */
    if (json)
        l.text[l.len++] = '}';
    l.text[l.len++] = '\n';

    log_sink *sink = setting.sink;
    if (sink)
        sink(setting.sink_arg, l.text, l.len);
    else
        write_stderr(l.text, l.len);
}

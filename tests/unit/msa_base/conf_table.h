/*
 * conf_table.h - an option table with a row of every type, for the tests of the engine.
 */
#ifndef TESTS_CONF_TABLE_H
#define TESTS_CONF_TABLE_H

#include "msa/base/conf.h"

#include <string.h>

struct entry {
    const char *name;
    int64_t port;
    struct conf_strings tags;
};

struct inner {
    int64_t connections;
    int64_t size;
    int64_t memory;
    int64_t wait;
};

struct all {
    const char *state;
    bool on;
    const char *host;
    int mode;
    const char *path;
    const char *secret;
    struct conf_strings names;
    struct conf_ints retry, ports;
    struct inner limits;
    struct conf_list entries;
    struct conf_list extra;
};

static void check_host(const char *value, struct conf_faults *faults)
{
    if (strchr(value, ' '))
        conf_fault(faults, "a name", "\"%s\" has a space", value);
}

static const char *const mode_names[] = {"fast", "safe", NULL};

static const struct conf_option entry_rows[] = {
    CONF_ROW(CONF_STRING, struct entry, name, "name", NULL, "its name", "Which it is.",
             .flags = CONF_REQUIRED, .example = "\"x\""),
    CONF_ROW(CONF_INT, struct entry, port, "port", "25", "its port", "Where it is.", .min = 1,
             .max = 65535),
    CONF_ROW(CONF_STRINGS, struct entry, tags, "tags", NULL, "its tags", "What it is."),
    CONF_END,
};

static const struct conf_option inner_rows[] = {
    CONF_ROW(CONF_INT, struct inner, connections, "connections", "10", "how many", "Count.",
             .min = 1, .max = 100, .flags = CONF_RELOAD),
    CONF_ROW(CONF_SIZE, struct inner, size, "message_size", "50M", "how large", "Bytes.",
             .min = 1024, .max = INT64_C(1) << 34),
    CONF_ROW(CONF_SIZE, struct inner, memory, "memory", "25%", "how much", "Share.", .min = 1024,
             .max = INT64_C(1) << 40, .flags = CONF_PERCENT_OK),
    CONF_ROW(CONF_TIME, struct inner, wait, "wait", "5m", "how long", "Time.", .min = 1,
             .max = 86400),
    CONF_END,
};

static const struct conf_option all_rows[] = {
    CONF_ROW(CONF_PATH, struct all, state, "state", "/var/lib/x", "folder", "All is there."),
    CONF_ROW(CONF_BOOL, struct all, on, "on", "true", "switch", "On or off."),
    CONF_ROW(CONF_STRING, struct all, host, "host", NULL, "name", "Our name.", .check = check_host),
    CONF_ROW(CONF_ENUM, struct all, mode, "mode", "safe", "how", "Which way.", .names = mode_names),
    CONF_ROW(CONF_PATH, struct all, path, "path", "<state>/db", "file", "The file."),
    CONF_ROW(CONF_STRING, struct all, secret, "secret", NULL, "word", "Not shown.",
             .flags = CONF_SECRET),
    CONF_ROW(CONF_STRINGS, struct all, names, "names", "[ \"a\", \"b\" ]", "names", "Some.",
             .check = check_host),
    CONF_ROW(CONF_TIMES, struct all, retry, "retry", "[ \"5m\", \"1h\" ]", "waits", "Some.",
             .min = 1, .max = 86400),
    CONF_ROW(CONF_INTS, struct all, ports, "ports", "[ 25, 26 ]", "ports", "Some.", .min = 1,
             .max = 65535),
    CONF_ROW(CONF_GROUP, struct all, limits, "limits", NULL, "bounds", "Some.", .rows = inner_rows),
    CONF_ROW(CONF_LIST, struct all, entries, "entries",
             "( { name = \"one\"; port = 1; }, { name = \"two\"; } )", "entries", "Some.",
             .rows = entry_rows, .item_bytes = sizeof(struct entry)),
    CONF_ROW(CONF_LIST, struct all, extra, "extra", NULL, "more entries", "None.",
             .rows = entry_rows, .item_bytes = sizeof(struct entry)),
    CONF_END,
};

#endif

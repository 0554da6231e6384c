/*
 * conf.h - the option-table engine: declares options once, reads libconfig, reports all faults.
 *
 * Each folder that has options declares a struct for their values and a table of rows
 * (struct conf_option, ended by CONF_END) in its own options.c; msa/server/options.c composes the
 * root. From the rows come parsing, units, ranges, defaults, reload comparison, --help, the manual
 * page and the commented sample configuration.
 *
 * Ownership: all values of one read live in the arena given to conf_read(); a generation frees
 * them at once. Value structs are plain memory, filled at each row's offset:
 *   CONF_BOOL bool; CONF_INT, CONF_SIZE (bytes), CONF_TIME (seconds) int64_t; CONF_STRING,
 *   CONF_PATH const char * (never NULL); CONF_ENUM int; CONF_STRINGS struct conf_strings;
 *   CONF_INTS, CONF_TIMES (seconds) struct conf_ints; CONF_GROUP the nested struct itself;
 * CONF_LIST struct conf_list of nested structs. A single value may stand where a list is asked (a
 * string for an array, a group for a list of groups); an empty array is an empty array, an empty
 * list of groups is the default list. Threads: one reader at a time; values are read-only
 * afterwards and may be shared.
 *
 *     static const struct conf_option rows[] = {
 *         CONF_ROW(CONF_TIME, struct x, timeout_s, "timeout", "5m", "one line", "A paragraph.",
 *                  .min = 1, .max = 86400, .flags = CONF_RELOAD),
 *         CONF_END,
 *     };
 */
#ifndef MSA_BASE_CONF_H
#define MSA_BASE_CONF_H

#include "msa/base/arena.h"
#include "msa/base/buf.h"

enum conf_type {
    CONF_BOOL,
    CONF_INT,
    CONF_SIZE, /* bytes; K, M, G are powers of 1024; "25%" only with CONF_PERCENT_OK */
    CONF_TIME, /* seconds; "30s", "5m", "2h", "5d", "1w"; at least 1 s */
    CONF_STRING,
    CONF_PATH, /* a string in which <state> is replaced; absolute afterwards, or empty */
    CONF_ENUM, /* one of names[]; the value is its index; true and false stand for "true", "false"
                */
    CONF_STRINGS, /* array of strings */
    CONF_INTS,    /* array of whole numbers */
    CONF_TIMES,   /* array of times */
    CONF_GROUP,
    CONF_LIST, /* list of groups */
};

#define CONF_RELOAD     1u  /* a new value counts after SIGHUP; without it: at the next start */
#define CONF_FILE       2u  /* CONF_PATH: the master reads this file into the generation */
#define CONF_SECRET     4u  /* with CONF_FILE: contents only to the keeper; not a path: masked */
#define CONF_PERCENT_OK 8u  /* CONF_SIZE: "n%" is stored as -n */
#define CONF_REQUIRED   16u /* must be written: there is no default */

struct conf_strings {
    const char **items;
    size_t count;
};
struct conf_ints {
    int64_t *items;
    size_t count;
};
struct conf_list {
    void *items; /* count structs of the row's item_bytes */
    size_t count;
};
/* The i-th struct of a list. */
#define CONF_ITEM(list, i, type) (&((type *)(list).items)[i])

struct conf_faults;

struct conf_option {
    const char *name;
    enum conf_type type;
    size_t offset;
    /* Default, read by the same code as the file. Bare for one value (5m, 25%, true, stderr); as
     * in the file for arrays and lists. NULL: empty, or false, or nothing (CONF_GROUP). */
    const char *def;
    int64_t min, max;         /* CONF_INT(S), CONF_SIZE, CONF_TIME(S): required */
    const char *const *names; /* CONF_ENUM: NULL-terminated */
    unsigned flags;
    const struct conf_option *rows; /* CONF_GROUP, CONF_LIST: rows of the nested struct */
    size_t item_bytes;              /* CONF_LIST: size of one struct */
    const char *help;               /* one line */
    const char *text;               /* a paragraph for manual page and sample */
    const char *example;            /* a value as it would be written, where def shows none */
    /* Checks one string further (an address, a network, a URL) and says what is wrong by
     * conf_fault(). CONF_STRINGS: called for each element. Empty single strings, which mean "not
     * set", are not checked. May be NULL. */
    void (*check)(const char *value, struct conf_faults *faults);
};

/* help and text must be literals that are not empty: a row without them does not compile. */
#define CONF_TEXT(s) (&("" s "")[0 * sizeof(char[sizeof("" s "") > 1 ? 1 : -1])])
#define CONF_ROW(type_, struct_, field_, name_, def_, help_, text_, ...)                      \
    {                                                                                         \
        .name = (name_), .type = (type_), .offset = offsetof(struct_, field_), .def = (def_), \
        .help = CONF_TEXT(help_), .text = CONF_TEXT(text_), __VA_ARGS__                       \
    }
#define CONF_END     \
    {                \
        .name = NULL \
    }

/* What is wrong, where, and what would be right. */
struct conf_fault {
    const char *file; /* "" when no file is meant */
    unsigned line;    /* 0: none */
    const char *key;  /* full name: limits.connections, listen[1].port; "" for bad syntax */
    const char *wrong;
    const char *right; /* may be "" */
    bool warning;      /* said, but no reason to refuse */
    struct conf_fault *next;
};

struct conf_faults {
    struct arena *arena;
    struct conf_fault *first, *last; /* in the order of the lines */
    size_t errors, warnings;
    /* where conf_fault() is at the moment; set by the engine */
    const char *file, *key;
    unsigned line;
};

void conf_faults_init(struct conf_faults *f, struct arena *a);
/* At the place being checked. */
void conf_fault(struct conf_faults *f, const char *right, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* A check for rows: an address, or a network as ip_net_parse() reads it. */
void conf_check_network(const char *value, struct conf_faults *faults);
/* At a named key: the line where it was written, else of the nearest group around it, else 0.
 * Says nothing where the key has an error already: one key, one complaint. */
struct conf_source;
void conf_fault_at(struct conf_faults *f, const struct conf_source *src, bool warning,
                   const char *key, const char *right, const char *fmt, ...) PRINTF_LIKE(6, 7);
/* "file:line: key: wrong; right" for each, one line each; "warning: " stands before wrong. */
void conf_faults_print(const struct conf_faults *f, struct buf *out);

/* Where each written key stands, for faults found later by cross checks. Lives in the arena. */
struct conf_place {
    const char *key;
    const char *plain; /* key without any "[0]", so that x and x[0] meet */
    unsigned line;
};
struct conf_source {
    const char *file;
    struct conf_place *places; /* sorted by plain, then line */
    size_t count;
    bool readable; /* the syntax was good: what is not found was not written */
};
/* NULL if the key was not written. A single value in place of a list is found as x and x[0]. */
const struct conf_place *conf_source_find(const struct conf_source *src, const char *key);

/*
 * Reads text (as from file) into *values (zeroed by the caller), after setting all defaults. Goes
 * on after a fault; unknown keys name the nearest known one; libconfig's silent integer overflow
 * is caught. "<state>" in CONF_PATH values is replaced by the value of the root key "state".
 * True if there was no error (warnings may stand in faults).
 */
bool conf_read(const struct conf_option *rows, const char *file, struct sv text, struct arena *a,
               void *values, struct conf_faults *faults, struct conf_source *src);

#define CONF_SHOW_SECRETS 1u /* else CONF_SECRET values that are no paths are masked */
#define CONF_SHOW_ALL     2u /* also values that equal their default */
/* Canonical configuration text of values: reads back to the same values. */
int conf_write(const struct conf_option *rows, const void *values, unsigned show,
               struct buf *out) MUST_CHECK;

/* Bytes of a row's field; 0 for a group. */
size_t conf_value_bytes(const struct conf_option *row);
/* Calls each() for every row that is no group or list itself, depth first, with the full key
 * ("tls[0].key"); value points to the field. */
typedef void conf_visit(void *arg, const char *key, const struct conf_option *row,
                        const void *value);
void conf_walk(const struct conf_option *rows, const void *values, conf_visit *each, void *arg);
/* Full keys that differ between two value structs; a list of another length is named itself. */
void conf_diff(const struct conf_option *rows, const void *a, const void *b,
               void (*on_diff)(void *arg, const char *key, const struct conf_option *row),
               void *arg);

/* Generated documents, all from the rows. */
int conf_docs_help(const struct conf_option *rows, struct buf *out) MUST_CHECK;
int conf_docs_man(const struct conf_option *rows, struct buf *out) MUST_CHECK; /* troff */
int conf_docs_sample(const struct conf_option *rows, struct buf *out) MUST_CHECK;

/* Units, also for msactl's arguments: "5d" -> seconds; "50M" -> bytes. A unit is needed for times
 * and optional for sizes. False on bad syntax and on overflow. */
bool conf_parse_time(struct sv text, int64_t *seconds_out);
bool conf_parse_size(struct sv text, int64_t *bytes_out);
/* The shortest exact form: 300 -> "5m", 1536 -> "1536", 2097152 -> "2M". Returns buf. */
#define CONF_UNIT_TEXT_MAX 24 /* bytes with NUL */
const char *conf_time_text(int64_t seconds, char buf[CONF_UNIT_TEXT_MAX]);
const char *conf_size_text(int64_t bytes, char buf[CONF_UNIT_TEXT_MAX]);

#endif

/*
 * request.h - one control request in the works, and the lines of its answer. Internal to msa/admin.
 */
#ifndef MSA_ADMIN_REQUEST_H
#define MSA_ADMIN_REQUEST_H

#include "msa/admin/admin.h"

#include <jansson.h>

/* Codes of the last line: msactl's exit codes. */
enum admin_code { ADMIN_DONE = 0, ADMIN_REFUSED = 1, ADMIN_USAGE = 2, ADMIN_UNREACHABLE = 3 };

struct request;
struct site_query;

struct admin {
    struct server *server;
    const struct admin_ops *ops;
    void *arg;
    struct request *requests; /* that are not answered yet */
    uint64_t wishes;          /* store_admin.wish of the last one */
};

/* A listing between two pages. */
struct request_page {
    void (*next)(struct request *r, void *state); /* takes state over */
    void (*drop)(void *state);
    void *state; /* NULL: no page waits */
};

/* Freed by request_end(). */
struct request {
    struct request *prev, *next;
    struct admin *admin;
    uint64_t number;
    json_t *json;
    uint64_t total;          /* counted over the pages */
    enum store_admin_op op;  /* of admin_queue() */
    struct site_query *site; /* --site: which destinations that is; NULL: not yet asked */
    void (*site_known)(struct request *r);
    struct request_page page;
};

/* Text (NULL: "") as a JSON value; bytes that are not UTF-8 (what a remote said) become "?". */
json_t *request_string(const char *text);
void request_line(struct request *r, json_t *line); /* takes the reference */
void request_end(struct request *r, enum admin_code code, const char *error);
/* A page is complete: next runs when it has been read, or drop if nobody reads on. */
void request_pause(struct request *r, struct request_page page);
/* An argument as text, or NULL; the request owns it. */
const char *request_text(const struct request *r, const char *name);
bool request_flag(const struct request *r, const char *name);
int64_t request_number(const struct request *r, const char *name);

/* The commands. */
void admin_queue(struct request *r, enum store_admin_op op);
void admin_trace(struct request *r);
void admin_route(struct request *r);
void admin_status(struct request *r);
void admin_stats(struct request *r);
void admin_rights(struct request *r);
void admin_dkim(struct request *r);
void admin_pause(struct request *r);
void admin_resume(struct request *r);
json_t *admin_paused(struct server *s);          /* what is paused: an array of names */
const char *admin_paused_note(struct server *s); /* what that means for mail; "" for nothing */
void admin_sites(struct request *r);
/* Asks where the mail goes that the filter selects, so that r->site is known and named what is not;
 * then runs go(r). Takes a, a STORE_SUMMARY with its filter; may end the request instead. */
void admin_find_site(struct request *r, struct store_admin *a, void (*go)(struct request *r));

#endif

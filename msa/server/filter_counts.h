/*
 * filter_counts.h - how the milters and the policy service of a worker have answered since its
 * start, and which of them is left alone for a moment.
 *
 * A question is one stage of one message: MAIL (with the connection, where there is none yet), a
 * RCPT, DATA, the message. Ownership: the worker's; a row lives as long as the whole. The worker's
 * thread counts; filter_counts_add() from any thread.
 */
#ifndef MSA_SERVER_FILTER_COUNTS_H
#define MSA_SERVER_FILTER_COUNTS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define FILTER_FIGURES_MAX 32   /* filters that are told of */
#define FILTER_PAUSE_MS    1000 /* after a connection that came to nothing */

struct filter_count {
    char *name; /* its socket, as configured */
    _Atomic uint64_t passed, refused, failed, total_ms, slowest_ms;
    uint64_t paused_until_ms; /* no connection is tried before */
    struct filter_count *next;
};

struct filter_counts {
    _Atomic(struct filter_count *) first;
};

struct filter_counts *filter_counts_new(void);
void filter_counts_free(struct filter_counts *c);
/* Found or made. */
struct filter_count *filter_counts_of(struct filter_counts *c, const char *name);

/* refused: or discarded; failed: no answer, or none that counts. */
enum filter_answer { FILTER_ANSWER_PASSED, FILTER_ANSWER_REFUSED, FILTER_ANSWER_FAILED };
void filter_counts_note(struct filter_count *n, enum filter_answer a, uint64_t took_ms);

/* Sums of several workers. */
struct filter_figures {
    struct {
        const char *name; /* of a row */
        uint64_t passed, refused, failed, total_ms, slowest_ms;
    } rows[FILTER_FIGURES_MAX];
    size_t count;
};
void filter_counts_add(struct filter_counts *c, struct filter_figures *sum);

#endif

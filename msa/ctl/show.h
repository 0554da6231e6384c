/*
 * show.h - lines of an answer as text for people, or as they are (--json).
 */
#ifndef MSA_CTL_SHOW_H
#define MSA_CTL_SHOW_H

#include <jansson.h>
#include <stdbool.h>

struct show {
    bool json;
    void (*text)(struct show *s, json_t *line); /* for people; counts by itself in lines */
    unsigned lines;
};

/* As one line of --json. Takes the reference. */
void show_json(json_t *line);
/* For ask_daemon(): arg is a struct show. */
void show_line(void *arg, json_t *line);

void show_queue(struct show *s, json_t *line);
void show_queue_detail(struct show *s, json_t *line);
void show_summary(struct show *s, json_t *line);
void show_changed(struct show *s, json_t *line);
void show_trace(struct show *s, json_t *line);
void show_route(struct show *s, json_t *line);
void show_status(struct show *s, json_t *line);
void show_stats(struct show *s, json_t *line);
void show_pause(struct show *s, json_t *line);
void show_site(struct show *s, json_t *line);
void show_config(struct show *s, json_t *line);

#endif

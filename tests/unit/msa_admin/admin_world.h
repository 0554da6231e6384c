/*
 * admin_world.h - control requests to a whole server in the simulated world: asked, read page by
 * page, and looked at. One of a program includes it.
 */
#ifndef TESTS_UNIT_MSA_ADMIN_ADMIN_WORLD_H
#define TESTS_UNIT_MSA_ADMIN_ADMIN_WORLD_H

#include "msa/admin/admin.h"
#include "tests/unit/msa_server/sim_world.h"

#include <jansson.h>

/* The answer to one request. */
struct answer {
    struct admin *admin;
    json_t *lines; /* without the last */
    int code;
    char error[256];
    bool ended;
    unsigned pauses;
    size_t at_pause; /* lines when it paused */
};

static void on_answer(void *arg, uint64_t request, struct sv lines, bool last)
{
    struct answer *a = arg;
    assert_int_equal(request, 7);
    assert_false(a->ended);
    assert_true(lines.len > 0 && lines.ptr[lines.len - 1] == '\n');
    json_t *line = json_loadb(lines.ptr, lines.len, 0, NULL);
    assert_non_null(line);
    assert_int_equal(json_is_true(json_object_get(line, "end")), last);
    if (!last) {
        json_array_append_new(a->lines, line);
        return;
    }
    const char *error = json_string_value(json_object_get(line, "error"));
    a->ended = true;
    a->code = (int)json_integer_value(json_object_get(line, "code"));
    snprintf(a->error, sizeof a->error, "%s", error ? error : "");
    json_decref(line);
}

static void on_pause(void *arg, uint64_t request)
{
    struct answer *a = arg;
    assert_int_equal(request, 7);
    a->pauses++;
    a->at_pause = json_array_size(a->lines);
}

static const struct admin_ops ops = {.on_answer = on_answer, .on_pause = on_pause};
static struct answer given;

static bool ended_or_paused(void *arg)
{
    struct answer *a = arg;
    return a->ended || a->pauses > 0;
}

/* Asks and reads all pages. */
static void ask(const char *json)
{
    json_decref(given.lines);
    given = (struct answer){.admin = given.admin, .lines = json_array()};
    admin_request(given.admin, 7, sv_of(json));
    for (unsigned pages = 0; !given.ended; pages++) {
        assert_true(sim_run_while_not(ended_or_paused, &given, 60000));
        if (given.ended)
            return;
        assert_in_range(pages, 0, 1000);
        given.pauses = 0;
        sim_run_for(1000);
        assert_int_equal(json_array_size(given.lines), given.at_pause); /* it waits */
        admin_more(given.admin, 7, true);
    }
}

UNUSED static const char *text(size_t line, const char *key)
{
    return json_string_value(json_object_get(json_array_get(given.lines, line), key));
}

UNUSED static json_int_t number(size_t line, const char *key)
{
    return json_integer_value(json_object_get(json_array_get(given.lines, line), key));
}

#endif

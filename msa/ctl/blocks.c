#include "msa/ctl/blocks.h"
#include "auth/blocks.h"
#include "msa/ctl/codes.h"

#include <jansson.h>
#include <stdio.h>

static void print_line(json_t *line)
{
    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(line);
}

static void print_entries(const struct auth_blocks *b, bool json)
{
    for (size_t i = 0; i < b->count; i++) {
        const struct auth_blocks_entry *e = &b->entries[i];
        char left[CONF_UNIT_TEXT_MAX];
        if (json)
            print_line(json_pack("{s:s, s:s, s:i}", "kind", e->is_address ? "address" : "login",
                                 e->is_address ? "address" : "login", e->what, "seconds_left",
                                 (int)e->left_s));
        else
            printf("%-7s %s  (%s left)\n", e->is_address ? "address" : "login", e->what,
                   conf_time_text(e->left_s, left));
    }
}

static void print_text(const struct auth_blocks *b, bool json)
{
    if (!*b->text)
        return;
    if (json)
        print_line(json_pack("{s:b, s:s}", b->err < 0 ? "refused" : "done", 1, "text", b->text));
    else
        fprintf(b->err < 0 ? stderr : stdout, "%s\n", b->text);
}

int blocks_run(const struct msa_options *o, const char *what, bool json)
{
    char socket_path[4096];
    struct auth_blocks answer;
    struct auth_blocks_request request = {.removes = what != NULL, .what = sv_of(what)};
    int code = CTL_UNREACHABLE;
    snprintf(socket_path, sizeof socket_path, "%s/auth/keeper.sock", o->state);
    auth_blocks_init(&answer);
    int err = auth_blocks_ask(socket_path, &request, &answer);
    if (err == ERR_KEEPER) {
        fprintf(stderr, "msactl: %s: msad is not running, so nobody is blocked\n", socket_path);
    } else if (err < 0) {
        fprintf(stderr, "msactl: %s: %s\n", socket_path, err_text(err));
    } else {
        print_entries(&answer, json);
        print_text(&answer, json);
        code = answer.err < 0 ? CTL_REFUSED : CTL_DONE;
    }
    auth_blocks_deinit(&answer);
    return code;
}

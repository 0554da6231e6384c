#include "msa/ctl/confirm.h"

#include "msa/ctl/ask.h"
#include "msa/ctl/codes.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *verb, *question;
} questions[] = {
    {"delete", "Remove them without a report?"},
    {"bounce", "Return them to their authors?"},
    {"redirect", "Redirect them?"},
};

static void on_line(void *arg, json_t *line)
{
    json_t *count = json_object_get(line, "recipients");
    if (count)
        *(long long *)arg = json_integer_value(count);
}

static bool is_yes(const char *question)
{
    char answer[16];
    fprintf(stderr, "%s [y/N] ", question);
    fflush(stderr);
    return fgets(answer, sizeof answer, stdin) &&
           (strcmp(answer, "y\n") == 0 || strcmp(answer, "yes\n") == 0);
}

int confirm_change(const char *socket_path, const json_t *request, const char *verb,
                   struct buf *error)
{
    long long recipients = 0;
    json_t *dry = json_deep_copy(request);
    json_object_set_new(dry, "dry_run", json_true());
    json_object_set_new(dry, "count", json_true());
    int code = ask_daemon(socket_path, dry, on_line, &recipients, error);
    if (code != CTL_DONE)
        return code;
    fprintf(stderr, "%lld recipient%s\n", recipients, recipients == 1 ? " matches" : "s match");
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
        if (strcmp(questions[i].verb, verb) == 0 && !is_yes(questions[i].question)) {
            fprintf(stderr, "msactl: nothing was done\n");
            return CTL_REFUSED;
        }
    return CTL_DONE;
}

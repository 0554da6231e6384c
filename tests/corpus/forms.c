/*
 * Runs each message of a folder through the invariants of mime_check.h, and writes its forms into
 * another folder, NAME.7bit, NAME.lines and NAME.ascii, for readers of other make (test_peers.py);
 * NAME.why where a form cannot be.
 *
 * Usage: forms FOLDER OUTPUT
 */
#include "tests/unit/rewrite/mime_check.h"

#include <dirent.h>
#include <stdio.h>

#define HEADER_MAX (64u << 10)

static const struct {
    const char *name;
    unsigned form;
} forms[] = {
    {"7bit", REWRITE_FORM_7BIT},
    {"lines", REWRITE_FORM_LINES},
    {"ascii", REWRITE_FORM_ASCII_HEADER},
};

static void read_file(const char *path, struct buf *out)
{
    char piece[4096];
    size_t n;
    FILE *f = fopen(path, "rb");
    REQUIRE(f);
    buf_init(out, SIZE_MAX, 0);
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        check_put(out, (struct sv){piece, n});
    fclose(f);
}

static void write_file(const char *path, struct sv text)
{
    FILE *f = fopen(path, "wb");
    REQUIRE(f && fwrite(text.ptr ? text.ptr : "", 1, text.len, f) == text.len && fclose(f) == 0);
}

static void run(const char *folder, const char *file, const char *output)
{
    char path[4096];
    struct buf text;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    read_file(path, &text);
    check_mime_message(buf_view(&text), HEADER_MAX);
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct rewrite_plan plan;
        struct buf made;
        check_make(buf_view(&text), forms[i].form, 1000, HEADER_MAX, &plan, &made);
        bool good = plan.unfit == REWRITE_UNFIT_NONE;
        snprintf(path, sizeof path, "%s/%.*s.%s", output, (int)(strlen(file) - 4), file,
                 good ? forms[i].name : "why");
        write_file(path, good ? buf_view(&made) : rewrite_unfit_reply(plan.unfit).text);
        rewrite_plan_deinit(&plan);
        buf_deinit(&made);
    }
    buf_deinit(&text);
}

int main(int argc, char **argv)
{
    size_t count = 0;
    struct dirent *entry;
    REQUIRE(argc == 3);
    DIR *dir = opendir(argv[1]);
    REQUIRE(dir);
    while ((entry = readdir(dir)))
        if (sv_iends(sv_of(entry->d_name), SV(".eml"))) {
            run(argv[1], entry->d_name, argv[2]);
            count++;
        }
    closedir(dir);
    printf("%zu messages\n", count);
    return count < 200;
}

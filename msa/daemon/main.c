/*
 * msad: the options of the command line, and which of the three processes this is.
 */
#include "msa/base/log.h"
#include "msa/daemon/load.h"
#include "msa/daemon/master.h"
#include "msa/daemon/process_args.h"
#include "msa/server/docs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#define DEFAULT_CONFIG "/etc/msa/msa.conf"
#define DOCS_MAX_BYTES (4u << 20)

enum { EXIT_OK, EXIT_REFUSED, EXIT_USAGE };

static int print_docs(enum docs_kind kind)
{
    struct buf out;
    buf_init(&out, DOCS_MAX_BYTES, 0);
    int err = docs_write(kind, &out);
    if (err == 0)
        fwrite(buf_view(&out).ptr, 1, buf_len(&out), stdout);
    else
        fprintf(stderr, "msad: %s\n", err_text(err));
    buf_deinit(&out);
    return err < 0 || fflush(stdout) != 0 ? EXIT_REFUSED : EXIT_OK;
}

static int check(const char *config)
{
    struct arena arena;
    struct conf_faults faults;
    struct buf out;
    arena_init(&arena);
    buf_init(&out, DOCS_MAX_BYTES, 0);
    struct generation *g = load_review(config, &arena, &faults);
    conf_faults_print(&faults, &out);
    fwrite(buf_view(&out).ptr, 1, buf_len(&out), stdout);
    if (g && !faults.warnings)
        printf("%s: no faults\n", config);
    generation_drop(g);
    buf_deinit(&out);
    arena_deinit(&arena);
    return g ? EXIT_OK : EXIT_REFUSED;
}

static int child(int argc, char **argv)
{
    struct process_args args;
    if (argc != 6)
        return EXIT_USAGE;
    args.uid = (uid_t)strtoll(argv[2], NULL, 10);
    args.gid = (gid_t)strtoll(argv[3], NULL, 10);
    args.change = strcmp(argv[4], "1") == 0;
    args.parent = (pid_t)strtoll(argv[5], NULL, 10);
    /* started by the path of the running file, which names nothing */
    if (strcmp(argv[1], "--child=keeper") == 0) {
        prctl(PR_SET_NAME, "msad-keeper");
        return keeper_process(&args);
    }
    if (strcmp(argv[1], "--child=server") == 0) {
        prctl(PR_SET_NAME, "msad-server");
        return server_process(&args);
    }
    return EXIT_USAGE;
}

static int usage(const char *wrong)
{
    fprintf(stderr,
            "msad: %s\nusage: msad [-c FILE] [--check | --help | --version | "
            "--docs=help|man|msad|sample]\n",
            wrong);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    const char *config = DEFAULT_CONFIG;
    bool checking = false;
    enum docs_kind kind;
    if (argc > 1 && strncmp(argv[1], "--child=", 8) == 0)
        return child(argc, argv);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-c") == 0 && i + 1 < argc)
            config = argv[++i];
        else if (strcmp(argv[i], "--check") == 0)
            checking = true;
        else if (strcmp(argv[i], "--help") == 0)
            return print_docs(DOCS_HELP);
        else if (strncmp(argv[i], "--docs=", 7) == 0 && docs_kind_parse(sv_of(argv[i] + 7), &kind))
            return print_docs(kind);
        else if (strcmp(argv[i], "--version") == 0)
            return printf("msad %s\n", MSA_VERSION) < 0 ? EXIT_REFUSED : EXIT_OK;
        else if (strcmp(argv[i], "-c") == 0)
            return usage("-c needs the name of a file");
        else
            return usage("unknown argument");
    }
    return checking ? check(config) : master_run(config);
}

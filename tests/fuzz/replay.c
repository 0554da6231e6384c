/* Runs a fuzz target over every file of a folder: what a fuzzer found once stays found. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return -1;
    uint8_t *data = malloc(1u << 20);
    size_t size = data ? fread(data, 1, 1u << 20, f) : 0;
    /* a copy of its own size, so that reading past its end is seen */
    uint8_t *exact = realloc(data, size ? size : 1);
    int result = exact ? LLVMFuzzerTestOneInput(exact, size) : -1;
    free(exact ? exact : data);
    fclose(f);
    return result;
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    if (!dir) {
        fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
        return 2;
    }
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        char path[4096];
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], e->d_name);
        if (replay(path) != 0) {
            fprintf(stderr, "cannot replay %s\n", path);
            return 1;
        }
        count++;
    }
    closedir(dir);
    printf("%u inputs\n", count);
    return count == 0;
}

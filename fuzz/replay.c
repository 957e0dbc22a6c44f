/* In the place of libFuzzer, for the tests: a target runs on each file of its corpus, in a process
 * of its own. Arguments: the directory.
 * SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>

static void replay(const char *directory, const char *name)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *f = fopen(path, "rb");
    CHECK(f && fseek(f, 0, SEEK_END) == 0);
    long size = ftell(f);
    CHECK(size >= 0);
    rewind(f);
    uint8_t *data = malloc((size_t)size + 1);
    CHECK(data && fread(data, 1, (size_t)size, f) == (size_t)size);
    fclose(f);
    (void)LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
}

static bool passes(const char *directory, const char *name)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        replay(directory, name);
        exit(0); /* not _exit: the leak checker runs at exit */
    }
    CHECK(waitpid(child, &status, 0) == child);
    return status == 0;
}

int main(int argc, char **argv)
{
    int number = 0, failed = 0;
    CHECK(argc == 2);
    DIR *dir = opendir(argv[1]);
    CHECK(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] == '.')
            continue;
        bool good = passes(argv[1], e->d_name);
        printf("%sok %d - %s\n", good ? "" : "not ", ++number, e->d_name);
        failed += !good;
    }
    closedir(dir);
    printf("1..%d\n# %d passed, %d failed\n", number, number - failed, failed);
    return failed != 0;
}

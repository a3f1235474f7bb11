#include "subject.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EXIT_USAGE = 2, EXIT_NO_SUCH_WORKLOAD = 3, WORKERS_MAX = 64 };

void subject_fail(const char *what, int error)
{
    fprintf(stderr, "%s: %s\n", what, strerror(error < 0 ? -error : error));
    exit(1);
}

void *subject_alloc(uint64_t count, uint64_t size)
{
    void *memory = malloc(count * size);
    if (!memory)
        subject_fail("malloc", ENOMEM);
    return memory;
}

void *subject_alloc_touched(uint64_t count, uint64_t size)
{
    return memset(subject_alloc(count, size), 1, count * size);
}

uint64_t clock_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t anonymous_bytes(void)
{
    char line[256];
    unsigned long kilobytes = 0;
    FILE *file = fopen("/proc/self/smaps_rollup", "re");

    if (!file)
        subject_fail("/proc/self/smaps_rollup", errno);
    setvbuf(file, NULL, _IONBF, 0); /* a buffer would be memory of its own */
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "Anonymous: %lu kB", &kilobytes) == 1)
            break;
    fclose(file);
    return (uint64_t)kilobytes * 1024;
}

void subject_answer(const struct work *work)
{
    printf("%.3f %s %llu\n", work->value, work->unit, (unsigned long long)work->checksum);
    fflush(stdout);
}

/* A whole number from 1 to most. */
static uint64_t number(const char *text, uint64_t most)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || *end || *text == '-' || value < 1 || value > most) {
        fprintf(stderr, "'%s' is not a number from 1 to %llu\n", text, (unsigned long long)most);
        exit(EXIT_USAGE);
    }
    return value;
}

static void print_help(FILE *to, const char *program, const struct workload *workloads)
{
    fprintf(to, "usage: %s WORKLOAD N [WORKERS]   (bench/README.md says what is measured)\n", program);
    fprintf(to, "for example: %s %s 1000\nworkloads:", program, workloads->name);
    for (const struct workload *w = workloads; w->name; w++)
        fprintf(to, " %s", w->name);
    fprintf(to, "\n");
}

int subject_main(int argc, char **argv, const struct workload *workloads)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        print_help(stdout, argv[0], workloads);
        return 0;
    }
    if (argc < 3 || argc > 4) {
        print_help(stderr, argv[0], workloads);
        return EXIT_USAGE;
    }
    struct work work = {.n = number(argv[2], UINT32_MAX), .workers = 1};
    if (argc == 4)
        work.workers = (unsigned)number(argv[3], WORKERS_MAX);
    for (const struct workload *w = workloads; w->name; w++)
        if (strcmp(w->name, argv[1]) == 0) {
            w->run(&work);
            subject_answer(&work);
            return 0;
        }
    return EXIT_NO_SUCH_WORKLOAD;
}

/* What recording costs. `make bench-trace` runs it.
 *
 * Every event carries the tick at which it was made. So in a run that does nothing but record, the distance between a
 * thread's event and its next one is what one event costs, all of it: the clock, the stores, the first touch of the
 * fresh file, the change of chunks. Nothing is added in order to measure, and nothing is subtracted. */
#define _GNU_SOURCE
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EVENTS = 1000000, STARTS = 21, MAX_THREADS = 2 };

static const char usage[] = "usage: bench_trace DIR\n"
                            "Measures what the recorder costs, with recordings made (and removed) in DIR.\n"
                            "\n"
                            "  bench_trace out         a million events into a fresh file, by one thread and by two\n"
                            "  bench_trace /dev/shm    the same, into memory\n";

_Noreturn static void fail(const char *what)
{
    fprintf(stderr, "bench_trace: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* ---- the run that is measured: this program again, with TRACE set ---- */

static void *record_events(void *count)
{
    long events = *(long *)count;
    for (long i = 0; i < events; i++)
        TRACE(NOTE, 0, 0, i);
    return NULL;
}

static void run(int threads, long events)
{
    pthread_t others[MAX_THREADS];

    for (int i = 1; i < threads; i++)
        if ((errno = pthread_create(&others[i], NULL, record_events, &events)))
            fail("pthread_create");
    record_events(&events);
    for (int i = 1; i < threads; i++)
        pthread_join(others[i], NULL);
}

/* Runs it in a process of its own. Returns the whole time from start to end, in ns. */
static uint64_t spawn(const char *path, int threads, long events)
{
    char threads_arg[16], events_arg[16];
    int status;

    snprintf(threads_arg, sizeof threads_arg, "%d", threads);
    snprintf(events_arg, sizeof events_arg, "%ld", events);
    uint64_t start = trace_now();
    pid_t pid = fork();
    if (pid == -1)
        fail("fork");
    if (pid == 0) {
        if (path)
            setenv("TRACE", path, 1);
        setenv("TRACE_LIMIT", "80M", 1);
        execl("/proc/self/exe", "bench_trace", "--run", threads_arg, events_arg, (char *)NULL);
        _exit(127);
    }
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "bench_trace: the run that records failed\n");
        exit(2);
    }
    return trace_now() - start;
}

/* ---- looking at its recording ---- */

struct record { /* docs/recording.md; only what is needed here */
    uint64_t ticks, b;
    uint32_t task, a;
    uint16_t site, thread, kind, worker;
};

static int compare_u64(const void *left, const void *right)
{
    uint64_t l = *(const uint64_t *)left, r = *(const uint64_t *)right;
    return (l > r) - (l < r);
}

static uint64_t u64_at(const unsigned char *map, size_t offset)
{
    uint64_t value;
    memcpy(&value, map + offset, sizeof value);
    return value;
}

/* The ticks of one thread's events, in order. Returns how many. */
static size_t ticks_of_thread(const unsigned char *map, size_t size, unsigned thread, uint64_t *ticks)
{
    size_t count = 0;
    for (size_t at = u64_at(map, 56); at + sizeof(struct record) <= size; at += sizeof(struct record)) {
        struct record r;
        memcpy(&r, map + at, sizeof r);
        if (r.kind == TRACE_NOTE && r.thread == thread && count < EVENTS)
            ticks[count++] = r.ticks;
    }
    qsort(ticks, count, sizeof *ticks, compare_u64);
    return count;
}

/* Turns the ticks into the distances between them, sorted. */
static void distances(uint64_t *ticks, size_t count)
{
    for (size_t i = 0; i + 1 < count; i++)
        ticks[i] = ticks[i + 1] - ticks[i];
    qsort(ticks, count - 1, sizeof *ticks, compare_u64);
}

static void report(const char *path, int threads)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1 || fstat(fd, &st) == -1)
        fail(path);
    unsigned char *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    uint64_t *ticks = calloc(EVENTS, sizeof *ticks);
    if (map == MAP_FAILED || !ticks)
        fail(path);
    double ns = (double)(u64_at(map, 120) - u64_at(map, 104)) / (double)(u64_at(map, 112) - u64_at(map, 96));

    for (unsigned thread = 1; thread <= (unsigned)threads; thread++) {
        size_t count = ticks_of_thread(map, (size_t)st.st_size, thread, ticks);
        if (count != EVENTS) {
            fprintf(stderr, "bench_trace: %zu events instead of %d\n", count, EVENTS);
            exit(1);
        }
        double mean = (double)(ticks[count - 1] - ticks[0]) * ns / (double)(count - 1);
        distances(ticks, count);
        printf("%7d %7u %9.1f %9.1f %9.1f %9.1f %9.1f\n", threads, thread, mean, (double)ticks[count / 2] * ns,
               (double)ticks[count * 99 / 100] * ns, (double)ticks[count / 1000 * 999] * ns,
               (double)ticks[count - 2] * ns / 1000);
    }
    free(ticks);
    munmap(map, (size_t)st.st_size);
    close(fd);
}

/* ---- all of it ---- */

/* The median time of a run that records nothing; path NULL: that is not asked to. */
static double start_and_end_us(const char *path)
{
    uint64_t times[STARTS];
    for (int i = 0; i < STARTS; i++)
        times[i] = spawn(path, 1, 0);
    qsort(times, STARTS, sizeof *times, compare_u64);
    return (double)times[STARTS / 2] / 1000;
}

int main(int argc, char **argv)
{
    char path[4096];

    if (argc == 4 && !strcmp(argv[1], "--run")) {
        run(atoi(argv[2]), atol(argv[3]));
        return 0;
    }
    if (argc != 2 || argv[1][0] == '-') {
        bool asked = argc == 2 && !strcmp(argv[1], "--help");
        fputs(usage, asked ? stdout : stderr);
        return asked ? 0 : 2;
    }
    snprintf(path, sizeof path, "%s/bench-trace.tmp", argv[1]);

    printf("%d events a thread into a fresh file, first touch included; ns an event\n\n", EVENTS);
    printf("threads  thread      mean    median      99 %%    99.9 %%  worst us\n");
    for (int threads = 1; threads <= MAX_THREADS; threads++) {
        spawn(path, threads, EVENTS);
        report(path, threads);
    }
    double without = start_and_end_us(NULL);
    double with = start_and_end_us(path);
    printf("\nset-up and orderly end: %.0f us (a program that does nothing: %.0f us without TRACE, %.0f us with it)\n",
           with - without, without, with);
    unlink(path);
    return 0;
}

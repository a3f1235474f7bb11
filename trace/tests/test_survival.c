/* A busy run is killed at random instants. Whatever it had committed must be in the file, and nothing else.
 *
 * The run is this program itself, called with --subject. Each of its threads counts, in a mapping of its own, the
 * events that it has committed: after each event, so the recording holds that many, or one more.
 *
 *   test_survival [KILLS [SEED]] */
#define _GNU_SOURCE
#include "../trace.h"
#include "reading.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED 1
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifdef SANITIZED
enum { KILLS = 50 }; /* a start takes ten times as long there */
#else
enum { KILLS = 1000 };
#endif

enum { THREADS = 2, EVENTS = 60000, DEADLINE_NS = 1000000000 };

struct counts {
    struct {
        _Alignas(64) _Atomic uint64_t committed;
    } of_thread[THREADS];
};

extern char **environ;

static int kills = KILLS;
static unsigned seed;

/* What event i of a thread says, so that a record tells of itself whether it is whole. */
static uint64_t b_of(uint32_t i, uint32_t thread)
{
    return (i * 0x9e3779b97f4a7c15u) ^ thread;
}

static struct counts *counts_map(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    if (fd == -1 || ftruncate(fd, sizeof(struct counts)) == -1)
        abort();
    void *map = mmap(NULL, sizeof(struct counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map == MAP_FAILED)
        abort();
    return map;
}

/* ---- the run that is killed ---- */

struct subject {
    struct counts *counts;
    uint32_t thread;
};

static void *subject_thread(void *arg)
{
    struct subject *s = arg;

    for (uint32_t i = 0; i < EVENTS; i++) {
        trace_worker(s->thread + 1);
        TRACE(NOTE, i, ~i, b_of(i, s->thread));
        /* pairs with the load in wait_for_first_event; the kill itself orders the rest */
        atomic_store_explicit(&s->counts->of_thread[s->thread].committed, i + 1, memory_order_release);
    }
    while (pause() == -1)
        ;
    return NULL;
}

static int subject(const char *counts_path)
{
    struct subject s[THREADS];
    pthread_t thread;

    for (uint32_t i = 0; i < THREADS; i++)
        s[i] = (struct subject){counts_map(counts_path), i};
    for (uint32_t i = 1; i < THREADS; i++)
        if (pthread_create(&thread, NULL, subject_thread, &s[i]))
            return 1;
    subject_thread(&s[0]);
    return 0;
}

/* ---- the kills ---- */

static void wait_for_first_event(const struct counts *counts)
{
    uint64_t deadline = trace_now() + DEADLINE_NS;
    /* pairs with the store in subject_thread */
    while (atomic_load_explicit(&counts->of_thread[0].committed, memory_order_acquire) == 0) {
        if (trace_now() > deadline)
            fail_msg("the run recorded nothing within a second");
        sched_yield();
    }
}

static void pause_ns(uint64_t ns)
{
    struct timespec t = {0, (long)ns};
    nanosleep(&t, NULL);
}

/* The number of the line that records. */
static uint16_t note_site(const struct reading *r)
{
    for (uint16_t site = 1; site <= r->header.site_count; site++)
        if (!strcmp(reading_function(r, site), "subject_thread"))
            return site;
    return 0;
}

/* Event by event: each is what it should be, and none is missing before the last. Returns how many the thread has. */
static uint64_t events_checked(const struct reading *r, uint32_t thread)
{
    uint32_t next = 0;
    uint16_t site = note_site(r);

    for (size_t i = 0; i < r->count; i++) {
        const struct reading_record *e = &r->records[i];
        if (e->kind == TRACE_THREAD || e->worker != thread + 1)
            continue;
        if (e->kind != TRACE_NOTE || e->task != next || e->a != ~next || e->b != b_of(next, thread) || e->site != site)
            fail_msg("thread %u: event %u is damaged or missing", thread, next);
        next++;
    }
    return next;
}

static uint64_t recording_checked(const char *path, struct counts *counts)
{
    struct reading r;
    uint64_t sum = 0;

    if (access(path, F_OK) == -1 || !reading_open(&r, path)) { /* killed while it was starting */
        for (uint32_t i = 0; i < THREADS; i++)
            assert_int_equal(counts->of_thread[i].committed, 0);
        return 0;
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        uint64_t committed = counts->of_thread[i].committed;
        uint64_t found = events_checked(&r, i);
        assert_in_range(found, committed, committed + 1);
        sum += found;
    }
    assert_int_equal(r.header.flags & 1, 0);
    assert_int_equal(r.header.dropped, 0);
    reading_close(&r);
    return sum;
}

/* One run. One in eight is killed while it starts, the others while they record. */
static uint64_t run_and_kill(const char *trace, const char *counts_path, struct counts *counts)
{
    char *argv[] = {(char *)"test_survival", (char *)"--subject", (char *)counts_path, NULL};
    int status;
    pid_t pid;

    memset(counts, 0, sizeof *counts);
    unlink(trace);
    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ), 0);
    if (rand() % 8) {
        wait_for_first_event(counts);
        pause_ns((uint64_t)rand() % 500000);
    } else {
        pause_ns((uint64_t)rand() % 5000000);
    }
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return recording_checked(trace, counts);
}

static void every_committed_event_survives_a_kill(void **state)
{
    (void)state;
    char dir[] = "/tmp/survival.XXXXXX";
    char trace[64], counts_path[64];
    uint64_t events = 0;

    printf("%d kills, seed %u\n", kills, seed);
    fflush(stdout);
    srand(seed);
    assert_non_null(mkdtemp(dir));
    snprintf(trace, sizeof trace, "%s/run.trace", dir);
    snprintf(counts_path, sizeof counts_path, "%s/counts", dir);
    setenv("TRACE", trace, 1);
    setenv("TRACE_LIMIT", "4M", 1);
    struct counts *counts = counts_map(counts_path);

    for (int i = 0; i < kills; i++)
        events += run_and_kill(trace, counts_path, counts);
    assert_true(events > (uint64_t)kills); /* they were not all killed before they had begun */
    printf("%llu events survived, each of them whole\n", (unsigned long long)events);

    munmap(counts, sizeof *counts);
    unlink(trace);
    unlink(counts_path);
    rmdir(dir);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_committed_event_survives_a_kill)};

    if (argc == 3 && !strcmp(argv[1], "--subject"))
        return subject(argv[2]);
    kills = argc > 1 ? atoi(argv[1]) : KILLS;
    seed = argc > 2 ? (unsigned)atoi(argv[2]) : (unsigned)time(NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

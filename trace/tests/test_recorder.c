/* LINK: -Wl,--wrap=posix_fallocate,--wrap=madvise,--wrap=pthread_mutex_unlock
 *
 * What the recorder promises, one promise a test. What is recorded is a run of this program itself with
 * `--subject NAME`, because recording begins before main. */
#define _GNU_SOURCE
#include "../trace.h"
#include "reading.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- faults ---- */

int __real_posix_fallocate(int fd, off_t offset, off_t size);
int __wrap_posix_fallocate(int fd, off_t offset, off_t size);
int __real_madvise(void *memory, size_t size, int advice);
int __wrap_madvise(void *memory, size_t size, int advice);

int __real_pthread_mutex_unlock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock);

static volatile uint64_t handled; /* by on_signal; it is in its own events */

static void on_signal(int number)
{
    (void)number;
    TRACE(UNPARK, 0, 0, handled);
    handled = handled + 1;
}

/* The moments at which the recorder calls out are those at which a signal can come and is hardest to bear. */
static void maybe_signal(void)
{
    if (trace_on && getenv("TEST_SIGNALS_INSIDE"))
        on_signal(SIGUSR1);
}

int __wrap_posix_fallocate(int fd, off_t offset, off_t size)
{
    return getenv("TEST_DISK_FULL") ? ENOSPC : __real_posix_fallocate(fd, offset, size);
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock)
{
    maybe_signal();
    return __real_pthread_mutex_unlock(lock);
}

int __wrap_madvise(void *memory, size_t size, int advice)
{
    maybe_signal();
    if (!getenv("TEST_OLD_KERNEL"))
        return __real_madvise(memory, size, advice);
    errno = EINVAL;
    return -1;
}

/* ---- subjects: what is run and recorded ---- */

static void *two_notes(void *arg)
{
    trace_note("one", (uintptr_t)arg);
    trace_note("two", (uintptr_t)arg);
    return NULL;
}

static pthread_t started(void *(*run)(void *), void *arg)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, arg))
        abort();
    return thread;
}

static int subject_fields(void)
{
    trace_worker(7);
    TRACE(QUEUE_PUSH, 0x12345678, -1, -2);
    trace_note("a remark", 1);
    return 0;
}

static int subject_nothing(void)
{
    return 0;
}

static int subject_named_threads(void)
{
    trace_thread_name("boss");
    pthread_join(started(two_notes, NULL), NULL);
    trace_note("of the boss", 0);
    return 0;
}

/* More than the smallest recording holds, and than is made ready at the start. errno is the program's: no event may
 * change it. */
enum { MANY = 50000 };

static int subject_many(void)
{
    for (int i = 0; i < MANY; i++) {
        errno = i;
        TRACE(NOTE, 0, 0, i);
        if (errno != i)
            return 3;
    }
    return 0;
}

static int subject_5000_threads(void)
{
    pthread_t threads[4];
    for (uintptr_t i = 0; i < 5000; i += 4) {
        for (uintptr_t j = 0; j < 4; j++)
            threads[j] = started(two_notes, (void *)(i + j));
        for (int j = 0; j < 4; j++)
            pthread_join(threads[j], NULL);
    }
    return 0;
}

static pthread_barrier_t barrier;

static void *note_and_meet(void *arg)
{
    two_notes(arg);
    pthread_barrier_wait(&barrier);
    return NULL;
}

/* All of them are alive at once, and so hold room at once. */
static int subject_crowd(void)
{
    enum { CROWD = 500 };
    static pthread_t threads[CROWD];

    pthread_barrier_init(&barrier, NULL, CROWD);
    for (uintptr_t i = 0; i < CROWD; i++)
        threads[i] = started(note_and_meet, (void *)i);
    for (int i = 0; i < CROWD; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

enum { STARVED = 100 }; /* threads, where there is room for the short runs of 64 */

static sem_t has_recorded, may_go_on[STARVED];

static void *record_twice(void *arg)
{
    uintptr_t number = (uintptr_t)arg;
    trace_note("early", number);
    sem_post(&has_recorded);
    sem_wait(&may_go_on[number]);
    if (number == STARVED - 1)
        trace_note("late", number);
    return NULL;
}

/* The last thread finds no room. Then the first one ends and leaves some. */
static int subject_starved(void)
{
    pthread_t threads[STARVED];

    sem_init(&has_recorded, 0, 0);
    for (uintptr_t i = 0; i < STARVED; i++) {
        sem_init(&may_go_on[i], 0, 0);
        threads[i] = started(record_twice, (void *)i);
        sem_wait(&has_recorded);
    }
    for (int i = 0; i < STARVED; i++) {
        sem_post(&may_go_on[i]);
        pthread_join(threads[i], NULL);
    }
    return 0;
}

enum { TURNS = 20000 };

static _Atomic uint32_t turn;

/* Two threads take turns: events 0, 2, 4, ... and 1, 3, 5, ... */
static void *take_turns(void *arg)
{
    for (uint32_t i = (uint32_t)(uintptr_t)arg; i < TURNS; i += 2) {
        for (int spins = 0; atomic_load_explicit(&turn, memory_order_acquire) != i; spins++) /* pairs with the store */
            if (spins > 1000)
                sched_yield();
        TRACE(NOTE, 0, 0, i);
        atomic_store_explicit(&turn, i + 1, memory_order_release); /* pairs with the load */
    }
    return NULL;
}

static int subject_turns(void)
{
    pthread_t other = started(take_turns, (void *)1);
    take_turns(NULL);
    pthread_join(other, NULL);
    return 0;
}

static void *send_signals(void *main_thread)
{
    for (int i = 0; i < 20000; i++)
        pthread_kill(*(pthread_t *)main_thread, SIGUSR1);
    return NULL;
}

/* Records without a pause while signal handlers record as well. The exit status says nothing went wrong; the last event
 * says how many signals were handled. */
static int subject_signals(void)
{
    pthread_t self = pthread_self();
    signal(SIGUSR1, on_signal);
    pthread_t other = started(send_signals, &self);
    for (uint32_t i = 0; i < 300000; i++)
        TRACE(NOTE, i, ~i, i * 0x9e3779b97f4a7c15u);
    pthread_join(other, NULL);
    TRACE(RUNTIME_END, 0, 0, handled);
    return 0;
}

static void wait_for(pid_t child)
{
    int status;
    if (waitpid(child, &status, 0) != child || status != 0)
        abort();
}

/* A child that records (and has a child that does), and one that does not. */
static int subject_fork(void)
{
    trace_note("parent", 0);
    pid_t child = fork();
    if (child == 0) {
        trace_note("child", getpid());
        pid_t grandchild = fork();
        if (grandchild == 0) {
            pthread_join(started(two_notes, NULL), NULL);
            trace_note("grandchild", 0);
            _exit(0);
        }
        wait_for(grandchild);
        exit(0);
    }
    wait_for(child);
    pid_t silent = fork();
    if (silent == 0)
        exit(0);
    wait_for(silent);
    trace_note("parent", 1);
    return 0;
}

static int subject_child_without_room(void)
{
    trace_note("parent", 0);
    pid_t child = fork();
    if (child == 0) {
        setenv("TEST_DISK_FULL", "1", 1);
        for (int i = 0; i < 10; i++)
            trace_note("child", i);
        exit(0);
    }
    wait_for(child);
    return 0;
}

static int subject_exec(void)
{
    trace_note("before", 0);
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "test_recorder", "--subject", "fields", (char *)NULL);
        _exit(127);
    }
    wait_for(child);
    trace_note("after", 0);
    return 0;
}

static int subject_underscore_exit(void)
{
    trace_note("last", 0);
    _exit(0);
}

static int subject_abort(void)
{
    trace_note("last", 0);
    abort();
}

static _Atomic int recording_threads;

static void *record_for_ever(void *arg)
{
    (void)arg;
    for (uint32_t i = 0;; i++) {
        TRACE(NOTE, i, 0, 0);
        if (i == 100)
            atomic_fetch_add_explicit(&recording_threads, 1, memory_order_relaxed); /* a mere count */
    }
    return NULL;
}

/* Ends while other threads record. */
static int subject_exit_amid(void)
{
    for (int i = 0; i < 3; i++)
        started(record_for_ever, NULL);
    while (atomic_load_explicit(&recording_threads, memory_order_relaxed) < 3)
        sched_yield();
    return 0;
}

static int subject_change_directory(void)
{
    return chdir("/") == 0 ? subject_fork() : 1;
}

/* Its recording is moved away, and something else takes the name. */
static int subject_replaced(void)
{
    trace_note("before", 0);
    if (rename("run.trace", "moved.trace") == -1)
        return 1;
    int fd = open("run.trace", O_WRONLY | O_CREAT, 0600);
    return ftruncate(fd, 1 << 20) == 0 ? 0 : 1;
}

static int subject_misuse(void)
{
    misuse(SITE(""), "task %d was joined twice", 5);
}
enum { MISUSE_LINE = __LINE__ - 2 };

static const struct {
    const char *name;
    int (*run)(void);
} subjects[] = {
    {"fields", subject_fields},
    {"nothing", subject_nothing},
    {"named_threads", subject_named_threads},
    {"many", subject_many},
    {"5000_threads", subject_5000_threads},
    {"crowd", subject_crowd},
    {"starved", subject_starved},
    {"turns", subject_turns},
    {"signals", subject_signals},
    {"fork", subject_fork},
    {"child_without_room", subject_child_without_room},
    {"exec", subject_exec},
    {"underscore_exit", subject_underscore_exit},
    {"abort", subject_abort},
    {"exit_amid", subject_exit_amid},
    {"change_directory", subject_change_directory},
    {"replaced", subject_replaced},
    {"misuse", subject_misuse},
};

static int subject(const char *name)
{
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++)
        if (!strcmp(subjects[i].name, name))
            return subjects[i].run();
    return 99;
}

/* ---- running them ---- */

static char dir[64];         /* a new one for each test; the run's working directory */
static char said[4096];      /* what the run said on standard error */
static char trace_path[128]; /* dir/run.trace */

static int setup(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/recorder.XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(trace_path, sizeof trace_path, "%s/run.trace", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char path[sizeof dir + 300];
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (e->d_name[0] != '.')
            unlink(path);
    }
    if (d)
        closedir(d);
    return rmdir(dir);
}

static int files_in_dir(void)
{
    int count = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        count += e->d_name[0] != '.';
    closedir(d);
    return count;
}

static void read_said(int fd)
{
    size_t used = 0;
    for (ssize_t got; (got = read(fd, said + used, sizeof said - 1 - used)) > 0;)
        used += (size_t)got;
    said[used] = '\0';
    close(fd);
}

/* Runs a subject; environment: "NAME=value" strings up to a NULL. Returns its wait status. */
static int run(const char *name, const char *const *environment)
{
    int status, ends[2];

    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(20);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        unsetenv("TRACE");
        unsetenv("TRACE_LIMIT");
        for (; *environment; environment++)
            putenv((char *)*environment);
        if (chdir(dir) == 0)
            execl("/proc/self/exe", "test_recorder", "--subject", name, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    read_said(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

#define RUN(name, ...) run(name, (const char *const[]){__VA_ARGS__, NULL})

/* Runs a subject that must end well and in silence, and reads its recording. */
static struct reading recorded(const char *name, const char *limit)
{
    struct reading r;
    char limit_env[32];

    snprintf(limit_env, sizeof limit_env, "TRACE_LIMIT=%s", limit);
    assert_int_equal(RUN(name, "TRACE=run.trace", limit_env), 0);
    assert_string_equal(said, "");
    assert_true(reading_open(&r, trace_path));
    reading_sort(&r);
    assert_int_equal(r.header.flags & 1, 1);
    assert_int_equal(r.header.dropped, 0);
    return r;
}

static int exit_status(int status)
{
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void assert_one_line(const char *text, const char *part)
{
    const char *end = strchr(text, '\n');
    if (!end || end[1] || !strstr(text, part))
        fail_msg("not one line with '%s': %s", part, text);
}

/* ---- tests ---- */

static void without_TRACE_nothing_is_written(void **state)
{
    (void)state;
    assert_int_equal(RUN("fields", "NOTHING="), 0);
    assert_int_equal(RUN("fields", "TRACE="), 0);
    assert_string_equal(said, "");
    assert_int_equal(files_in_dir(), 0);
}

static void an_event_holds_what_it_was_given(void **state)
{
    (void)state;
    struct reading r = recorded("fields", "64M");
    const struct reading_record *e = r.records;

    assert_int_equal(r.count, 3);
    assert_int_equal(e[0].kind, TRACE_THREAD);
    assert_int_equal(e[0].a, r.header.pid); /* the number of the main thread */
    assert_string_equal(reading_label(&r, e[0].site), "main");
    assert_int_equal(e[1].kind, TRACE_QUEUE_PUSH);
    assert_int_equal(e[1].task, 0x12345678);
    assert_int_equal(e[1].a, UINT32_MAX);
    assert_int_equal(e[1].b, UINT64_MAX - 1);
    assert_int_equal(e[1].worker, 7);
    assert_int_equal(e[1].thread, 1);
    assert_string_equal(reading_label(&r, e[1].site), "");
    assert_int_equal(e[2].kind, TRACE_NOTE);
    assert_string_equal(reading_label(&r, e[2].site), "a remark");
    assert_string_equal(reading_function(&r, e[2].site), "subject_fields");
    assert_non_null(strstr(reading_file(&r, e[2].site), "test_recorder.c"));
    assert_int_equal(reading_line(&r, e[2].site), reading_line(&r, e[1].site) + 1);
    reading_close(&r);
}

static void the_header_tells_the_time(void **state)
{
    (void)state;
    uint64_t before = trace_now();
    struct reading r = recorded("many", "64M");
    uint64_t after = trace_now();
    const struct reading_header *h = &r.header;

    assert_true(before <= h->start_ns && h->start_ns < h->end_ns && h->end_ns <= after);
    assert_true(h->start_ticks <= r.records[0].ticks && r.records[r.count - 1].ticks <= h->end_ticks);
    double measured = (double)(h->end_ns - h->start_ns) / (double)(h->end_ticks - h->start_ticks);
    double at_start = (double)h->ns_per_tick / 4294967296.0;
    assert_true(at_start > measured * 0.99 && at_start < measured * 1.01);
    assert_string_equal(h->program, "test_recorder");
    reading_close(&r);
}

static void an_orderly_end_leaves_only_what_was_used(void **state)
{
    (void)state;
    struct reading r = recorded("fields", "64M");
    assert_int_equal(r.chunks, 1);
    assert_int_equal(r.size, r.header.chunks_offset + r.header.chunk_size);
    reading_close(&r);
}

static void what_finds_no_room_is_counted_and_said(void **state)
{
    (void)state;
    struct reading r;
    char part[64];

    assert_int_equal(RUN("many", "TRACE=run.trace", "TRACE_LIMIT=128K"), 0);
    assert_true(reading_open(&r, trace_path));
    assert_true(r.size <= 128 << 10);
    size_t kept = reading_count(&r, TRACE_NOTE, 0);
    assert_true(kept > 100);
    assert_int_equal(kept + r.header.dropped, MANY);
    snprintf(part, sizeof part, "full: %llu events were dropped", (unsigned long long)r.header.dropped);
    assert_one_line(said, part);
    reading_sort(&r);
    assert_int_equal(r.records[r.count - 1].b, kept - 1); /* what is kept has no gaps */
    assert_true(r.records[r.count - 1].ticks <= r.header.first_dropped);
    assert_true(r.header.first_dropped <= r.header.end_ticks);
    reading_close(&r);
}

static void a_bad_limit_is_refused(void **state)
{
    (void)state;
    const char *bad[] = {"TRACE_LIMIT=x",   "TRACE_LIMIT=-1",  "TRACE_LIMIT=64MB", "TRACE_LIMIT=1",
                         "TRACE_LIMIT=100", "TRACE_LIMIT= 1M", "TRACE_LIMIT=M",    "TRACE_LIMIT=99999999999G"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(exit_status(RUN("fields", "TRACE=run.trace", bad[i])), 2);
        assert_one_line(said, "TRACE_LIMIT: cannot record: it must be a size");
    }
    assert_int_equal(files_in_dir(), 0);
}

static void a_file_that_cannot_be_made_is_refused(void **state)
{
    (void)state;
    assert_int_equal(exit_status(RUN("fields", "TRACE=/nonexistent/x")), 2);
    assert_one_line(said, "/nonexistent/x: cannot record: No such file or directory");
    assert_int_equal(exit_status(RUN("fields", "TRACE=.")), 2);
    assert_one_line(said, "cannot record: Is a directory");
    assert_int_equal(exit_status(RUN("fields", "TRACE=/dev/null")), 2);
    assert_one_line(said, "/dev/null: cannot record");
    assert_int_equal(access("/dev/null", W_OK), 0);
}

static void a_full_disk_is_refused(void **state)
{
    (void)state;
    assert_int_equal(exit_status(RUN("fields", "TRACE=run.trace", "TEST_DISK_FULL=1")), 2);
    assert_one_line(said, "run.trace: cannot record: No space left on device");
    assert_int_equal(files_in_dir(), 0);
}

static void a_limit_on_file_sizes_is_refused(void **state)
{
    (void)state;
    struct rlimit before, small = {1 << 20, RLIM_INFINITY};

    getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int status = RUN("fields", "TRACE=run.trace");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(exit_status(status), 2);
    assert_one_line(said, "run.trace: cannot record: File too large");
}

static void an_older_kernel_will_do(void **state)
{
    (void)state;
    struct reading r;
    assert_int_equal(RUN("many", "TRACE=run.trace", "TEST_OLD_KERNEL=1"), 0);
    assert_true(reading_open(&r, trace_path));
    assert_int_equal(reading_count(&r, TRACE_NOTE, 1), MANY);
    reading_close(&r);
}

static void an_old_recording_gives_way_but_who_has_it_open_keeps_it(void **state)
{
    (void)state;
    struct reading r = recorded("many", "64M");
    size_t old_size = r.size;
    reading_close(&r);
    int fd = open(trace_path, O_RDONLY);
    volatile unsigned char *old = mmap(NULL, old_size, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(old != MAP_FAILED);
    r = recorded("fields", "64M");
    assert_int_equal(r.count, 3);
    assert_int_equal(old[0], 'w');
    assert_true(old[old_size - 1] == 0); /* would be a bus error if the file had been cut */
    munmap((void *)old, old_size);
    close(fd);
    reading_close(&r);
}

static void threads_bear_their_names(void **state)
{
    (void)state;
    struct reading r = recorded("named_threads", "64M");

    assert_int_equal(reading_count(&r, TRACE_THREAD, 0), 2);
    for (size_t i = 0; i < r.count; i++)
        if (r.records[i].kind == TRACE_THREAD) {
            bool boss = r.records[i].a == r.header.pid;
            assert_string_equal(reading_label(&r, r.records[i].site), boss ? "boss" : "thread");
        }
    reading_close(&r);
}

static void short_threads_share_chunks(void **state)
{
    (void)state;
    struct reading r = recorded("5000_threads", "64M");
    static bool seen[5001];

    assert_int_equal(reading_count(&r, TRACE_THREAD, 0), 5000);
    assert_int_equal(reading_count(&r, TRACE_NOTE, 0), 10000);
    assert_true(r.chunks <= 12); /* 15,000 records fill 7.3 */
    for (size_t i = 0; i < r.count; i++) {
        unsigned thread = r.records[i].thread;
        assert_in_range(thread, 1, 5000);
        if (seen[thread] != (r.records[i].kind != TRACE_THREAD))
            fail_msg("thread %u: its THREAD event is not its first", thread);
        seen[thread] = true;
    }
    reading_close(&r);
}

static void a_crowd_of_threads_finds_room(void **state)
{
    (void)state;
    struct reading r = recorded("crowd", "2M");
    assert_int_equal(reading_count(&r, TRACE_NOTE, 0), 1000);
    reading_close(&r);
}

static void a_thread_that_lost_one_event_records_no_more(void **state)
{
    (void)state;
    struct reading r;

    assert_int_equal(RUN("starved", "TRACE=run.trace", "TRACE_LIMIT=128K"), 0);
    assert_true(reading_open(&r, trace_path));
    assert_in_range(reading_count(&r, TRACE_NOTE, 0), 50, 64);
    for (size_t i = 0; i < r.count; i++)
        assert_string_not_equal(reading_label(&r, r.records[i].site), "late");
    assert_int_equal(reading_count(&r, TRACE_NOTE, 0) + r.header.dropped, STARVED + 1);
    reading_close(&r);
}

static void time_orders_events_across_threads(void **state)
{
    (void)state;
    struct reading r = recorded("turns", "64M");
    uint64_t next = 0;

    for (size_t i = 0; i < r.count; i++)
        if (r.records[i].kind == TRACE_NOTE && r.records[i].b != next++)
            fail_msg("event %llu comes too early", (unsigned long long)r.records[i].b);
    assert_int_equal(next, TURNS);
    reading_close(&r);
}

static void a_signal_handler_spoils_no_record(void **state)
{
    (void)state;
    struct reading r = recorded("signals", "64M");
    uint32_t next = 0;
    uint64_t handled_next = 0;

    for (size_t i = 0; i < r.count; i++) {
        const struct reading_record *e = &r.records[i];
        if (e->kind == TRACE_UNPARK && e->b != handled_next++)
            fail_msg("event %llu of the handler is missing", (unsigned long long)handled_next - 1);
        if (e->kind != TRACE_NOTE)
            continue;
        if (e->task != next || e->a != ~next || e->b != next * 0x9e3779b97f4a7c15u)
            fail_msg("event %u is spoilt or missing", next);
        next++;
    }
    assert_int_equal(next, 300000);
    assert_int_equal(r.records[r.count - 1].kind, TRACE_RUNTIME_END);
    assert_int_equal(r.records[r.count - 1].b, handled_next);
    assert_true(handled_next > 0);
    reading_close(&r);
}

/* It must not ask for a lock that the interrupted code has, nor write where that is about to write. */
static void a_signal_inside_the_recorder_spoils_no_record(void **state)
{
    (void)state;
    struct reading r;
    uint64_t next = 0, handled_next = 0;

    assert_int_equal(RUN("many", "TRACE=run.trace", "TEST_SIGNALS_INSIDE=1"), 0);
    assert_true(reading_open(&r, trace_path));
    reading_sort(&r);
    for (size_t i = 0; i < r.count; i++) {
        const struct reading_record *e = &r.records[i];
        if ((e->kind == TRACE_UNPARK && e->b != handled_next++) || (e->kind == TRACE_NOTE && e->b != next++))
            fail_msg("event %zu is spoilt, or one before it is missing", i);
    }
    assert_int_equal(next, MANY);
    assert_true(handled_next >= 10); /* there were 3 short runs, and some chunks that were not ready at the start */
    reading_close(&r);
}

/* Parent, child and grandchild, wherever the files are. */
static void assert_family(void)
{
    struct reading parent, child, grandchild;
    char path[192];

    assert_int_equal(files_in_dir(), 3); /* the silent child left none */
    assert_true(reading_open(&parent, trace_path));
    assert_int_equal(parent.count, 3);
    assert_string_equal(reading_label(&parent, parent.records[2].site), "parent");

    pid_t pid = (pid_t)parent.header.pid;
    for (int i = 0; i < 1000 && snprintf(path, sizeof path, "%s.%d", trace_path, ++pid) && access(path, F_OK);)
        i++;
    assert_true(reading_open(&child, path));
    assert_int_equal(child.header.pid, pid);
    assert_int_equal(child.count, 2);
    assert_int_equal(child.records[0].kind, TRACE_THREAD);
    assert_int_equal(child.records[1].b, pid);
    assert_int_equal(child.header.flags & 1, 1);

    size_t length = strlen(path);
    for (int i = 0; i < 1000 && snprintf(path + length, sizeof path - length, ".%d", ++pid) && access(path, F_OK);)
        i++;
    assert_true(reading_open(&grandchild, path));
    assert_int_equal(reading_count(&grandchild, TRACE_NOTE, 1), 2);
    assert_int_equal(reading_count(&grandchild, TRACE_NOTE, 2), 1);
    assert_int_equal(grandchild.header.flags & 1, 0); /* it left by _exit */
    reading_close(&parent);
    reading_close(&child);
    reading_close(&grandchild);
}

static void a_forked_child_has_a_file_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(RUN("fork", "TRACE=run.trace"), 0);
    assert_string_equal(said, "");
    assert_family();
}

static void a_child_that_cannot_record_says_so_and_goes_on(void **state)
{
    (void)state;
    assert_int_equal(RUN("child_without_room", "TRACE=run.trace"), 0);
    assert_one_line(said, "cannot record: No space left on device");
    assert_int_equal(files_in_dir(), 1);
}

static void a_change_of_directory_changes_no_file(void **state)
{
    (void)state;
    struct reading r;
    assert_int_equal(RUN("change_directory", "TRACE=run.trace"), 0);
    assert_family();
    assert_true(reading_open(&r, trace_path));
    assert_true(r.size < 1 << 20); /* found again at the end, and cut to what was used */
    reading_close(&r);
}

static void an_executed_program_has_a_file_of_its_own(void **state)
{
    (void)state;
    struct reading r;
    assert_int_equal(RUN("exec", "TRACE=run.trace"), 0);
    assert_int_equal(files_in_dir(), 2);
    assert_true(reading_open(&r, trace_path));
    assert_int_equal(reading_count(&r, TRACE_NOTE, 1), 2);
    reading_close(&r);
}

static void the_process_number_can_be_part_of_the_name(void **state)
{
    (void)state;
    assert_int_equal(RUN("fields", "TRACE=%p.trace"), 0);
    assert_int_equal(RUN("fields", "TRACE=%p.trace"), 0);
    assert_int_equal(files_in_dir(), 2);
}

static void a_sudden_end_leaves_a_recording(void **state)
{
    (void)state;
    struct reading r;
    const char *ends[] = {"underscore_exit", "abort"};

    for (int i = 0; i < 2; i++) {
        RUN(ends[i], "TRACE=run.trace");
        assert_true(reading_open(&r, trace_path));
        assert_int_equal(r.count, 2);
        assert_int_equal(r.header.flags & 1, 0);
        assert_int_equal(r.header.end_ticks, 0);
        reading_close(&r);
    }
}

static void an_end_cuts_no_file_that_is_not_its_own(void **state)
{
    (void)state;
    struct stat st;
    assert_int_equal(RUN("replaced", "TRACE=run.trace"), 0);
    assert_int_equal(stat(trace_path, &st), 0);
    assert_int_equal(st.st_size, 1 << 20);
}

static void an_end_while_others_record_is_survived(void **state)
{
    (void)state;
    struct reading r;
    for (int i = 0; i < 30; i++) {
        assert_int_equal(RUN("exit_amid", "TRACE=run.trace", "TSAN_OPTIONS=atexit_sleep_ms=0",
                             i % 2 ? "TRACE_LIMIT=1M" : "TRACE_LIMIT=256M"),
                         0);
        assert_true(reading_open(&r, trace_path));
        assert_int_equal(r.header.flags & 1, 1);
        assert_true(reading_count(&r, TRACE_NOTE, 0) > 300);
        reading_close(&r);
    }
}

static void misuse_names_the_line(void **state)
{
    (void)state;
    char part[96];
    int status = RUN("misuse", "NOTHING=");
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    snprintf(part, sizeof part, "test_recorder.c:%d: misuse: task 5 was joined twice\n", MISUSE_LINE);
    assert_one_line(said, part);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(without_TRACE_nothing_is_written),
        TEST(an_event_holds_what_it_was_given),
        TEST(the_header_tells_the_time),
        TEST(an_orderly_end_leaves_only_what_was_used),
        TEST(what_finds_no_room_is_counted_and_said),
        TEST(a_bad_limit_is_refused),
        TEST(a_file_that_cannot_be_made_is_refused),
        TEST(a_full_disk_is_refused),
        TEST(a_limit_on_file_sizes_is_refused),
        TEST(an_older_kernel_will_do),
        TEST(an_old_recording_gives_way_but_who_has_it_open_keeps_it),
        TEST(threads_bear_their_names),
        TEST(short_threads_share_chunks),
        TEST(a_crowd_of_threads_finds_room),
        TEST(a_thread_that_lost_one_event_records_no_more),
        TEST(time_orders_events_across_threads),
        TEST(a_signal_handler_spoils_no_record),
        TEST(a_signal_inside_the_recorder_spoils_no_record),
        TEST(a_forked_child_has_a_file_of_its_own),
        TEST(a_child_that_cannot_record_says_so_and_goes_on),
        TEST(a_change_of_directory_changes_no_file),
        TEST(an_executed_program_has_a_file_of_its_own),
        TEST(the_process_number_can_be_part_of_the_name),
        TEST(a_sudden_end_leaves_a_recording),
        TEST(an_end_cuts_no_file_that_is_not_its_own),
        TEST(an_end_while_others_record_is_survived),
        TEST(misuse_names_the_line),
    };
    if (argc == 3 && !strcmp(argv[1], "--subject"))
        return subject(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

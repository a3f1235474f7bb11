#define _GNU_SOURCE
#include "support_sync.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The atomics here are relaxed where they can be: what the support adds to the order of things would hide a race of the
 * runtime from the thread sanitizer. */

enum { DEADLINE_SECONDS = 60 };

/* --- moments --- */

static struct {
    enum trace_kind kind;
    uint32_t a;
    atomic_uint left; /* until it comes; 0: it came, or none is set */
    errand *work;
    void *arg;
} moment;

static _Thread_local bool in_futex; /* the runtime is about to make a futex call */
static _Thread_local struct worker *self;
static bool over_posix; /* the test is run over the C library */

static void hook(void *unused, enum trace_kind kind, uint32_t task, uint32_t a, uint64_t b)
{
    (void)unused, (void)task, (void)b;
    in_futex = false;
    if (atomic_load_explicit(&moment.left, memory_order_relaxed) > 0 && moment.kind == kind &&
        (moment.a == 0 || moment.a == a) && atomic_fetch_sub(&moment.left, 1) == 1)
        moment.work(moment.arg);
    in_futex = kind == TRACE_SYSCALL_BEGIN && (a == TRACE_CALL_FUTEX_WAIT || a == TRACE_CALL_FUTEX_WAKE);
    if (self && a == TRACE_CALL_FUTEX_WAIT && (kind == TRACE_SYSCALL_BEGIN || kind == TRACE_SYSCALL_END))
        __atomic_store_n(&self->in_futex, kind == TRACE_SYSCALL_BEGIN, __ATOMIC_RELAXED);
}

void at_moment(enum trace_kind kind, uint32_t a, unsigned n, errand *work, void *arg)
{
    moment.kind = kind;
    moment.a = a;
    moment.work = work;
    moment.arg = arg;
    atomic_store(&moment.left, n);
}

bool moment_came(void)
{
    return atomic_load(&moment.left) == 0;
}

/* --- the futex call --- */

static atomic_uint waits, wakes, lies;
static atomic_int lie;

unsigned futex_waits(void)
{
    return atomic_load_explicit(&waits, memory_order_relaxed);
}

unsigned futex_wakes(void)
{
    return atomic_load_explicit(&wakes, memory_order_relaxed);
}

void futex_waits_return(unsigned times, int error)
{
    atomic_store(&lie, error);
    atomic_store(&lies, times);
}

static bool take_lie(void)
{
    unsigned left = atomic_load_explicit(&lies, memory_order_relaxed);
    while (left > 0)
        if (atomic_compare_exchange_weak_explicit(&lies, &left, left - 1, memory_order_relaxed, memory_order_relaxed))
            return true;
    return false;
}

long __real_syscall(long number, ...) __attribute__((weak)); /* weak: for tests that are linked without the wrap */
long __wrap_syscall(long number, ...);

long __wrap_syscall(long number, ...)
{
    long a[6];
    va_list args;

    va_start(args, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    if (number == SYS_futex && in_futex) {
        bool is_wait = ((int)a[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET;
        in_futex = false;
        atomic_fetch_add_explicit(is_wait ? &waits : &wakes, 1, memory_order_relaxed);
        if (is_wait && take_lie()) {
            errno = atomic_load(&lie);
            return errno ? -1 : 0;
        }
    }
    return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* --- the frame --- */

int sync_begin(void **state)
{
    (void)state;
    over_posix = false;
    atomic_store(&waits, 0);
    atomic_store(&wakes, 0);
    atomic_store(&lies, 0);
    atomic_store(&moment.left, 0);
    trace_set_hook(hook, NULL);
    alarm(DEADLINE_SECONDS);
    return 0;
}

int sync_begin_posix(void **state)
{
    sync_begin(state);
    over_posix = true;
    return 0;
}

int sync_end(void **state)
{
    (void)state;
    alarm(0);
    trace_set_hook(NULL, NULL);
    return 0;
}

unsigned sync_seed(void)
{
    const char *text = getenv("SEED");
    unsigned seed = text ? (unsigned)strtoul(text, NULL, 10) : (unsigned)trace_now() % 1000000;

    printf("           SEED=%u\n", seed);
    return seed;
}

/* --- threads --- */

static void *worker_run(void *arg)
{
    struct worker *w = arg;

    self = w;
    __atomic_store_n(&w->id, (int)gettid(), __ATOMIC_RELAXED);
    w->work(w->arg);
    __atomic_store_n(&w->returned, 1, __ATOMIC_RELAXED);
    return NULL;
}

void worker_start(struct worker *w, errand *work, void *arg)
{
    *w = (struct worker){.work = work, .arg = arg};
    assert_int_equal(pthread_create(&w->thread, NULL, worker_run, w), 0);
}

void worker_join(struct worker *w)
{
    assert_int_equal(pthread_join(w->thread, NULL), 0);
}

bool worker_has_returned(struct worker *w)
{
    return __atomic_load_n(&w->returned, __ATOMIC_RELAXED);
}

/* R, S, D ... of a thread of ours; 0 if it is gone. */
static char thread_state(int id)
{
    char path[64], text[256] = "", state = 0;

    snprintf(path, sizeof path, "/proc/self/task/%d/stat", id);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    if (fgets(text, sizeof text, file) && strrchr(text, ')'))
        state = strrchr(text, ')')[2];
    fclose(file);
    return state;
}

static bool is_asleep(const struct worker *w)
{
    int id = __atomic_load_n(&w->id, __ATOMIC_RELAXED);
    bool may_be = over_posix || __atomic_load_n(&w->in_futex, __ATOMIC_RELAXED);

    return id && may_be && thread_state(id) == 'S';
}

void worker_wait_asleep(struct worker *w)
{
    while (!is_asleep(w)) {
        if (worker_has_returned(w))
            fail_msg("the thread goes on instead of waiting");
        sched_yield();
    }
}

void wait_for(const _Atomic int *number, int value)
{
    while (atomic_load_explicit(number, memory_order_relaxed) != value)
        sched_yield();
}

uint64_t soon(void)
{
    return trace_now() + 20000000;
}

uint64_t later(void)
{
    return trace_now() + (uint64_t)3600 * 1000000000;
}

/* --- misuse --- */

_Noreturn static void child_run(errand *work, void *arg, int output)
{
    struct rlimit no_core = {0, 0};

    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGABRT, SIG_DFL);
    dup2(output, STDERR_FILENO);
    work(arg);
    _exit(0);
}

void expect_abort_saying(errand *work, const char *ending)
{
    char text[512] = "";
    size_t length = 0;
    ssize_t got;
    int ends[2], status;

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0)
        child_run(work, NULL, ends[1]);
    close(ends[1]);
    while ((got = read(ends[0], text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)got;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || length <= strlen(ending) ||
        strncmp(text + length - 1 - strlen(ending), ending, strlen(ending)) != 0 || !strstr(text, "test_"))
        fail_msg("expected an abort saying '%s', got status %x and '%s'", ending, (unsigned)status, text);
}

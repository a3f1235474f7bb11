/* What the tests of the suspending half share: futures are polled by hand, with wakers that keep count; the other side
 * can be run at a trace point; misuse is expected. All of it is in this header, so that it needs no other support. */
#ifndef SUPPORT_ASYNC_H
#define SUPPORT_ASYNC_H

#include "future.h"
#include "trace.h"

#include <fnmatch.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
/* cmocka wants some of those above it. */
#include <cmocka.h>

enum { DEADLINE_SECONDS = 120 };

/* --- a waker that keeps count: from any thread --- */

struct counter {
    atomic_int wakes;
    atomic_int held; /* wakers of it that are about */
    void (*on_wake)(void *arg);
    void (*on_drop)(void *arg);
    void *arg;
};

static inline struct waker counter_waker(struct counter *counter);

static inline void counter_wake_by_ref(void *data, const struct site *at)
{
    struct counter *counter = data;

    (void)at;
    /* release: what was done before the wake (partner: counter_wait) */
    atomic_fetch_add_explicit(&counter->wakes, 1, memory_order_release);
    if (counter->on_wake)
        counter->on_wake(counter->arg);
}

static inline void counter_forget(struct counter *counter)
{
    /* The last touch: who sees none held may free it. release: partner, the loads of `held` in the tests */
    atomic_fetch_sub_explicit(&counter->held, 1, memory_order_release);
}

static inline void counter_drop(void *data, const struct site *at)
{
    struct counter *counter = data;

    (void)at;
    if (counter->on_drop)
        counter->on_drop(counter->arg);
    counter_forget(counter);
}

static inline void counter_wake(void *data, const struct site *at)
{
    counter_wake_by_ref(data, at);
    counter_forget(data);
}

static inline struct waker counter_clone(void *data, const struct site *at)
{
    (void)at;
    /* relaxed: only counted */
    atomic_fetch_add_explicit(&((struct counter *)data)->held, 1, memory_order_relaxed);
    return counter_waker(data);
}

static inline struct waker counter_waker(struct counter *counter)
{
    static const struct waker_vtable vtable = {counter_clone, counter_wake, counter_wake_by_ref, counter_drop};
    return (struct waker){&vtable, counter};
}

#define poll_by(f, counter) poll_by_at(&(f)->base, counter, SITE(#f))
static inline enum poll poll_by_at(struct future *f, struct counter *counter, const struct site *at)
{
    struct waker waker = counter_waker(counter);
    struct context cx = {&waker};
    return future_poll_at(f, &cx, at);
}

/* Waits, as an executor would, until there were more wakes than *seen; then *seen is as many as there were. */
static inline void counter_wait(struct counter *counter, int *seen)
{
    /* acquire: partner counter_wake_by_ref */
    while (atomic_load_explicit(&counter->wakes, memory_order_acquire) == *seen)
        sched_yield();
    *seen = atomic_load_explicit(&counter->wakes, memory_order_acquire);
}

/* Polls until it is ready, sleeping in between. */
#define await_by(f, counter) await_by_at(&(f)->base, counter, SITE(#f))
static inline void await_by_at(struct future *f, struct counter *counter, const struct site *at)
{
    for (;;) {
        int seen = atomic_load_explicit(&counter->wakes, memory_order_acquire); /* partner: counter_wake_by_ref */
        if (poll_by_at(f, counter, at) == POLL_READY)
            return;
        counter_wait(counter, &seen);
    }
}

/* --- moments --- */

/* What is to be done, once, when any thread next comes to a trace point of this kind, before that counts as seen. */
struct moment {
    atomic_bool armed;
    enum trace_kind kind;
    void (*act)(void *arg);
    void *arg;
};

static inline void moment_hook(void *arg, enum trace_kind kind, uint32_t task, uint32_t a, uint64_t b)
{
    struct moment *moment = arg;

    (void)task, (void)a, (void)b;
    if (kind == moment->kind && atomic_exchange(&moment->armed, false))
        moment->act(moment->arg);
}

static inline void moment_set(struct moment *moment, enum trace_kind kind, void (*act)(void *arg), void *arg)
{
    *moment = (struct moment){.armed = true, .kind = kind, .act = act, .arg = arg};
    trace_set_hook(moment_hook, moment);
}

static inline void moment_came(struct moment *moment)
{
    trace_set_hook(NULL, NULL);
    assert_false(atomic_load(&moment->armed));
}

/* --- the frame --- */

/* The test ends within its deadline, else SIGALRM ends the program. */
static inline int test_begin(void **state)
{
    (void)state;
    alarm(DEADLINE_SECONDS);
    return 0;
}

static inline int test_end(void **state)
{
    (void)state;
    trace_set_hook(NULL, NULL);
    alarm(0);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, test_begin, test_end)

/* --- chance, from a seed that is printed --- */

/* WAKEFUL_SEED in the environment repeats a run. */
static inline uint64_t seed_new(const char *test)
{
    const char *given = getenv("WAKEFUL_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : trace_now();

    print_message("%s: WAKEFUL_SEED=%llu\n", test, (unsigned long long)seed);
    return seed | 1;
}

/* xorshift64 (Marsaglia) */
static inline uint64_t chance(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed >> 16;
}

static inline void threads_run(unsigned count, void *(*body)(void *arg), void *args, size_t size)
{
    pthread_t threads[16];

    for (unsigned i = 0; i < count; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, body, (char *)args + i * size), 0);
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

/* --- misuse --- */

static int *misuse_line;

#define HERE (*misuse_line = __LINE__)

_Noreturn static inline void misuse_child(void (*act)(void), int errors)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    dup2(errors, STDERR_FILENO);
    alarm(DEADLINE_SECONDS);
    act();
    _exit(0);
}

/* Runs act in a child and expects it to abort with one line: the place that HERE marks, then the message, in which *
 * stands for anything. */
static inline void expect_misuse(void (*act)(void), const char *file, const char *message)
{
    char said[2048] = "", expected[512];
    size_t used = 0;
    ssize_t got;
    int ends[2], status;

    misuse_line = mmap(NULL, sizeof *misuse_line, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(misuse_line, MAP_FAILED);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0)
        misuse_child(act, ends[1]);
    close(ends[1]);
    while (used < sizeof said - 1 && (got = read(ends[0], said + used, sizeof said - 1 - used)) > 0)
        used += (size_t)got;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    snprintf(expected, sizeof expected, "%s:%d: misuse: %s\n", file, *misuse_line, message);
    munmap(misuse_line, sizeof *misuse_line);
    if (fnmatch(expected, said, 0) != 0)
        fail_msg("expected: %sbut it said: %s", expected, said);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

#endif

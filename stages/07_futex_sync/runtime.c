/* How the workers start, and how they end with every task run or dropped once.
 *
 * The end: `closed` is set under the lock of the injection queue, so every spawn from outside comes either before, and
 * its task is in the queue, or after, and is refused. The workers are woken; each finds `closed` when it has finished its
 * poll, gives back the tasks in its queues to the injection queue, and ends. When all have ended, one thread is left, and
 * nothing moves any more but for wakes from foreign threads. It finds every task that is alive in the slabs, aborts it,
 * and drops it (executor_drain): whether it lay in a queue, slept, or is just being woken. */
#include "runtime.h"

#include "join.h"
#include "parker.h"
#include "trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct runtime *runtime_current(void)
{
    struct executor *ex = executor_current();
    return ex ? ex->runtime : NULL;
}

unsigned runtime_worker(void)
{
    struct executor *ex = executor_current();
    return ex ? ex->number + 1 : 0;
}

/* Every first wait for a descriptor or a timer comes through here, before anything is registered or queued. */
struct reactor *reactor_current(const struct site *at)
{
    struct executor *ex = executor_current();

    if (!ex)
        misuse(at, "outside of a task: no reactor runs on this thread");
    watch_use(&ex->runtime->watch);
    return &ex->reactor;
}

/* --- start --- */

static void *worker_main(void *arg)
{
    struct worker *worker = arg;

    trace_thread_name("worker");
    trace_worker(worker->executor.number + 1);
    executor_run(&worker->executor);
    watch_nudge(&worker->executor.runtime->watch);
    return NULL;
}

static unsigned count_workers(unsigned asked)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned count = asked ? asked : cores > 0 ? (unsigned)cores : 1;
    return count < RUNTIME_WORKERS_MAX ? count : RUNTIME_WORKERS_MAX;
}

/* The first `count` workers, which have a thread: their threads end. A nudge wakes one of those who sleep, so each that
 * ends nudges the next. */
static void runtime_stop(struct runtime *rt, unsigned count)
{
    injection_close(&rt->injection);
    watch_nudge(&rt->watch);
    for (unsigned i = 0; i < count; i++)
        pthread_join(rt->workers[i].thread, NULL);
}

/* The first `count` workers, which have an executor and no thread any more. */
static void runtime_free(struct runtime *rt, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        executor_destroy(&rt->workers[i].executor);
    slab_close(rt->injection.slab);
    free(rt->workers);
    TRACE(RUNTIME_END, 0, 0, 0);
}

static int runtime_make_executors(struct runtime *rt)
{
    for (unsigned i = 0; i < rt->worker_count; i++) {
        rt->workers[i].parker = (struct parker){0};
        int error = executor_init(&rt->workers[i].executor, rt, i);
        if (error) {
            runtime_free(rt, i);
            return error;
        }
    }
    int error = watch_init(&rt->watch, rt);
    if (error)
        runtime_free(rt, rt->worker_count);
    return error;
}

static int runtime_start_threads(struct runtime *rt)
{
    for (unsigned i = 0; i < rt->worker_count; i++) {
        int error = pthread_create(&rt->workers[i].thread, NULL, worker_main, &rt->workers[i]);
        if (error) {
            runtime_stop(rt, i);
            watch_destroy(&rt->watch);
            runtime_free(rt, rt->worker_count);
            return -error;
        }
    }
    return 0;
}

int runtime_init(struct runtime *rt, unsigned workers)
{
    TRACE(RUNTIME, 0, 7, TRACE_HAS_WAKES | TRACE_HAS_REACTOR | TRACE_HAS_WORKERS | TRACE_HAS_STEALING);
    *rt = (struct runtime){.worker_count = count_workers(workers)};
    injection_init(&rt->injection);
    idle_init(&rt->idle);
    rt->injection.slab = slab_new(rt);
    rt->workers = aligned_alloc(_Alignof(struct worker), rt->worker_count * sizeof *rt->workers);
    if (!rt->injection.slab || !rt->workers) {
        free(rt->injection.slab);
        free(rt->workers);
        TRACE(RUNTIME_END, 0, 0, 0);
        return -ENOMEM;
    }
    int error = runtime_make_executors(rt);
    return error ? error : runtime_start_threads(rt);
}

/* --- end --- */

void runtime_destroy_at(struct runtime *rt, const struct site *at)
{
    if (executor_current())
        misuse(at, "runtime_destroy inside a task: it would wait for the thread that runs the task");
    if (injection_is_closed(&rt->injection))
        misuse(at, "runtime_destroy of a runtime that was destroyed before");
    runtime_stop(rt, rt->worker_count);
    executor_drain(&rt->workers[0].executor);
    watch_destroy(&rt->watch);
    runtime_free(rt, rt->worker_count);
}

/* --- spawning --- */

/* On a worker of this runtime its executor takes the task, and nobody else has a say. Elsewhere the lock of the
 * injection queue is held in between. */
int runtime_begin_spawn(struct runtime *rt, struct slab **slab)
{
    struct executor *ex = executor_current();

    if (ex && ex->runtime == rt) {
        *slab = ex->slab;
        return ex->closing ? -ESHUTDOWN : 0;
    }
    pthread_mutex_lock(&rt->injection.lock);
    *slab = rt->injection.slab;
    if (!injection_is_closed(&rt->injection))
        return 0;
    pthread_mutex_unlock(&rt->injection.lock);
    return -ESHUTDOWN;
}

void runtime_end_spawn(struct runtime *rt, struct task *task)
{
    struct executor *ex = executor_current();

    if (ex && ex->runtime == rt) {
        if (task)
            executor_adopt(ex, task);
        return;
    }
    if (task) {
        injection_push_locked(&rt->injection, task);
        runtime_call(rt);
    }
    pthread_mutex_unlock(&rt->injection.lock);
}

/* --- work --- */

void runtime_call(struct runtime *rt)
{
    if (idle_call(&rt->idle))
        watch_nudge(&rt->watch);
}

bool runtime_has_work(const struct runtime *rt)
{
    if (injection_length(&rt->injection) > 0)
        return true;
    for (unsigned i = 0; i < rt->worker_count; i++)
        if (ring_length(&rt->workers[i].executor.ring) > 0)
            return true;
    return false;
}

struct runtime_counters runtime_count(const struct runtime *rt, unsigned worker)
{
    const struct counters *counters = &rt->workers[worker - 1].executor.counters;

    /* relaxed: see count in executor.c */
    return (struct runtime_counters){
        .polls = atomic_load_explicit(&counters->polls, memory_order_relaxed),
        .steals = atomic_load_explicit(&counters->steals, memory_order_relaxed),
        .parks = atomic_load_explicit(&counters->parks, memory_order_relaxed),
        .wakes = atomic_load_explicit(&counters->wakes, memory_order_relaxed),
        .overflows = atomic_load_explicit(&counters->overflows, memory_order_relaxed),
    };
}

/* --- block_on --- */

/* A waker that unparks a thread: a pointer to its parker, owned by nobody. */

static void thread_wake(void *parker, const struct site *at)
{
    parker_unpark_at(parker, at);
}

static void thread_waker_drop(void *parker, const struct site *at)
{
    (void)parker;
    (void)at;
}

static struct waker thread_waker_clone(void *parker, const struct site *at);

static const struct waker_vtable thread_waker = {thread_waker_clone, thread_wake, thread_wake, thread_waker_drop};

static struct waker thread_waker_clone(void *parker, const struct site *at)
{
    (void)at;
    return (struct waker){&thread_waker, parker};
}

/* block_on is the joining side of the task, as a join handle would be, and takes its finished future out of it. */
static void wait_for_task(struct task *task, struct future *f, size_t size)
{
    struct parker parker = {0};
    struct waker waker = {&thread_waker, &parker};
    struct context cx = {&waker};

    while (join_poll(task, &cx) == POLL_PENDING)
        parker_park(&parker);
    memcpy(f, task->future, size);
    task_unref(task);
}

int runtime_block_on_at(struct runtime *rt, struct future *f, size_t size, const struct site *at)
{
    struct task *task;

    if (executor_current())
        misuse(at, "runtime_block_on inside a task: it would block the thread that runs the task");
    TRACE_AT(BLOCK_ON_BEGIN, 0, 0, f->id, at);
    int error = task_start(rt, f, size, true, &task, at);
    if (!error)
        wait_for_task(task, f, size);
    TRACE_AT(BLOCK_ON_END, 0, 0, f->id, at);
    return error;
}

/* How the workers start, and how they end with every task run or dropped once.
 *
 * The end: `closed` is set under the lock of the injection queue, so every spawn from outside comes either before, and
 * its task is in the queue, or after, and is refused. Then every worker is nudged. A worker that finds `closed` takes
 * tasks out of the injection queue as ever, but aborts each that it has; its loop ends when it has none left and the
 * queue is empty (executor.c). So there is no task that nobody drops, and none that two workers drop. */
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

/* --- start --- */

static void *worker_main(void *arg)
{
    struct worker *worker = arg;

    trace_thread_name("worker");
    trace_worker(worker->executor.number + 1);
    executor_run(&worker->executor);
    return NULL;
}

static unsigned count_workers(unsigned asked)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned count = asked ? asked : cores > 0 ? (unsigned)cores : 1;
    return count < INJECTION_WORKERS_MAX ? count : INJECTION_WORKERS_MAX;
}

/* The first `count` workers, which have a thread: their threads end. */
static void runtime_stop(struct runtime *rt, unsigned count)
{
    pthread_mutex_lock(&rt->injection.lock);
    rt->injection.closed = true;
    for (unsigned i = 0; i < count; i++)
        reactor_nudge(&rt->workers[i].executor.reactor);
    pthread_mutex_unlock(&rt->injection.lock);
    for (unsigned i = 0; i < count; i++)
        pthread_join(rt->workers[i].thread, NULL);
}

/* The first `count` workers, which have an executor and no thread any more. */
static void runtime_free(struct runtime *rt, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        executor_destroy(&rt->workers[i].executor);
    free(rt->workers);
    TRACE(RUNTIME_END, 0, 0, 0);
}

static int runtime_make_executors(struct runtime *rt)
{
    for (unsigned i = 0; i < rt->worker_count; i++) {
        int error = executor_init(&rt->workers[i].executor, rt, i);
        if (error) {
            runtime_free(rt, i);
            return error;
        }
    }
    return 0;
}

static int runtime_start_threads(struct runtime *rt)
{
    for (unsigned i = 0; i < rt->worker_count; i++) {
        int error = pthread_create(&rt->workers[i].thread, NULL, worker_main, &rt->workers[i]);
        if (error) {
            runtime_stop(rt, i);
            runtime_free(rt, rt->worker_count);
            return -error;
        }
    }
    return 0;
}

int runtime_init(struct runtime *rt, unsigned workers)
{
    TRACE(RUNTIME, 0, 5, TRACE_HAS_WAKES | TRACE_HAS_REACTOR | TRACE_HAS_WORKERS);
    injection_init(&rt->injection);
    rt->worker_count = count_workers(workers);
    rt->workers = calloc(rt->worker_count, sizeof *rt->workers);
    if (!rt->workers) {
        runtime_free(rt, 0);
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
    if (rt->injection.closed)
        misuse(at, "runtime_destroy of a runtime that was destroyed before");
    runtime_stop(rt, rt->worker_count);
    runtime_free(rt, rt->worker_count);
}

/* --- spawning --- */

/* On a worker of this runtime the executor takes the task, and nobody else has a say. Elsewhere the lock of the
 * injection queue is held in between. */
int runtime_begin_spawn(struct runtime *rt)
{
    if (runtime_current() == rt)
        return executor_current()->closing ? -ESHUTDOWN : 0;
    pthread_mutex_lock(&rt->injection.lock);
    if (!rt->injection.closed)
        return 0;
    pthread_mutex_unlock(&rt->injection.lock);
    return -ESHUTDOWN;
}

void runtime_end_spawn(struct runtime *rt, struct task *task)
{
    if (runtime_current() == rt) {
        executor_adopt(executor_current(), task);
        return;
    }
    queue_push(&rt->injection.tasks, task);
    int worker = injection_call_idle(&rt->injection);
    if (worker >= 0)
        reactor_nudge(&rt->workers[worker].executor.reactor);
    pthread_mutex_unlock(&rt->injection.lock);
}

/* --- block_on --- */

/* block_on is the joining side of the task, as a join handle would be, and takes its finished future out of it. */
static void wait_for_task(struct task *task, struct future *f, size_t size)
{
    struct parker parker;
    struct waker waker = parker_waker(&parker);
    struct context cx = {&waker};

    parker_init(&parker);
    while (join_poll(task, &cx) == POLL_PENDING)
        parker_park(&parker);
    parker_destroy(&parker);
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

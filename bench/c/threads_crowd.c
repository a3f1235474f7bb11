/* A thread of the OS for each task. */
#include "threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* A task; it also gives its result. */
struct thread {
    pthread_t thread;
    uint64_t i, n, output;
};

static void thread_start(struct thread *thread, void *(*body)(void *))
{
    must(pthread_create(&thread->thread, NULL, body, thread), "pthread_create");
}

static void crowd_do(struct work *work, uint64_t count, uint64_t n, void *(*body)(void *))
{
    struct thread *threads = subject_alloc_touched(count, sizeof *threads);

    work->checksum = 0;
    uint64_t began = clock_ns();
    for (uint64_t i = 0; i < count; i++) {
        threads[i] = (struct thread){.i = i, .n = n};
        thread_start(&threads[i], body);
    }
    for (uint64_t i = 0; i < count; i++) {
        pthread_join(threads[i].thread, NULL);
        work->checksum += threads[i].output;
    }
    work->value = (double)(clock_ns() - began);
    free(threads);
}

/* --- the bodies --- */

static void *give(void *argument)
{
    struct thread *self = argument;
    self->output = result(self->i);
    return NULL;
}

static void *take_turns(void *argument)
{
    struct thread *self = argument;
    for (uint64_t i = 0; i < self->n; i++)
        sched_yield();
    self->output = (self->i + 1) * self->n;
    return NULL;
}

static void *sleep_a_little(void *argument)
{
    struct thread *self = argument;
    uint64_t began = clock_ns();
    nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    self->output = clock_ns() >= began + 100000;
    return NULL;
}

/* --- the workloads --- */

void spawn_join(struct work *work)
{
    crowd_do(work, work->n, 0, give);
    crowd_do(work, work->n, 0, give);
    work->value /= (double)work->n;
    work->unit = "ns/task";
}

static void yields(struct work *work, uint64_t tasks)
{
    crowd_do(work, tasks, work->n, take_turns);
    crowd_do(work, tasks, work->n, take_turns);
    work->value /= (double)(tasks * work->n);
    work->unit = "ns/yield";
}

void yield_1(struct work *work)
{
    yields(work, 1);
}

void yield_1000x1000(struct work *work)
{
    yields(work, 1000);
}

void sleep_100us(struct work *work)
{
    crowd_do(work, work->n, 0, sleep_a_little);
    crowd_do(work, work->n, 0, sleep_a_little);
    work->value /= 1e6;
    work->unit = "ms";
    if (work->checksum != work->n)
        subject_fail("a sleep that ended early", 0);
}

/* --- memory --- */

static atomic_ullong running; /* relaxed: a plain counter, which orders nothing */

_Noreturn static void *pause_for_ever(void *argument)
{
    (void)argument;
    atomic_fetch_add_explicit(&running, 1, memory_order_relaxed);
    for (;;)
        pause();
}

static void *sleep_an_hour(void *argument)
{
    (void)argument;
    atomic_fetch_add_explicit(&running, 1, memory_order_relaxed);
    nanosleep(&(struct timespec){.tv_sec = 3600}, NULL);
    return NULL;
}

static void keep(struct work *work, void *(*body)(void *))
{
    uint64_t before = anonymous_bytes();
    struct thread *threads = subject_alloc(work->n, sizeof *threads);

    for (uint64_t i = 0; i < work->n; i++)
        thread_start(&threads[i], body);
    while (atomic_load_explicit(&running, memory_order_relaxed) < work->n)
        sched_yield();
    work->value = (double)(anonymous_bytes() - before) / (double)work->n;
    work->unit = "bytes/task";
    work->checksum = work->n;
    subject_answer(work);
    _exit(0); /* the threads still wait */
}

void mem_pending(struct work *work)
{
    keep(work, pause_for_ever);
}

void mem_sleeping(struct work *work)
{
    keep(work, sleep_an_hour);
}

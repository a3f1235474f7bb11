/* A thread outside of the runtime wakes a task inside, and waits for its answer. */
#include "host.h"
#include "wait.h"
#include "workloads.h"

#include <pthread.h>

struct bell {
    pthread_mutex_t lock;
    bool rung;           /* under lock */
    struct waker waiter; /* under lock */
    sem_t answered;
};

/* Answers so many rings. The first thing it does is to answer without one: it is there. */
struct doorkeeper {
    struct future base;
    struct bell *bell;
    uint64_t left;
};

static enum poll doorkeeper_poll(struct future *f, struct context *cx)
{
    struct doorkeeper *self = (struct doorkeeper *)f;
    struct bell *bell = self->bell;

    pthread_mutex_lock(&bell->lock);
    bool rung = bell->rung || f->phase == FUTURE_FRESH;
    bell->rung = false;
    bool ends = rung && self->left-- == 0;
    if (!ends)
        wait_start(&bell->waiter, cx, TRACE_SOURCE_THREAD, 0, SITE("bell"));
    pthread_mutex_unlock(&bell->lock);
    if (rung)
        sem_post(&bell->answered);
    return ends ? POLL_READY : POLL_PENDING;
}

FUTURE_TYPE(doorkeeper, doorkeeper_poll, NULL);

static void bell_ring(struct bell *bell)
{
    pthread_mutex_lock(&bell->lock);
    struct waker waiter = bell->waiter;
    bell->waiter = (struct waker){0};
    bell->rung = true;
    pthread_mutex_unlock(&bell->lock);
    waker_wake(waiter);
}

static void wake_remote_on(struct runtime *rt, struct work *work)
{
    struct bell bell = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct doorkeeper new = {.bell = &bell, .left = work->n};
    struct join_handle handle;

    sem_init(&bell.answered, 0, 0);
    future_init(&new.base, &doorkeeper_type);
    must(task_spawn(rt, &new, &handle), "task_spawn");
    sem_wait(&bell.answered);
    uint64_t began = clock_ns();
    for (uint64_t i = 0; i < work->n; i++) {
        bell_ring(&bell);
        sem_wait(&bell.answered);
    }
    work->value = (double)(clock_ns() - began) / (double)work->n;
    work->unit = "ns/round";
    work->checksum = work->n;
    must(runtime_block_on(rt, &handle), "block_on");
    future_drop(&handle.base);
}

void wake_remote(struct work *work)
{
    host_run(work, wake_remote_on);
}

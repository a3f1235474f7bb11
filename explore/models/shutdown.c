/* A runtime is destroyed while another thread still spawns: each task is run or dropped once, or refused. */
#include "explore.h"

#include "runtime.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_uint dropped;

struct job {
    struct future base;
    void *held; /* freed by its drop */
};

static enum poll job_poll(struct future *f, struct context *cx)
{
    (void)f, (void)cx;
    return POLL_READY;
}

static void job_drop(struct future *f)
{
    free(((struct job *)f)->held);
    atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
}

FUTURE_TYPE(job, job_poll, job_drop);

static void spawn_one(struct runtime *rt)
{
    struct job f = {.held = malloc(1)};

    future_init(&f.base, &job_type);
    int error = task_spawn(rt, &f, NULL);
    EXPECT(error == 0 || error == -ESHUTDOWN);
    if (error)
        future_drop(&f.base);
}

static void *spawn_two(void *rt)
{
    spawn_one(rt);
    spawn_one(rt);
    return NULL;
}

void model_run(void)
{
    static struct runtime rt; /* stays there for the spawn that comes too late */
    pthread_t thread;

    EXPECT(runtime_init(&rt, 1) == 0);
    pthread_create(&thread, NULL, spawn_two, &rt);
    runtime_destroy(&rt);
    pthread_join(thread, NULL);
    EXPECT(atomic_load_explicit(&dropped, memory_order_relaxed) == 2);
}

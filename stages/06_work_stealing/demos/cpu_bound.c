/* What is a ticker worth beside tasks that compute and never wait?
 *
 * A task wants to do something every millisecond. Beside it there are more tasks that compute than there are workers.
 * Stealing does not help: what is in the middle of a poll cannot be stolen, and while all workers are in long polls
 * nobody polls the ticker. Then two ways out: the same work in slices, after each of which the task gives way; and the
 * same work on threads of its own, each of which wakes its task when it is done. */
#include "demo.h"
#include "join_handle.h"
#include "must.h"
#include "runtime.h"
#include "task.h"
#include "timer.h"
#include "trace.h"
#include "wait.h"
#include "yield.h"

#include <pthread.h>

enum { WORKERS = 2, JOBS = 5, SLICES = 4000, TICKS = 50 };

/* Some 5 us, and of no other use. */
static unsigned long compute_slice(unsigned long x)
{
    for (int i = 0; i < 3500; i++)
        x = x * 6364136223846793005u + 1442695040888963407u;
    return x;
}

/* --- the work, in one piece: the mistake --- */

struct whole {
    struct future base;
    unsigned long result;
};

static enum poll whole_poll(struct future *f, struct context *cx)
{
    struct whole *self = (struct whole *)f;

    (void)cx;
    for (int i = 0; i < SLICES; i++)
        self->result = compute_slice(self->result);
    return POLL_READY;
}

FUTURE_TYPE(whole, whole_poll, NULL);

static void spawn_whole(struct runtime *rt, struct join_handle *handle)
{
    struct whole new = {.result = 1};
    future_init(&new.base, &whole_type);
    must(task_spawn(rt, &new, handle), "task_spawn");
}

/* --- the work in slices --- */

struct sliced {
    struct future base;
    unsigned long result;
    int slices_left;
    struct yield yield;
};

static enum poll sliced_poll(struct future *f, struct context *cx)
{
    struct sliced *self = (struct sliced *)f;

    if (f->phase == FUTURE_STARTED) {
        (void)future_poll(&self->yield.base, cx); /* ready: this is its second poll */
        future_drop(&self->yield.base);
    }
    self->result = compute_slice(self->result);
    if (--self->slices_left == 0)
        return POLL_READY;
    self->yield = yield_now();
    return future_poll(&self->yield.base, cx);
}

static void sliced_drop(struct future *f)
{
    struct sliced *self = (struct sliced *)f;
    if (f->phase == FUTURE_STARTED)
        future_drop(&self->yield.base);
}

FUTURE_TYPE(sliced, sliced_poll, sliced_drop);

static void spawn_sliced(struct runtime *rt, struct join_handle *handle)
{
    struct sliced new = {.result = 1, .slices_left = SLICES};
    future_init(&new.base, &sliced_type);
    must(task_spawn(rt, &new, handle), "task_spawn");
}

/* --- the work on a thread of its own --- */

struct apart {
    struct future base;
    pthread_t thread;
    unsigned long result;
    pthread_mutex_t lock;
    bool done;            /* under lock */
    struct waker waiting; /* under lock */
};

static void *apart_main(void *arg)
{
    struct apart *self = arg;

    trace_thread_name("computer");
    for (int i = 0; i < SLICES; i++)
        self->result = compute_slice(self->result);
    pthread_mutex_lock(&self->lock);
    self->done = true;
    wait_wake(&self->waiting, TRACE_SOURCE_THREAD, self->base.id, SITE("done"));
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

/* The thread starts with the first poll: from then on the future stays where it is. */
static enum poll apart_poll(struct future *f, struct context *cx)
{
    struct apart *self = (struct apart *)f;

    if (f->phase == FUTURE_FRESH)
        must(-pthread_create(&self->thread, NULL, apart_main, self), "pthread_create");
    pthread_mutex_lock(&self->lock);
    bool done = self->done;
    if (!done)
        wait_start(&self->waiting, cx, TRACE_SOURCE_THREAD, self->base.id, SITE("computing"));
    pthread_mutex_unlock(&self->lock);
    if (done)
        pthread_join(self->thread, NULL);
    return done ? POLL_READY : POLL_PENDING;
}

/* The thread uses the future's memory, so a drop has to wait for it. */
static void apart_drop(struct future *f)
{
    struct apart *self = (struct apart *)f;

    if (f->phase == FUTURE_STARTED)
        pthread_join(self->thread, NULL);
    wait_cancel(&self->waiting, TRACE_SOURCE_THREAD, self->base.id, SITE("dropped"));
    pthread_mutex_destroy(&self->lock);
}

FUTURE_TYPE(apart, apart_poll, apart_drop);

static void spawn_apart(struct runtime *rt, struct join_handle *handle)
{
    struct apart new = {.result = 1, .lock = PTHREAD_MUTEX_INITIALIZER};
    future_init(&new.base, &apart_type);
    must(task_spawn(rt, &new, handle), "task_spawn");
}

/* --- the ticker --- */

struct ticker {
    struct future base;
    uint64_t due; /* the next tick, on CLOCK_MONOTONIC in ns */
    int ticks;
    double latest, sum; /* outputs: ms */
    struct sleep sleep;
};

static void ticker_tick(struct ticker *self)
{
    double late = ((double)trace_now() - (double)self->due) / 1e6;

    self->latest = late > self->latest ? late : self->latest;
    self->sum += late;
    self->due += MILLISECONDS(1);
    self->ticks++;
}

static enum poll ticker_poll(struct future *f, struct context *cx)
{
    struct ticker *self = (struct ticker *)f;

    if (f->phase == FUTURE_FRESH)
        self->sleep = sleep_until(self->due);
    while (self->ticks < TICKS) {
        if (future_poll(&self->sleep.base, cx) == POLL_PENDING)
            return POLL_PENDING;
        future_drop(&self->sleep.base);
        ticker_tick(self);
        self->sleep = sleep_until(self->due);
    }
    future_drop(&self->sleep.base);
    return POLL_READY;
}

static void ticker_drop(struct future *f)
{
    struct ticker *self = (struct ticker *)f;
    if (f->phase == FUTURE_STARTED)
        future_drop(&self->sleep.base);
}

FUTURE_TYPE(ticker, ticker_poll, ticker_drop);

static void spawn_ticker(struct runtime *rt, struct join_handle *handle)
{
    struct ticker new = {.due = trace_now() + MILLISECONDS(1)};
    future_init(&new.base, &ticker_type);
    must(task_spawn(rt, &new, handle), "task_spawn");
}

/* --- the scenes --- */

/* Spawns the ticker and the jobs, so that all of them are there before the first of them runs. */
struct crew {
    struct future base;
    int jobs;
    void (*spawn_job)(struct runtime *rt, struct join_handle *handle);
    struct join_handle *handles; /* the ticker's, then the jobs' */
};

static enum poll crew_poll(struct future *f, struct context *cx)
{
    struct crew *self = (struct crew *)f;

    (void)cx;
    spawn_ticker(runtime_current(), &self->handles[0]);
    for (int i = 1; i <= self->jobs; i++)
        self->spawn_job(runtime_current(), &self->handles[i]);
    return POLL_READY;
}

FUTURE_TYPE(crew, crew_poll, NULL);

static void scene(const char *beside, int jobs, void (*spawn_job)(struct runtime *rt, struct join_handle *handle))
{
    struct join_handle handles[1 + JOBS];
    struct crew crew = {.jobs = jobs, .spawn_job = spawn_job, .handles = handles};
    struct runtime rt;

    must(runtime_init(&rt, WORKERS), "runtime_init");
    future_init(&crew.base, &crew_type);
    must(runtime_block_on(&rt, &crew), "runtime_block_on");
    future_drop(&crew.base);
    for (int i = 0; i <= jobs; i++)
        must(runtime_block_on(&rt, &handles[i]), "runtime_block_on");
    const struct ticker *ticker = join_handle_output(&handles[0]);
    printf("  %-46s on average %6.2f ms late, at most %6.2f\n", beside, ticker->sum / TICKS, ticker->latest);
    for (int i = 0; i <= jobs; i++)
        future_drop(&handles[i].base);
    runtime_destroy(&rt);
}

int main(int argc, char **argv)
{
    demo_begin(argc, argv, "A task ticks every ms, on two workers, beside five tasks that compute.", 0);
    printf("A task ticks 50 times, every millisecond. Beside\n");
    scene("nothing:", 0, NULL);
    scene("5 tasks that compute in one piece:", JOBS, spawn_whole);
    scene("5 tasks that compute in slices of 5 us:", JOBS, spawn_sliced);
    scene("5 tasks, for each of which a thread computes:", JOBS, spawn_apart);
    printf(
        "A worker looks at its timers every 61 polls, so slices must be short. A thread costs more at its start, and\n"
        "then leaves it to the kernel who gets the processor.\n");
    return 0;
}

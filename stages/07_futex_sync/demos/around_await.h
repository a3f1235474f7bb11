/* What the four programs about a lock around an await share: their names say which lock, and how long it is held.
 *
 * A runtime with one worker (or as many as asked for), and one task more than it has workers. Each task takes the lock
 * and changes what it guards. It sleeps 50 ms as well, as a task: with the lock, or after it. Beside them there is a
 * bystander, a task that has nothing to do with the lock and ticks every 10 ms: by its ticks one sees whether the workers
 * still run tasks.
 *
 * The main thread is the watchdog. It looks on from outside, and after a second it says what has become of the tasks. */
#ifndef AROUND_AWAIT_H
#define AROUND_AWAIT_H

#include "demo.h"
#include "must.h"
#include "runtime.h"
#include "task.h"
#include "timer.h"
#include "trace.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

enum { TICK_MS = 10, PAUSE_MS = 50, PATIENCE_MS = 1000, WORKERS_MAX = 8 };

static struct {
    struct runtime rt;
    unsigned workers, tasks;
    unsigned begun, ticks_then; /* when the tasks were spawned: ms, ticks */
    atomic_uint done, ticks;    /* relaxed, all of it: only counted */
} scene;

static inline unsigned scene_now(void)
{
    return (unsigned)(trace_now() / 1000000);
}

static inline unsigned scene_count(atomic_uint *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* A task has done its part. */
static inline void scene_done(void)
{
    atomic_fetch_add_explicit(&scene.done, 1, memory_order_relaxed);
}

/* --- the bystander --- */

struct bystander {
    struct future base;
    struct sleep sleep;
};

static inline enum poll bystander_poll(struct future *f, struct context *cx)
{
    struct bystander *self = (struct bystander *)f;

    while (future_poll(&self->sleep.base, cx) == POLL_READY) {
        future_drop(&self->sleep.base);
        atomic_fetch_add_explicit(&scene.ticks, 1, memory_order_relaxed);
        self->sleep = sleep_for(MILLISECONDS(TICK_MS));
    }
    return POLL_PENDING;
}

static inline void bystander_drop(struct future *f)
{
    struct bystander *self = (struct bystander *)f;
    future_drop(&self->sleep.base);
}

FUTURE_TYPE(bystander, bystander_poll, bystander_drop);

/* --- the one who spawns the others, all in one poll: so they are all there before the first one is polled --- */

struct opener {
    struct future base;
    void (*spawn_all)(unsigned tasks);
};

static inline enum poll opener_poll(struct future *f, struct context *cx)
{
    struct opener *self = (struct opener *)f;

    (void)cx;
    self->spawn_all(scene.tasks);
    return POLL_READY;
}

FUTURE_TYPE(opener, opener_poll, NULL);

/* --- the main thread --- */

/* Until so many have happened, or the time (in ms) is over. False: they have not. */
static inline bool scene_wait(atomic_uint *counter, unsigned wanted, unsigned patience)
{
    unsigned from = scene_now();

    while (scene_count(counter) < wanted && scene_now() - from < patience)
        usleep(1000);
    return scene_count(counter) >= wanted;
}

/* What --help says of the number. */
#define SCENE_NUMBER "NUMBER is that of the workers, 1 to 8; there is one if none is given."

/* Starts the runtime, the bystander, and the tasks, which spawn_all is to spawn in runtime_current(). */
static inline void scene_begin(int argc, char **argv, const char *about, void (*spawn_all)(unsigned tasks))
{
    long workers = demo_begin(argc, argv, about, 1);

    if (workers < 1 || workers > WORKERS_MAX) {
        fprintf(stderr, "%s: takes 1 to %d workers, not %ld; try --help\n", argv[0], WORKERS_MAX, workers);
        exit(2);
    }
    trace_thread_name("main, the watchdog");
    scene.workers = (unsigned)workers;
    scene.tasks = scene.workers + 1;
    must(runtime_init(&scene.rt, scene.workers), "runtime_init");
    struct bystander bystander = {.sleep = sleep_for(MILLISECONDS(TICK_MS))};
    future_init(&bystander.base, &bystander_type);
    must(task_spawn(&scene.rt, &bystander, NULL), "task_spawn");
    scene_wait(&scene.ticks, 2, PATIENCE_MS);
    printf("%u worker%s, %u tasks that want the lock.\n", scene.workers, scene.workers == 1 ? "" : "s", scene.tasks);
    scene.begun = scene_now();
    scene.ticks_then = scene_count(&scene.ticks);
    struct opener opener = {.spawn_all = spawn_all};
    future_init(&opener.base, &opener_type);
    must(runtime_block_on(&scene.rt, &opener), "runtime_block_on");
    future_drop(&opener.base);
}

/* Waits for the tasks, and says how they are, and the bystander. False: they are not done, and it is late. */
static inline bool scene_watch(void)
{
    bool done = scene_wait(&scene.done, scene.tasks, PATIENCE_MS);
    unsigned ms = scene_now() - scene.begun;

    printf("After %u ms: %u of %u tasks are done. The bystander has ticked %u times, of %u.\n", ms,
           scene_count(&scene.done), scene.tasks, scene_count(&scene.ticks) - scene.ticks_then, ms / TICK_MS);
    return done;
}

#endif

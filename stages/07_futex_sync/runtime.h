/* The runtime: worker threads, each with an executor and a reactor of its own, and what they share: the injection queue,
 * the word that says who is idle, and the watch, where they sleep.
 *
 * A task that is spawned or woken on a worker stays there, unless an idle worker steals it. What comes from outside goes
 * to the injection queue. */
#ifndef RUNTIME_H
#define RUNTIME_H

#include "executor.h"
#include "idle.h"
#include "injection.h"
#include "parker.h"
#include "watch.h"

#include <pthread.h>

enum { RUNTIME_WORKERS_MAX = WATCH_WORKERS_MAX };

struct worker {
    pthread_t thread;
    struct parker parker; /* it sleeps here until the watch is in use */
    struct executor executor;
};

struct runtime {
    struct injection injection;
    struct idle idle;
    struct watch watch;
    struct worker *workers;
    unsigned worker_count;
};

/* Starts the workers (0: as many as the machine has cores; at most RUNTIME_WORKERS_MAX). 0 or -errno: then nothing is
 * left behind. The struct must stay where it is until runtime_destroy. A forked child leaves the runtime alone. */
int runtime_init(struct runtime *rt, unsigned workers);

/* Ends the workers, each at most 61 polls later, aborts the tasks that are left, and drops them, on this thread.
 * From its first moment on nothing can be spawned any more, but for tasks that spawn on a worker which has not heard of
 * it yet; theirs are dropped, too. Wakers and join handles that are still about stay valid.
 * No thread may use the runtime otherwise meanwhile, but for spawning; aborts with the caller's line inside a task. */
#define runtime_destroy(rt) runtime_destroy_at(rt, SITE(#rt))
void runtime_destroy_at(struct runtime *rt, const struct site *at);

/* Has a worker run *f as a task, sleeps until it is ready, then moves it back: its output is read in *f, which the caller
 * drops. 0 or -errno: then f is untouched. Any thread, several at once.
 * Aborts with the caller's line inside a task: it would block the very thread that has to run what it waits for. */
#define runtime_block_on(rt, f) runtime_block_on_at(rt, &(f)->base, TASK_FUTURE_SIZE(f), SITE(#f))
int runtime_block_on_at(struct runtime *rt, struct future *f, size_t size, const struct site *at);

/* The runtime whose worker this thread is, NULL on any other: for tasks that spawn tasks. */
struct runtime *runtime_current(void);

/* The number of that worker, from 1, as in recordings; 0 on any other thread. */
unsigned runtime_worker(void);

/* What a worker (from 1) has counted up to now. Any thread. */
struct runtime_counters {
    uint64_t polls;
    uint64_t steals;    /* tasks that it took from other workers */
    uint64_t parks;     /* it slept */
    uint64_t wakes;     /* it called another worker */
    uint64_t overflows; /* its ring was full */
};

struct runtime_counters runtime_count(const struct runtime *rt, unsigned worker);

/* --- for task_spawn: between the two, on one thread, the runtime cannot close --- */

/* 0: *slab is where the task comes from; or -ESHUTDOWN, then no end. */
int runtime_begin_spawn(struct runtime *rt, struct slab **slab);
void runtime_end_spawn(struct runtime *rt, struct task *task); /* NULL: there is none after all */

/* --- for the executors --- */

/* There is work that any worker may take: if it is necessary, wakes one. */
void runtime_call(struct runtime *rt);

/* Is there any such work? acquire, see the functions that it asks: for a worker that has just changed the idle word,
 * everything that was published before an earlier change of it. */
bool runtime_has_work(const struct runtime *rt);

#endif

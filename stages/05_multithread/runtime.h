/* The runtime: worker threads, each with an executor and a reactor of its own, and the injection queue that feeds them.
 *
 * A task that is spawned outside of the workers goes to the injection queue, and the first worker that looks there takes
 * it over. One that is spawned inside a task stays with that task's worker. Either way a task belongs to one worker from
 * its first poll on: there it is polled, and there it is registered with the reactor. */
#ifndef RUNTIME_H
#define RUNTIME_H

#include "executor.h"
#include "injection.h"

struct worker {
    pthread_t thread;
    struct executor executor;
};

struct runtime {
    struct injection injection;
    struct worker *workers;
    unsigned worker_count;
};

/* Starts the workers (0: as many as the machine has cores; at most INJECTION_WORKERS_MAX). 0 or -errno: then nothing is
 * left behind. The struct must stay where it is until runtime_destroy. A forked child leaves the runtime alone. */
int runtime_init(struct runtime *rt, unsigned workers);

/* Aborts the tasks that are left, waits until the workers have dropped them, and ends the workers. From its first moment
 * on nothing can be spawned any more. Wakers and join handles that are still about stay valid.
 * No thread may use the runtime otherwise meanwhile, but for spawning; aborts with the caller's line inside a task. */
#define runtime_destroy(rt) runtime_destroy_at(rt, SITE(#rt))
void runtime_destroy_at(struct runtime *rt, const struct site *at);

/* Has a worker run *f as a task, sleeps until it is ready, then moves it back: its output is read in *f, which the caller
 * drops. 0 or -errno: then f is untouched. Any thread, several at once.
 * Aborts with the caller's line inside a task: it would block the very thread that has to run what it waits for. */
#define runtime_block_on(rt, f) runtime_block_on_at(rt, &(f)->base, sizeof *(f), SITE(#f))
int runtime_block_on_at(struct runtime *rt, struct future *f, size_t size, const struct site *at);

/* The runtime whose worker this thread is, NULL on any other: for tasks that spawn tasks. */
struct runtime *runtime_current(void);

/* The number of that worker, from 1, as in recordings; 0 on any other thread. */
unsigned runtime_worker(void);

/* For task_spawn: between the two, on one thread, the runtime cannot close. begin: 0, or -ESHUTDOWN (then no end). */
int runtime_begin_spawn(struct runtime *rt);
void runtime_end_spawn(struct runtime *rt, struct task *task);

#endif

/* The same workloads run on every stage. From stage 05 on a runtime has workers; in stage 04 the main thread's executor
 * is all there is, and these few names make it look alike. */
#ifndef HOST_H
#define HOST_H

#include "../subject.h"
#include "join_handle.h"
#include "task.h"

#include <semaphore.h>

#if STAGE == 4

#include "executor.h"

#define runtime          executor
#define runtime_block_on executor_block_on
#define runtime_current  executor_current
#define runtime_destroy  executor_destroy

static inline int runtime_init(struct runtime *rt, unsigned workers)
{
    (void)workers;
    return executor_init(rt);
}

/* Waits for the detached tasks: all of them, as nobody but this thread can run them. */
static inline void host_wait(struct runtime *rt, sem_t *done)
{
    (void)done;
    executor_run(rt);
}

#else

#include "runtime.h"

/* Waits for the detached tasks, the last of which posts to done. */
static inline void host_wait(struct runtime *rt, sem_t *done)
{
    (void)rt;
    sem_wait(done);
}

#endif

/* Does the work on a runtime of its own, the first time as a warm-up. */
static inline void host_run(struct work *work, void (*body)(struct runtime *, struct work *))
{
    struct runtime rt;

    must(runtime_init(&rt, work->workers), "runtime_init");
    body(&rt, work);
    body(&rt, work);
    runtime_destroy(&rt);
}

#endif

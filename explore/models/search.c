/* Two workers that sleep, and two tasks from outside: the first blocks the thread that runs it until the second has run.
 * The worker that is called for the first may miss the second, and nobody is called for that while it searches. So when
 * it stops searching it has to see to it that the other worker comes.
 */
#include "models/blocking.h"

#include <sched.h>

enum { WORKERS = 2 };

static struct event done = EVENT;

static void wait_until_all_sleep(struct runtime *rt)
{
    while (atomic_load_explicit(&rt->idle.word, memory_order_relaxed) != WORKERS * IDLE_SLEEPING)
        sched_yield();
}

void model_run(void)
{
    struct runtime rt;

    explorer_calm(true);
    EXPECT(runtime_init(&rt, WORKERS) == 0);
    wait_until_all_sleep(&rt);
    explorer_calm(false);
    spawn(&rt, &block_type, &done);
    spawn(&rt, &work_type, &done);
    event_wait(&done);
    explorer_calm(true);
    runtime_destroy(&rt);
}

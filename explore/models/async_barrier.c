/* Three tasks meet at a barrier, twice: what each wrote before it the others read after it, and one of them is the leader
 * each time.
 */
#include "models/sleeper.h"

#include "async_barrier.h"

enum { TASKS = 3, ROUNDS = 2 };

static struct async_barrier barrier;
static struct sleeper sleepers[TASKS];
static bool written[TASKS][ROUNDS];
static atomic_uint leaders;

static void meet(struct sleeper *self)
{
    struct async_barrier_wait wait = async_barrier_wait(&barrier);

    sleeper_run(self, &wait.base);
    atomic_fetch_add_explicit(&leaders, wait.output, memory_order_relaxed);
    future_drop(&wait.base);
}

static void *meet_twice(void *arg)
{
    struct sleeper *self = arg;

    for (unsigned round = 0; round < ROUNDS; round++) {
        written[self - sleepers][round] = true;
        meet(self);
        for (unsigned i = 0; i < TASKS; i++)
            EXPECT(written[i][round]);
    }
    return NULL;
}

void model_run(void)
{
    pthread_t threads[TASKS];

    async_barrier_init(&barrier, TASKS);
    for (int i = 1; i < TASKS; i++)
        pthread_create(&threads[i], NULL, meet_twice, &sleepers[i]);
    meet_twice(&sleepers[0]);
    for (int i = 1; i < TASKS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < TASKS; i++)
        EXPECT(atomic_load_explicit(&sleepers[i].wakers, memory_order_relaxed) == 0);
    EXPECT(atomic_load_explicit(&leaders, memory_order_relaxed) == ROUNDS);
    async_barrier_destroy(&barrier);
}

/* Two tasks take an async mutex, one after the other, and a third one waits for it and changes its mind.
 */
#include "models/sleeper.h"

#include "async_mutex.h"

enum { TASKS = 2 };

static struct async_mutex lock;
static struct sleeper sleepers[TASKS], hasty;
static unsigned visits;

static void visit(void)
{
    visits++;
    async_mutex_unlock(&lock);
}

static void *lock_and_visit(void *sleeper)
{
    struct async_mutex_lock taken = async_mutex_lock(&lock);

    sleeper_run(sleeper, &taken.base);
    visit();
    future_drop(&taken.base);
    return NULL;
}

static void *change_its_mind(void *arg)
{
    struct async_mutex_lock taken = async_mutex_lock(&lock);

    if (sleeper_poll(&hasty, &taken.base) == POLL_READY)
        visit();
    future_drop(&taken.base);
    return arg;
}

void model_run(void)
{
    pthread_t threads[TASKS];

    async_mutex_init(&lock);
    for (int i = 0; i < TASKS; i++)
        pthread_create(&threads[i], NULL, lock_and_visit, &sleepers[i]);
    change_its_mind(NULL);
    for (int i = 0; i < TASKS; i++)
        pthread_join(threads[i], NULL);
    EXPECT(visits >= TASKS);
    for (int i = 0; i < TASKS; i++)
        EXPECT(atomic_load_explicit(&sleepers[i].wakers, memory_order_relaxed) == 0);
    EXPECT(atomic_load_explicit(&hasty.wakers, memory_order_relaxed) == 0);
    async_mutex_destroy(&lock);
}

/* The first in line wants more permits than there are, and changes its mind; perhaps too late, when it has been granted
 * them. Two who want one each, and keep it, come before or after it. They get theirs, and none is lost or made.
 */
#include "models/sleeper.h"

#include "async_semaphore.h"

#include <stdlib.h>

enum { MODEST = 2, MANY = 3 };

static struct async_semaphore permits;
static struct sleeper modest[MODEST], greedy;

/* Freed at once: a wait that is still in line is noticed. */
static void finish(struct async_semaphore_acquire *acquire)
{
    future_drop(&acquire->base);
    free(acquire);
}

static void *take_one(void *arg)
{
    struct async_semaphore_acquire *acquire = malloc(sizeof *acquire);

    *acquire = async_semaphore_acquire(&permits, 1);
    sleeper_run_hastily(arg, &acquire->base);
    finish(acquire);
    return NULL;
}

/* Returns how many it has added. */
static unsigned change_its_mind(unsigned more)
{
    struct async_semaphore_acquire *acquire = malloc(sizeof *acquire);

    *acquire = async_semaphore_acquire(&permits, MANY);
    EXPECT(sleeper_poll(&greedy, &acquire->base) == POLL_PENDING);
    if (more)
        async_semaphore_release(&permits, more);
    finish(acquire);
    return more;
}

void model_run(void)
{
    bool too_late = explorer_choose(2);
    unsigned before = too_late ? 1 : MODEST;
    pthread_t threads[MODEST];

    async_semaphore_init(&permits, before);
    for (int i = 0; i < MODEST; i++)
        pthread_create(&threads[i], NULL, take_one, &modest[i]);
    unsigned more = change_its_mind(too_late ? MANY - 1 : 0);
    for (int i = 0; i < MODEST; i++) {
        pthread_join(threads[i], NULL);
        EXPECT(atomic_load_explicit(&modest[i].wakers, memory_order_relaxed) == 0);
    }
    EXPECT(atomic_load_explicit(&greedy.wakers, memory_order_relaxed) == 0);
    EXPECT(async_semaphore_available(&permits) == before + more - MODEST);
    async_semaphore_destroy(&permits);
}

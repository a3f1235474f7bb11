/* One notification for two who wait, of whom one may change its mind: the other gets it.
 */
#include "models/sleeper.h"

#include "notify.h"

static struct notify notify;
static struct sleeper patient, hasty;
static unsigned message;

static void *wait_for_it(void *arg)
{
    struct notify_wait wait = notify_wait(&notify);

    sleeper_run(&patient, &wait.base);
    EXPECT(message == 1);
    future_drop(&wait.base);
    return arg;
}

/* Polls once. What it gets it passes on, itself or by its drop. */
static void *change_its_mind(void *arg)
{
    struct notify_wait wait = notify_wait(&notify);
    bool notified = sleeper_poll(&hasty, &wait.base) == POLL_READY;

    future_drop(&wait.base);
    if (notified)
        notify_one(&notify);
    return arg;
}

void model_run(void)
{
    pthread_t threads[2];

    notify_init(&notify);
    pthread_create(&threads[0], NULL, change_its_mind, NULL);
    pthread_create(&threads[1], NULL, wait_for_it, NULL);
    message = 1;
    notify_one(&notify);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    EXPECT(atomic_load_explicit(&patient.wakers, memory_order_relaxed) == 0);
    EXPECT(atomic_load_explicit(&hasty.wakers, memory_order_relaxed) == 0);
    notify_destroy(&notify);
}

/* Two tasks make a wait, look whether there is news, and wait if there is none; a third thread has news and notifies all.
 * Whenever that comes, both get to see it.
 */
#include "models/sleeper.h"

#include "notify.h"

#include <stdlib.h>

enum { TASKS = 2 };

static struct notify notify;
static struct sleeper sleepers[TASKS];
static atomic_bool news; /* relaxed: the notification alone says that it was written before */

static bool has_news(void)
{
    return atomic_load_explicit(&news, memory_order_relaxed);
}

static void *look_and_wait(void *arg)
{
    struct notify_wait *wait = malloc(sizeof *wait);

    *wait = notify_wait(&notify);
    if (!has_news()) {
        sleeper_run(arg, &wait->base);
        EXPECT(has_news());
    }
    future_drop(&wait->base);
    free(wait);
    return NULL;
}

void model_run(void)
{
    pthread_t threads[TASKS];

    notify_init(&notify);
    for (int i = 0; i < TASKS; i++)
        pthread_create(&threads[i], NULL, look_and_wait, &sleepers[i]);
    atomic_store_explicit(&news, true, memory_order_relaxed);
    notify_all(&notify);
    for (int i = 0; i < TASKS; i++) {
        pthread_join(threads[i], NULL);
        EXPECT(atomic_load_explicit(&sleepers[i].wakers, memory_order_relaxed) == 0);
    }
    notify_destroy(&notify);
}

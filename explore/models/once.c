/* Three threads need the same thing: one makes it, all see it.
 */
#include "explore.h"

#include "once.h"

#include <pthread.h>

enum { THREADS = 3 };

static struct once once;
static unsigned made;

static void make(void *arg)
{
    (void)arg;
    made++;
}

static void *need(void *arg)
{
    once_call(&once, make, NULL);
    EXPECT(made == 1);
    return arg;
}

void model_run(void)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, need, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

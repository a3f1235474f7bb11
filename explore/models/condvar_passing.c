/* One thread waits for an item, another for one and then for one more, and each signal comes after the mutex was given
 * back. So a thread may come to wait between the two steps of a signal, and be the one whom the second step wakes,
 * although it was counted in after the first. It has to pass the wake on.
 */
#include "explore.h"

#include "condvar.h"

#include <pthread.h>

enum { WAITERS = 2, ITEMS = 3 };

static struct mutex lock;
static struct condvar changed;
static unsigned items;

static void take_one(void)
{
    mutex_lock(&lock);
    while (items == 0)
        condvar_wait(&changed, &lock);
    items--;
    mutex_unlock(&lock);
}

static void *take(void *arg)
{
    for (int i = *(int *)arg; i > 0; i--)
        take_one();
    return NULL;
}

static void put_one(void)
{
    mutex_lock(&lock);
    items++;
    mutex_unlock(&lock);
    condvar_signal(&changed);
}

void model_run(void)
{
    int shares[WAITERS] = {1, 2};
    pthread_t threads[WAITERS];

    for (int i = 0; i < WAITERS; i++)
        pthread_create(&threads[i], NULL, take, &shares[i]);
    for (int i = 0; i < ITEMS; i++)
        put_one();
    for (int i = 0; i < WAITERS; i++)
        pthread_join(threads[i], NULL);
}

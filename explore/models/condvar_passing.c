/* Three threads wait for an item each, and each signal comes after the mutex was given back. So a thread may come to wait
 * between the two steps of a signal, and be the one whom the second step wakes, although it was counted in after the
 * first. It has to pass the wake on.
 */
#include "explore.h"

#include "condvar.h"

#include <pthread.h>

enum { WAITERS = 3 };

static struct mutex lock;
static struct condvar changed;
static unsigned items;

static void *take_one(void *arg)
{
    mutex_lock(&lock);
    while (items == 0)
        condvar_wait(&changed, &lock);
    items--;
    mutex_unlock(&lock);
    return arg;
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
    pthread_t threads[WAITERS];

    for (int i = 0; i < WAITERS; i++)
        pthread_create(&threads[i], NULL, take_one, NULL);
    for (int i = 0; i < WAITERS; i++)
        put_one();
    for (int i = 0; i < WAITERS; i++)
        pthread_join(threads[i], NULL);
}

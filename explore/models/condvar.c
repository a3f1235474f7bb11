/* Two threads wait for their turn, a third changes the data and signals: each of them wakes who is to wake.
 */
#include "explore.h"

#include "condvar.h"

#include <pthread.h>

enum { WAITERS = 2 };

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
    condvar_signal(&changed);
    mutex_unlock(&lock);
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
    EXPECT(items == 0);
}

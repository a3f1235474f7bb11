/* Three threads and a mutex, in memory that the last of them frees: nobody is forgotten, what is written under it is seen,
 * and nobody touches it after he has given it away.
 */
#include "explore.h"

#include "mutex.h"

#include <pthread.h>
#include <stdlib.h>

enum { THREADS = 3 };

struct shared {
    struct mutex lock;
    unsigned visits;
};

static void *visit(void *arg)
{
    struct shared *s = arg;

    mutex_lock(&s->lock);
    bool last = ++s->visits == THREADS;
    mutex_unlock(&s->lock);
    if (last)
        free(s);
    return NULL;
}

void model_run(void)
{
    pthread_t threads[THREADS];

    struct shared *shared = calloc(1, sizeof *shared);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, visit, shared);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

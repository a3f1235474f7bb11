/* Two threads wait for a permit each, and the last of them frees the semaphore, which whoever posts must not touch by
 * then.
 */
#include "explore.h"

#include "semaphore.h"

#include <pthread.h>
#include <stdlib.h>

enum { WAITERS = 2 };

struct shared {
    struct semaphore permits;
    atomic_uint users;
    unsigned message;
};

static void *wait_for_one(void *arg)
{
    struct shared *s = arg;

    semaphore_wait(&s->permits);
    EXPECT(s->message == 1);
    if (atomic_fetch_sub_explicit(&s->users, 1, memory_order_acq_rel) == 1)
        free(s);
    return NULL;
}

void model_run(void)
{
    struct shared *s = malloc(sizeof *s);
    pthread_t threads[WAITERS];

    *s = (struct shared){.users = WAITERS};
    semaphore_init(&s->permits, 0);
    for (int i = 0; i < WAITERS; i++)
        pthread_create(&threads[i], NULL, wait_for_one, s);
    s->message = 1;
    for (int i = 0; i < WAITERS; i++)
        semaphore_post(&s->permits);
    for (int i = 0; i < WAITERS; i++)
        pthread_join(threads[i], NULL);
}

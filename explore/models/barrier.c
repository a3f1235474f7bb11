/* Two threads meet at a barrier, twice: what one wrote before it the other reads after it.
 */
#include "explore.h"

#include "barrier.h"

#include <pthread.h>

enum { THREADS = 2, ROUNDS = 2 };

static struct barrier barrier;
static unsigned written[THREADS][ROUNDS];
static unsigned lasts[THREADS]; /* how often this thread came last */

static void *meet(void *arg)
{
    unsigned self = *(unsigned *)arg;

    for (unsigned round = 0; round < ROUNDS; round++) {
        written[self][round] = 1;
        lasts[self] += barrier_wait(&barrier);
        EXPECT(written[1 - self][round] == 1);
    }
    return NULL;
}

void model_run(void)
{
    unsigned numbers[THREADS] = {0, 1};
    pthread_t threads[THREADS];

    barrier_init(&barrier, THREADS);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, meet, &numbers[i]);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    EXPECT(lasts[0] + lasts[1] == ROUNDS);
}

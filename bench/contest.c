#include "contest.h"

#include <pthread.h>
#include <stddef.h>

enum { CONTESTANTS_MAX = 8 };

struct contest {
    pthread_barrier_t start;
    uint64_t times;
    uint64_t counter; /* under the lock of the body */
    void (*body)(uint64_t times, uint64_t *counter);
};

static void *contestant(void *argument)
{
    struct contest *contest = argument;

    pthread_barrier_wait(&contest->start);
    contest->body(contest->times, &contest->counter);
    return NULL;
}

/* ns, from the barrier to the last join */
static uint64_t contest_hold(struct contest *contest, unsigned threads)
{
    pthread_t ids[CONTESTANTS_MAX];

    pthread_barrier_init(&contest->start, NULL, threads + 1);
    for (unsigned i = 0; i < threads; i++)
        must(pthread_create(&ids[i], NULL, contestant, contest), "pthread_create");
    uint64_t began = clock_ns(); /* before the barrier: behind it the others may run first */
    pthread_barrier_wait(&contest->start);
    for (unsigned i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    pthread_barrier_destroy(&contest->start);
    return clock_ns() - began;
}

void contest(struct work *work, unsigned threads, void (*body)(uint64_t times, uint64_t *counter))
{
    struct contest first = {.times = work->n / threads, .body = body}, second = first;

    contest_hold(&first, threads);
    work->value = (double)contest_hold(&second, threads) / (double)work->n;
    work->unit = "ns/lock";
    work->checksum = second.counter;
}

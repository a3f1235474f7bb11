#include "../contest.h"
#include "threads.h"

#include <pthread.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void count(uint64_t times, uint64_t *counter)
{
    for (uint64_t i = 0; i < times; i++) {
        pthread_mutex_lock(&mutex);
        ++*counter;
        pthread_mutex_unlock(&mutex);
    }
}

void mutex_1_threads(struct work *work)
{
    contest(work, 1, count);
}

void mutex_2_threads(struct work *work)
{
    contest(work, 2, count);
}

void mutex_8_threads(struct work *work)
{
    contest(work, 8, count);
}

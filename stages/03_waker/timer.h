/* Sleeping, the expensive way: a helper thread for every sleep, which waits and then wakes the task.
 *
 * It shows how a wake comes from another thread. It does not scale (a stack a sleep); stage 04 has timers that do. */
#ifndef TIMER_H
#define TIMER_H

#include "future.h"

#include <pthread.h>
#include <stdbool.h>

struct sleep {
    struct future base;
    uint64_t duration; /* ns */
    int output;        /* 0, or -errno: no thread could be made */
    const struct site *at;
    pthread_t thread;

    /* both threads, under lock, from the first poll on */
    pthread_mutex_t lock;
    pthread_cond_t cancel;
    struct waker waiting; /* of the latest poll */
    bool cancelled;
    bool fired;
    uint64_t deadline; /* set before the thread starts; ns on CLOCK_MONOTONIC */
};

/* Ready when so many ns have passed since its first poll, never sooner. Dropped earlier, it wakes nobody. */
#define sleep_for(ns) sleep_for_at(ns, SITE("sleep_for"))
struct sleep sleep_for_at(uint64_t ns, const struct site *at);

#define MILLISECONDS(n) (UINT64_C(1000000) * (n))

#endif

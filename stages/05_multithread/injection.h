/* The injection queue: where tasks that are spawned outside of the workers wait for one of them to take them over.
 *
 * Beside it, under the same lock, stands who of the workers sleeps: whoever puts a task in calls one of them. */
#ifndef INJECTION_H
#define INJECTION_H

#include "queue.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum { INJECTION_WORKERS_MAX = 64 }; /* a bit for each in `idle` */

struct injection {
    pthread_mutex_t lock;

    /* under lock */
    struct queue tasks;
    uint64_t idle; /* bit n: worker n sleeps, or is about to, and nobody has called it yet */
    bool closed;   /* no task comes any more */
};

/* It needs no end: a thread that still spawns when the runtime is being destroyed, or was, takes the lock and finds
 * `closed`. */
void injection_init(struct injection *injection);

/* With the lock held: takes the mark off a sleeping worker and returns its number, which the caller nudges; or -1. */
int injection_call_idle(struct injection *injection);

#endif

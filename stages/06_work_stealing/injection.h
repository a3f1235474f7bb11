/* The injection queue: where tasks wait that come from outside of the workers, or for which a worker's ring had no room.
 * Any worker takes them. */
#ifndef INJECTION_H
#define INJECTION_H

#include "queue.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct slab;

struct injection {
    pthread_mutex_t lock;

    /* under lock */
    struct queue tasks;
    struct slab *slab; /* for tasks that are spawned from outside */

    /* written under lock, read by anybody */
    atomic_uint length;
    atomic_bool closed; /* the runtime is being destroyed: nothing is spawned any more */
};

void injection_init(struct injection *injection);

/* Puts tasks in, as one batch. */
void injection_push(struct injection *injection, struct task *const *tasks, uint32_t count);

/* Takes at most max tasks out, and returns how many. */
uint32_t injection_pop(struct injection *injection, struct task **tasks, uint32_t max);

/* For injection_push's callers that hold the lock already. */
void injection_push_locked(struct injection *injection, struct task *task);

/* acquire: whoever sees a task counted, or the end, sees what came before (partners: the stores in injection.c). */
static inline uint32_t injection_length(const struct injection *injection)
{
    return atomic_load_explicit(&injection->length, memory_order_acquire);
}

static inline bool injection_is_closed(const struct injection *injection)
{
    return atomic_load_explicit(&injection->closed, memory_order_acquire);
}

void injection_close(struct injection *injection);

#endif

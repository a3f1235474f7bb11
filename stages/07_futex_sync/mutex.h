/* A mutex: one thread at a time. Who finds it taken sleeps in the kernel until it is given back.
 *
 * It is for short sections between threads. A task that holds one while it waits holds up a whole thread, and maybe the
 * one that would have to run it: lifeline warns of a mutex that is held across a suspension.
 *
 * {0} is a mutex that is free; there is nothing to destroy. It stays where it is while it is in use. Taking and giving
 * back is inline, and one atomic operation each where nobody else wants it; mutex.c is about the rest. */
#ifndef MUTEX_H
#define MUTEX_H

#include "guard.h"
#include "site.h"
#include "trace.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct mutex {
    _Atomic uint32_t state;  /* enum mutex_state */
    _Atomic uint32_t number; /* guard_number */
};

/* The state word, on which waiters sleep.
 *
 *   value          set by                                          left by
 *   MUTEX_FREE     mutex_give, by its holder                       mutex_take, mutex_take_waited
 *   MUTEX_LOCKED   mutex_take: it was free                         mutex_give; mutex_take_waited, by one that will sleep
 *   MUTEX_WAITED   mutex_take_waited: the caller will sleep, or    mutex_give, which then has to wake one
 *                  holds it and does not know who else sleeps;
 *                  mutex_take, by one that has slept
 */
enum mutex_state {
    MUTEX_FREE,
    MUTEX_LOCKED, /* nobody waits */
    MUTEX_WAITED, /* locked, and maybe somebody sleeps */
};

static inline void mutex_init(struct mutex *m)
{
    atomic_init(&m->state, MUTEX_FREE);
    atomic_init(&m->number, 0);
}

/* Takes it, sleeping until that is possible. A thread that holds it already sleeps for ever. */
#define mutex_lock(m) mutex_lock_at(m, SITE(#m))

/* Takes it if it is free; says whether. */
#define mutex_trylock(m) mutex_trylock_at(m, SITE(#m))

/* Gives it back. Another thread may take it, and free the memory it lies in, before this has returned. Aborts with the
 * caller's line if it is not taken at all. */
#define mutex_unlock(m) mutex_unlock_at(m, SITE(#m))

/* --- how it is done --- */

void mutex_lock_slow(struct mutex *m, const struct site *at);
void mutex_unlock_slow(struct mutex *m, enum mutex_state before, const struct site *at);

/* MUTEX_FREE -> to, which is MUTEX_LOCKED, or MUTEX_WAITED for one that has slept; false if it is not free. */
static inline bool mutex_take(struct mutex *m, enum mutex_state to)
{
    uint32_t expected = MUTEX_FREE;

    /* Acquire: pairs with mutex_give, so what was written under the mutex is seen. Relaxed if it fails: nothing is
     * read on the strength of it. */
    return atomic_compare_exchange_strong_explicit(&m->state, &expected, to, memory_order_acquire,
                                                   memory_order_relaxed);
}

/* any -> MUTEX_FREE; says what it was. The mutex is given away by it. */
static inline enum mutex_state mutex_give(struct mutex *m)
{
    /* Release: pairs with mutex_take and mutex_take_waited. */
    return (enum mutex_state)atomic_exchange_explicit(&m->state, MUTEX_FREE, memory_order_release);
}

static inline void mutex_lock_at(struct mutex *m, const struct site *at)
{
    if (!mutex_take(m, MUTEX_LOCKED))
        mutex_lock_slow(m, at);
    TRACE_AT(GUARD_ACQUIRE, 0, 0, guard_number(&m->number), at);
}

static inline bool mutex_trylock_at(struct mutex *m, const struct site *at)
{
    bool taken = mutex_take(m, MUTEX_LOCKED);
    if (taken)
        TRACE_AT(GUARD_ACQUIRE, 0, 0, guard_number(&m->number), at);
    return taken;
}

static inline void mutex_unlock_at(struct mutex *m, const struct site *at)
{
    /* Recorded before it is so: then the next one's acquire comes later. */
    TRACE_AT(GUARD_RELEASE, 0, 0, guard_number(&m->number), at);
    enum mutex_state before = mutex_give(m);
    if (before != MUTEX_LOCKED)
        mutex_unlock_slow(m, before, at);
}

#endif

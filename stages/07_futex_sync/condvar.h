/* A condition variable: threads sleep until another one says that something may have changed.
 *
 * What they wait for is data under a mutex, and the condition variable goes with that mutex. Whoever waits looks at the
 * data in a loop, as a wait may end for no reason:
 *
 *     mutex_lock(&m);
 *     while (!ready)
 *         condvar_wait(&changed, &m);
 *
 * {0} is one; there is nothing to destroy. It has to live until every wait on it has returned. */
#ifndef CONDVAR_H
#define CONDVAR_H

#include "futex.h"
#include "mutex.h"

struct condvar {
    _Atomic uint64_t state; /* condvar.c */
};

static inline void condvar_init(struct condvar *cv)
{
    atomic_init(&cv->state, 0);
}

/* Gives the mutex back, sleeps until it is woken, and takes the mutex again. No signal falls between the first two: one
 * by a thread that takes the mutex after it was given back ends this wait. May return for no reason. Aborts with the
 * caller's line if the mutex is not locked. */
#define condvar_wait(cv, m) ((void)condvar_wait_until_at(cv, m, FUTEX_NO_DEADLINE, SITE(#cv)))

/* The same until a moment at most (in ns, as trace_now has them): 0 or -ETIMEDOUT, either with the mutex taken. */
#define condvar_wait_until(cv, m, deadline) condvar_wait_until_at(cv, m, deadline, SITE(#cv))
int condvar_wait_until_at(struct condvar *cv, struct mutex *m, uint64_t deadline, const struct site *at);

/* Wakes one of those who wait, or all. No system call is made where nobody waits, or where all who do have been woken
 * already. The caller holds the mutex, or has held it since it changed the data. */
#define condvar_signal(cv)    condvar_signal_at(cv, SITE(#cv))
#define condvar_broadcast(cv) condvar_broadcast_at(cv, SITE(#cv))
void condvar_signal_at(struct condvar *cv, const struct site *at);
void condvar_broadcast_at(struct condvar *cv, const struct site *at);

#endif

/* A semaphore: a number of permits. Who takes one when there is none sleeps until one is given.
 *
 * It may be freed as soon as the last wait that was to come has returned, even if the post that allowed it has not. */
#ifndef SEMAPHORE_H
#define SEMAPHORE_H

#include "futex.h"
#include "site.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SEMAPHORE_MAX INT32_MAX /* permits */

struct semaphore {
    _Atomic uint64_t state; /* semaphore.c */
};

/* permits: at most SEMAPHORE_MAX. There is nothing to destroy. */
static inline void semaphore_init(struct semaphore *s, uint32_t permits)
{
    atomic_init(&s->state, permits);
}

/* Gives a permit: 0, or -EOVERFLOW if there are SEMAPHORE_MAX already. A signal handler may do it. */
#define semaphore_post(s) semaphore_post_at(s, SITE(#s))
int semaphore_post_at(struct semaphore *s, const struct site *at);

/* Takes a permit; says whether there was one. */
bool semaphore_trywait(struct semaphore *s);

/* Takes a permit, sleeping until there is one. */
#define semaphore_wait(s) ((void)semaphore_wait_until_at(s, FUTEX_NO_DEADLINE, SITE(#s)))

/* The same until a moment at most (in ns, as trace_now has them): 0 or -ETIMEDOUT. A permit that is there is taken even
 * if the moment has passed. */
#define semaphore_wait_until(s, deadline) semaphore_wait_until_at(s, deadline, SITE(#s))
int semaphore_wait_until_at(struct semaphore *s, uint64_t deadline, const struct site *at);

#endif

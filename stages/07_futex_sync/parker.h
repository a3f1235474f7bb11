/* A place for one thread to sleep in until another wakes it: a token, which unpark leaves and park takes.
 *
 * An unpark that comes first is not lost: the next park takes its token and returns at once. Several unparks leave one
 * token. {0} is a parker without a token. */
#ifndef PARKER_H
#define PARKER_H

#include "futex.h"
#include "site.h"

#include <stdatomic.h>
#include <stdint.h>

struct parker {
    _Atomic uint32_t state; /* enum parker_state, in parker.c */
};

/* Takes the token, sleeping until there is one. Never returns without; what the thread that left it wrote before can be
 * read. Aborts with the caller's line if another thread sleeps here already. */
#define parker_park(p) ((void)parker_park_until_at(p, FUTEX_NO_DEADLINE, SITE(#p)))

/* The same until a moment at most (in ns, as trace_now has them): 0, or -ETIMEDOUT without the token. */
#define parker_park_until(p, deadline) parker_park_until_at(p, deadline, SITE(#p))
int parker_park_until_at(struct parker *p, uint64_t deadline, const struct site *at);

/* Leaves the token, and wakes the thread if it sleeps; else there is no system call. That thread may free the parker
 * before this has returned. Any thread may call it, and any signal handler. */
#define parker_unpark(p) parker_unpark_at(p, SITE(#p))
void parker_unpark_at(struct parker *p, const struct site *at);

#endif

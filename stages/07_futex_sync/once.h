/* Something that is done once, by whoever needs it first; the others wait until it is done. {0} is one. */
#ifndef ONCE_H
#define ONCE_H

#include "site.h"

#include <stdatomic.h>
#include <stdint.h>

struct once {
    _Atomic uint32_t state; /* enum once_state, in once.c */
};

enum { ONCE_DONE = 3 };

/* Calls act(arg) if nobody has before, and returns when that call has returned; what it wrote can be read then. Aborts
 * with the caller's line if act itself asks for the same once: it would wait for its own end. */
#define once_call(once, act, arg) once_call_at(once, act, arg, SITE(#once))

void once_call_slow(struct once *once, void (*act)(void *arg), void *arg, const struct site *at);

static inline void once_call_at(struct once *once, void (*act)(void *arg), void *arg, const struct site *at)
{
    /* Acquire: pairs with once_finish. */
    if (atomic_load_explicit(&once->state, memory_order_acquire) != ONCE_DONE)
        once_call_slow(once, act, arg, at);
}

#endif

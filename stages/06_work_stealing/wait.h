/* The place where an event source keeps the waker of the one task that waits for it. An empty place is {0}.
 *
 * Every poll that ends in POLL_PENDING leaves its own waker, in place of the one an earlier poll left: the future may
 * have moved to another task in between. `source` and `number` say in a recording what is waited for. A place has no
 * lock: it belongs to one thread, or to whoever holds the lock of the source. */
#ifndef WAIT_H
#define WAIT_H

#include "events.h"
#include "future.h"

#include <stdbool.h>

static inline bool wait_is_on(const struct waker *place)
{
    return place->vtable;
}

/* Leaves the caller's waker. */
void wait_start(struct waker *place, const struct context *cx, enum trace_source source, uint64_t number,
                const struct site *at);

/* Takes the waker out of a place that is not empty; it is the caller's now. */
struct waker wait_take(struct waker *place, enum trace_source source, uint64_t number, const struct site *at);

/* Takes the waker out, if there is one, and wakes with it; or drops it. */
void wait_wake(struct waker *place, enum trace_source source, uint64_t number, const struct site *at);
void wait_cancel(struct waker *place, enum trace_source source, uint64_t number, const struct site *at);

#endif

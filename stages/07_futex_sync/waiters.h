/* Those who wait for one object (a lock, a channel), in the order in which they came. What the async mutex, semaphore,
 * notify, barrier and the channels of this stage have in common.
 *
 * A waiter is part of the future that waits, so waiting allocates nothing and cannot fail. The list and all waiters in it
 * belong to whoever holds the object's lock, which is held for a few instructions, never across a poll. A waiter:
 *
 *             waiter_wait                     waiter_grant
 *   OUT ----------------------> QUEUED ----------------------> GRANTED
 *                                  |  waiters_remove (its drop)
 *                                  +--------------------------> OUT
 *
 * Granted means that it has what it waited for, although its task does not know yet. If the future is dropped before it
 * is polled again, it has to pass that on.
 *
 * A wake may run anything, and so may the drop of a waker: neither is done under the lock. Whoever grants collects the
 * wakers in a `struct wakes`, gives the lock back, and then wakes. By then the waiters themselves may be gone.
 *
 * A waiter learns under the lock that it was granted something. So whoever granted it has left the lock by then, and
 * does not touch the object any more: the waiter may even free it. */
#ifndef WAITERS_H
#define WAITERS_H

#include "future.h"
#include "wait.h"

#include <stdbool.h>
#include <stdint.h>

enum waiter_state { WAITER_OUT, WAITER_QUEUED, WAITER_GRANTED };

struct waiter {
    struct waiter *next, *previous;
    struct waker waker;
    uint64_t number; /* in recordings, see waiter_number; set as it is queued */
    uint32_t wants;  /* what exactly it waits for; each kind of object has its own meaning for it */
    enum waiter_state state;
    bool came; /* it was queued, now or earlier. Only its own future asks, so without the lock */
};

/* Field by field: the compiler then writes each of them to where the future goes, and makes no copy of the whole. This is
 * done for each lock and each send. */
static inline void waiter_init(struct waiter *w, uint32_t wants)
{
    w->next = w->previous = NULL;
    w->waker.vtable = NULL;
    w->waker.data = NULL;
    w->number = 0;
    w->wants = wants;
    w->state = WAITER_OUT;
    w->came = false;
}

struct waiters {
    struct waiter *first, *last;
};

/* For the drop of its future: there may be something to give back. */
static inline bool waiter_is_unfinished(const struct waiter *w, const struct future *f)
{
    return w->came && f->phase != FUTURE_FINISHED;
}

/* What WAIT and WAIT_END say of one of the futures that wait for an object: both numbers. With the object's alone, a
 * reader could not tell which of several wakers was let go of. */
static inline uint64_t waiter_number(uint32_t object, const struct future *f)
{
    return object | (uint64_t)f->id << 32;
}

/* Queues a waiter that is OUT at the end; leaves the waker of cx with it. One that is queued stays where it is, and only
 * its waker is replaced. Returns the waker that was there before, if it is another: for waiter_drop_waker. */
struct waker waiter_wait(struct waiters *list, struct waiter *w, uint64_t number, const struct context *cx,
                         const struct site *at);

/* Takes a queued waiter out, and returns its waker: for waiter_drop_waker. */
struct waker waiters_remove(struct waiters *list, struct waiter *w, const struct site *at);

/* Drops what the two gave, if it is a waker. Without the lock. */
void waiter_drop_waker(struct waker old, const struct site *at);

/* For an object that only one can wait for, and without a lock: copies the waker that was left in *place, to be used up by
 * the caller. The place itself is not changed, as it is the other side's again from some moment on. */
struct waker waiter_read_waker(const struct waker *place, uint64_t number, const struct site *at);

/* Wakers that are to be used when the lock is free again. */
struct wakes {
    unsigned count;
    struct wake {
        struct waker waker;
        uint64_t number;
    } wakes[16];
};

static inline void wakes_clear(struct wakes *wakes)
{
    wakes->count = 0; /* and the rest is left as it is: it is not small */
}

static inline bool wakes_full(const struct wakes *wakes)
{
    return wakes->count == sizeof wakes->wakes / sizeof wakes->wakes[0];
}

/* Takes the first of the list out, as granted, and its waker into wakes, which must not be full. */
void waiter_grant(struct waiters *list, struct wakes *wakes);

/* Wakes them all. Without the lock. */
void wakes_go(struct wakes *wakes, const struct site *at);

#endif

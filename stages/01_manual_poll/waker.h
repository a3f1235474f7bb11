/* A waker: the one thing that a future leaves behind when it cannot go on. Whoever holds it can say "poll it again".
 *
 * It is a pointer with a table of functions, so that a future need not know who runs it, and an event source need not
 * know what it wakes. Rust's RawWaker has the same four functions. */
#ifndef WAKER_H
#define WAKER_H

#include "site.h"

/* `at` is the line that made the call, for recordings. A waker may be used from any thread. */
struct waker {
    const struct waker_vtable *vtable;
    void *data;
};

struct waker_vtable {
    struct waker (*clone)(void *data, const struct site *at); /* one more waker of the same task */
    void (*wake)(void *data, const struct site *at);          /* wakes, and gives the waker up */
    void (*wake_by_ref)(void *data, const struct site *at);   /* wakes, and keeps it */
    void (*drop)(void *data, const struct site *at);          /* gives it up without waking */
};

/* A waker that does nothing, for polling by hand. It needs no drop. */
struct waker waker_noop(void);

/* The caller owns the clone: it ends in exactly one waker_wake or waker_drop. */
#define waker_clone(waker)       waker_clone_at(waker, SITE("waker_clone"))
#define waker_wake(waker)        waker_wake_at(waker, SITE("waker_wake"))
#define waker_wake_by_ref(waker) waker_wake_by_ref_at(waker, SITE("waker_wake_by_ref"))
#define waker_drop(waker)        waker_drop_at(waker, SITE("waker_drop"))

static inline struct waker waker_clone_at(const struct waker *waker, const struct site *at)
{
    return waker->vtable->clone(waker->data, at);
}

static inline void waker_wake_at(struct waker waker, const struct site *at)
{
    waker.vtable->wake(waker.data, at);
}

static inline void waker_wake_by_ref_at(const struct waker *waker, const struct site *at)
{
    waker->vtable->wake_by_ref(waker->data, at);
}

static inline void waker_drop_at(struct waker waker, const struct site *at)
{
    waker.vtable->drop(waker.data, at);
}

#endif

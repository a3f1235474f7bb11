/* Where idle workers sleep: each in its own parker, until a reactor of the runtime is used for the first time; from then
 * on in the watch.
 *
 * The watch is an epoll set that holds the epoll sets of all reactors, and the eventfd for nudges. So whatever happens to
 * any descriptor of any worker wakes a worker that is idle, and not the one whose reactor it is, which may be busy. The
 * kernel wakes one of the sleepers for one event. (With a single worker there is nobody to watch for: its reactor's own
 * epoll set is the watch, and a wait is one system call, not two.)
 *
 * While there is no descriptor and no timer, a sleeper can only be nudged, and for that a word in memory is enough. */
#ifndef WATCH_H
#define WATCH_H

#include "site.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct executor;
struct runtime;
struct worker;

/* `word` says who is parked.
 *
 *   part     says                                      set by        cleared by
 *   1 << i   worker i parks, or is about to, and       watch_wait    watch_nudge, watch_use: who clears it unparks the
 *            nobody has unparked it                                  worker
 *   TOKEN    a nudge has found nobody there            watch_nudge   watch_wait, which does not park then; watch_use,
 *                                                                    which passes it on to the eventfd
 *   IN_USE   a reactor is used: nobody parks any       watch_use     -
 *            more, and nudges go to the eventfd
 *
 * TOKEN is never there together with a worker's bit, and IN_USE is always alone. */
struct watch {
    _Alignas(64) _Atomic uint64_t word;
    struct worker *workers; /* the runtime's */
    int epoll_fd;           /* -1: a single worker, no watch */
    int nudge_fd;
};

enum { WATCH_WORKERS_MAX = 62 };

#define WATCH_TOKEN  (UINT64_C(1) << WATCH_WORKERS_MAX)
#define WATCH_IN_USE (UINT64_C(1) << 63)

/* For a runtime whose workers and reactors are there already. 0 or -errno. */
int watch_init(struct watch *watch, struct runtime *rt);
void watch_destroy(struct watch *watch);

/* A worker that has nothing to do: waits for a nudge, and once the watch is in use for whatever happens at any reactor,
 * too, but at most until the first timer of its own, and wakes the tasks concerned. It may return for no reason. */
void watch_wait(struct watch *watch, struct executor *ex);

/* Ends the wait of one sleeper, or the next that begins. Any thread. */
void watch_nudge(struct watch *watch);

static inline bool watch_is_in_use(const struct watch *watch)
{
    /* relaxed, no partner: once it is so it stays so, and whoever needs to be certain of the opposite exchanges */
    return atomic_load_explicit(&watch->word, memory_order_relaxed) & WATCH_IN_USE;
}

/* A reactor is about to be used. The first time, whoever is parked is unparked before this returns, and sleeps in the
 * watch next time. Any thread. */
void watch_use_first(struct watch *watch);
static inline void watch_use(struct watch *watch)
{
    if (!watch_is_in_use(watch))
        watch_use_first(watch);
}

#endif

/* Sleeping, the cheap way: a timer in the reactor, which ends its wait at the first deadline. It is all for
 * tasks, on the thread that polls them. */
#ifndef TIMER_H
#define TIMER_H

#include "future.h"
#include "reactor.h"

#define MILLISECONDS(n) (UINT64_C(1000000) * (n))

/* Ready at its deadline, never sooner. */
struct sleep {
    struct future base;
    uint64_t duration; /* ns */
    const struct site *at;
    struct reactor *reactor; /* of the latest poll */
    struct timer timer;
};

/* Sleeps for so many ns from its first poll on. Polled outside of an executor it aborts with the caller's line. */
#define sleep_for(ns) sleep_for_at(ns, SITE("sleep_for"))
struct sleep sleep_for_at(uint64_t ns, const struct site *at);

/* Sleeps until a time on CLOCK_MONOTONIC, in ns. */
#define sleep_until(ns) sleep_until_at(ns, SITE("sleep_until"))
struct sleep sleep_until_at(uint64_t ns, const struct site *at);

/* Waits for a future, but no longer than so many ns; what is late is dropped. Takes over the future by pointer. */
struct timeout {
    struct future base;
    struct future *inner;
    struct sleep sleep;
    int output; /* 0: inner is ready, -ETIMEDOUT: it was dropped */
};

#define timeout_after(ns, inner) timeout_after_at(ns, inner, SITE("timeout_after"))
struct timeout timeout_after_at(uint64_t ns, struct future *inner, const struct site *at);

/* Something to do every so many ns. Ticks are counted from the start, so a late one does not delay those after it;
 * ticks that were missed meanwhile come as one. */
struct interval {
    uint64_t period;
    uint64_t next; /* ns on CLOCK_MONOTONIC */
};

struct tick {
    struct future base;
    struct interval *interval;
    struct sleep sleep;
    uint64_t output; /* how many periods have ended since the last tick: 1, or more if some were missed;
                        0 if another tick of the interval has counted them */
};

struct interval interval_every(uint64_t ns);

#define interval_tick(interval) interval_tick_at(interval, SITE("interval_tick"))
struct tick interval_tick_at(struct interval *interval, const struct site *at);

#endif

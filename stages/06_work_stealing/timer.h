/* Sleeping, the cheap way: a timer in the reactor, which ends its wait at the first deadline. It is all for tasks, and a
 * sleep may go on on another worker than where it began. */
#ifndef TIMER_H
#define TIMER_H

#include "future.h"
#include "reactor.h"

#define MILLISECONDS(n) (UINT64_C(1000000) * (n))

/* Ready at its deadline, never sooner: `timer.output` is 0. Or at once: it is -ENOMEM, there is no memory to wait with. */
struct sleep {
    union {
        struct future base;
        struct timer timer; /* begins with it */
    };
};

extern const struct future_type sleep_type;

/* Where a sleep was made: so many sites behind that of its type. They lie in one section, and a pointer would be twice as
 * long. */
static inline const struct site *sleep_site(const struct sleep *sleep)
{
    return sleep_type.at + sleep->timer.at;
}

static inline struct sleep sleep_make(uint32_t kind, uint64_t time, const struct site *at)
{
    struct sleep self;

    future_init_at(&self.base, &sleep_type, at);
    atomic_init(&self.timer.place, kind);
    self.timer.at = (int32_t)(at - sleep_type.at);
    self.timer.time = time;
    self.timer.reactor = NULL;
    return self;
}

/* Sleeps for so many ns from its first poll on. Polled outside of a worker it aborts with the caller's line. */
#define sleep_for(ns) sleep_for_at(ns, SITE("sleep_for"))
static inline struct sleep sleep_for_at(uint64_t ns, const struct site *at)
{
    return sleep_make(TIMER_FOR, ns, at);
}

/* Sleeps until a time on CLOCK_MONOTONIC, in ns. */
#define sleep_until(ns) sleep_until_at(ns, SITE("sleep_until"))
static inline struct sleep sleep_until_at(uint64_t ns, const struct site *at)
{
    return sleep_make(TIMER_UNTIL, ns, at);
}

/* Waits for a future, but no longer than so many ns; what is late is dropped. Takes over the future by pointer. */
struct timeout {
    struct future base;
    struct future *inner;
    struct sleep sleep;
    int output; /* 0: inner is ready; it was dropped: -ETIMEDOUT, or -ENOMEM if there was no memory to wait with */
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
                        0 if another tick of the interval has counted them, or there was no memory to wait with */
};

struct interval interval_every(uint64_t ns);

#define interval_tick(interval) interval_tick_at(interval, SITE("interval_tick"))
struct tick interval_tick_at(struct interval *interval, const struct site *at);

#endif

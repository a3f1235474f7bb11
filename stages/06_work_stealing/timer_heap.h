/* Timers in the order of their deadlines: a heap in one array.
 *
 * The deadlines are in the array and not in the timers, so that finding the order touches the timers only where they
 * move. Each has up to four that come after it, side by side in the array, and so mostly in one cache line. All
 * operations take at most about log n steps; adding one that is later than all others takes one.
 *
 * Designs that were rejected:
 *   A pairing heap, as in the stages before: adding one cannot fail, but three links and the deadline are 32 bytes in each
 *   timer, and its place in the array is 16. Ten thousand sleeps, of 96 bytes then, took 1.4 times as long.
 *   A wheel of lists, one for each millisecond: a timer is late by up to a millisecond then. (Not measured.)
 *
 * Source: Williams, "Algorithm 232: Heapsort" (1964); LaMarca and Ladner, "The influence of caches on the performance of
 * heaps" (1996), for the four. */
#ifndef TIMER_HEAP_H
#define TIMER_HEAP_H

#include "future.h"
#include "waker_word.h"

#include <stdatomic.h>
#include <stdint.h>

struct reactor;

/* What its place says of a timer:
 *
 *   place          means                                             set by
 *   TIMER_FOR      not queued; `time` is how long it will be         sleep_for
 *   TIMER_UNTIL    not queued; `time` is the deadline                sleep_until; the end of its reactor
 *   TIMER_FIRED    the deadline has passed, who waited was woken     the reactor, as it fires it: the last that it does
 *   all others     queued, so far from the heap's start              the heap
 */
#define TIMER_FOR   UINT32_MAX
#define TIMER_UNTIL (UINT32_MAX - 1)
#define TIMER_FIRED (UINT32_MAX - 2)

struct timer {
    struct future base;     /* the sleep that it belongs to; its id is the timer's number in recordings */
    _Atomic uint32_t place; /* under the reactor's lock while it is queued; read by the sleep at any time */
    int32_t at;             /* the caller's line, see sleep_site */
    union {
        uint64_t time;     /* ns, not queued: see above */
        uintptr_t waiting; /* queued: the waker, changed by the sleep alone, and under the lock */
    };
    union {
        struct reactor *reactor; /* that it was queued at last; not finished */
        int output;              /* finished: 0; -ENOMEM: it has not slept, for want of memory */
    };
};

struct timer_entry {
    uint64_t deadline; /* ns on CLOCK_MONOTONIC, at most INT64_MAX */
    struct timer *timer;
};

struct timer_heap {
    struct timer_entry *entries; /* the first is the earliest; of two equal deadlines the lower number comes first */
    uint32_t length, room;
};

/* One that is not queued. 0 or -ENOMEM. Its `time` may be anything else afterwards. */
int timer_heap_add(struct timer_heap *heap, struct timer *timer, uint64_t deadline);

/* One that is in this heap. It has no place then until the caller gives it one. */
void timer_heap_remove(struct timer_heap *heap, struct timer *timer);

/* Of a heap without timers. */
void timer_heap_destroy(struct timer_heap *heap);

#endif

/* Timers in the order of their deadlines: a pairing heap, whose links are in the timers, so that nothing is allocated
 * and adding one cannot fail.
 *
 * Adding and looking at the first take constant time; taking one out, first or not, about log n on average.
 * Source: Fredman, Sedgewick, Sleator, Tarjan, "The pairing heap: a new form of self-adjusting heap" (1986). */
#ifndef TIMER_HEAP_H
#define TIMER_HEAP_H

#include "waker.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct timer {
    uint64_t deadline;     /* ns on CLOCK_MONOTONIC, at most INT64_MAX */
    uint32_t number;       /* in recordings; of two equal deadlines the lower number comes first */
    bool is_queued;        /* it is in the heap */
    bool is_orphan;        /* it was taken out as its reactor came to its end */
    atomic_bool has_fired; /* its deadline has passed, and whoever waited was woken */
    struct waker waiting;

    struct timer *child;    /* the first of those that come after this one */
    struct timer *next;     /* sibling */
    struct timer *previous; /* sibling; the parent, for a first child; NULL for the root */
};

struct timer_heap {
    struct timer *root; /* the earliest; NULL: empty */
};

void timer_heap_add(struct timer_heap *heap, struct timer *timer);    /* one that is in no heap */
void timer_heap_remove(struct timer_heap *heap, struct timer *timer); /* one that is in this heap */

#endif

/* A worker's local queue: a ring of tasks that its owner fills at one end and empties at the other, and from which idle
 * workers steal.
 *
 * Bounded, so that it is one array and nothing is ever allocated, copied or freed: what does not fit goes elsewhere. */
#ifndef RING_H
#define RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#ifndef RING_CAPACITY
#define RING_CAPACITY 256u /* a power of two; models and tests make it small */
#endif

struct task;

/* Positions only ever grow, and wrap at 2^32; a position modulo the capacity is a slot.
 *
 *        free         next                      tail
 *   ------+------------+-------------------------+------
 *         | a thief is | tasks                   |
 *         | copying    |                         |
 *
 * `head` holds free and next in one word, so that both change in one step. free == next: nobody is stealing.
 *
 *   word   field  changed by
 *   head   next   the owner (pops) and a thief (claims), each by compare-and-exchange
 *          free   the same step of the owner, while nobody steals; the thief, when it has finished copying
 *   tail          the owner
 *   slots         the owner, and only from tail up to free + capacity */
struct ring {
    _Alignas(64) _Atomic uint64_t head; /* free << 32 | next */
    _Alignas(64) _Atomic uint32_t tail;
    uint32_t id; /* its number in recordings */
    _Atomic(struct task *) slots[RING_CAPACITY];
};

void ring_init(struct ring *ring);

/* Its owner. False: there is no room. */
bool ring_push(struct ring *ring, struct task *task);

/* Its owner. Takes at most max tasks, first in first out, and returns how many. */
uint32_t ring_pop(struct ring *ring, struct task **tasks, uint32_t max);

/* The owner of `to`, which is empty: moves the first half of the tasks in `from`, rounded up, to it. Returns how many;
 * 0: there are none, or another thief was first. */
uint32_t ring_steal(struct ring *from, struct ring *to);

/* Any thread. How many tasks it holds: for the owner exactly, for others as of some moment. */
uint32_t ring_length(const struct ring *ring);

#endif

/* A worker's local queue: a ring of tasks that its owner fills at one end and empties at the other, and from which idle
 * workers steal.
 *
 * Bounded, so that it is one array and nothing is ever allocated, copied or freed: what does not fit goes elsewhere. */
#ifndef RING_H
#define RING_H

#include "task.h"
#include "trace.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#ifndef RING_CAPACITY
#define RING_CAPACITY 256u /* a power of two; models and tests make it small */
#endif

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

/* The owner of `to`, which is empty: moves the first half of the tasks in `from`, rounded up, to it. Returns how many;
 * 0: there are none, or another thief was first, or one still copies from `to`. */
uint32_t ring_steal(struct ring *from, struct ring *to);

/* --- what the owner does for every task: here, so that it becomes part of its callers. Why it is right, ring.c tells --- */

static inline uint64_t head_of(uint32_t free, uint32_t next)
{
    return (uint64_t)free << 32 | next;
}

static inline uint32_t head_free(uint64_t head)
{
    return (uint32_t)(head >> 32);
}

static inline uint32_t head_next(uint64_t head)
{
    return (uint32_t)head;
}

/* Any thread. How many tasks it holds: for the owner exactly, for others as of some moment.
 *
 * acquire (head): a count that was read after a wake must not be older than that (partner: the exchanges below).
 * acquire (tail): whoever sees a task counted can take it (partner: the release in ring_push). */
static inline uint32_t ring_length(const struct ring *ring)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    uint32_t length = tail - head_next(head);

    return length <= RING_CAPACITY ? length : RING_CAPACITY; /* the two were not read at the same moment */
}

/* Its owner. False: there is no room. */
static inline bool ring_push(struct ring *ring, struct task *task)
{
    /* acquire: the thief that gave this slot free has read it (partner: the release in ring_steal_end) */
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed); /* only we write it */

    if (tail - head_free(head) == RING_CAPACITY)
        return false;
    TRACE(QUEUE_PUSH, task->id, ring->id, tail - head_next(head) + 1);
    /* relaxed: published by the next line */
    atomic_store_explicit(&ring->slots[tail % RING_CAPACITY], task, memory_order_relaxed);
    /* release: the slot, and the task (partner: the acquire in ring_steal_begin) */
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
    return true;
}

/* Its owner. Takes at most max tasks, first in first out, and returns how many. */
static inline uint32_t ring_pop(struct ring *ring, struct task **tasks, uint32_t max)
{
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);   /* only we write it */
    uint64_t before = atomic_load_explicit(&ring->head, memory_order_relaxed); /* a guess, the exchange checks it */
    uint64_t after;
    uint32_t count, next;

    do {
        next = head_next(before);
        count = tail - next < max ? tail - next : max;
        if (count == 0)
            return 0;
        after = head_of(head_free(before) == next ? next + count : head_free(before), next + count);
        /* relaxed: what the slots hold we have written ourselves; no partner */
    } while (!atomic_compare_exchange_weak_explicit(&ring->head, &before, after, memory_order_relaxed,
                                                    memory_order_relaxed));
    for (uint32_t i = 0; i < count; i++)
        tasks[i] = atomic_load_explicit(&ring->slots[(next + i) % RING_CAPACITY], memory_order_relaxed);
    return count;
}

#endif

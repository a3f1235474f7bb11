/* How two workers take tasks from one ring and each task goes to one of them.
 *
 * The owner and a thief both take by moving `next`, each with a compare-and-exchange: who succeeds has the tasks that it
 * moved past. The owner can read its slots at leisure, as nobody but itself writes to slots. A thief cannot: while it
 * copies, the owner might come round and use the slot again. So the thief moves `next` but leaves `free` behind, the
 * owner fills slots only up to free + capacity, and the thief moves `free` up when it is done. Meanwhile no other thief
 * starts; the owner pops on.
 *
 * Designs that were rejected:
 *   Copy first, and then claim by the exchange (Chase and Lev's deque does so, one task at a time). Half of the tasks
 *   may be copied for nothing, and when the owner has used a slot again, one can only tell because next has moved.
 *   Steal one task instead of half. A thief that found much would come back for each.
 *   A lock. Thieves come seldom, but the owner would pay for it with every task.
 *   Indices of 16 bits, to have the head in 32. A thief that sleeps between its look and its exchange while the owner
 *   goes once round the numbers would claim what is not there any more; with 32 bits that is 2^32 tasks within one look.
 *
 * Source: the run queue of Tokio's multi-threaded scheduler, and Go's, from which that has learnt. */
#include "ring.h"

#include "queue.h"

void ring_init(struct ring *ring)
{
    atomic_init(&ring->head, 0);
    atomic_init(&ring->tail, 0);
    ring->id = queue_new_id();
}

/* Claims the first half. Returns how many, and where they start in *first. */
static uint32_t ring_steal_begin(struct ring *ring, uint32_t *first)
{
    /* acquire: the tail that is read next is not older than this head (partner: the exchanges of other thieves) */
    uint64_t before = atomic_load_explicit(&ring->head, memory_order_acquire);
    uint32_t count;

    do {
        if (head_free(before) != head_next(before))
            return 0;
        *first = head_next(before);
        /* acquire: the slots, and the tasks (partner: the release in ring_push) */
        count = atomic_load_explicit(&ring->tail, memory_order_acquire) - *first;
        count -= count / 2;
        if (count == 0 || count > RING_CAPACITY)
            return 0;
        /* acquire on both outcomes: as above */
    } while (!atomic_compare_exchange_weak_explicit(&ring->head, &before, head_of(*first, *first + count),
                                                    memory_order_acquire, memory_order_acquire));
    return count;
}

/* Gives the claimed slots free. release: they were read before (partner: the acquire in ring_push). */
static void ring_steal_end(struct ring *ring)
{
    uint64_t before = atomic_load_explicit(&ring->head, memory_order_relaxed); /* a guess, the exchange checks it */

    while (!atomic_compare_exchange_weak_explicit(&ring->head, &before, head_of(head_next(before), head_next(before)),
                                                  memory_order_release, memory_order_relaxed))
        ;
}

/* A thief may still be copying from us what we have done without since. acquire: then it has read the slots (partner:
 * the release in ring_steal_end). */
static bool ring_has_room_for_half(const struct ring *ring, uint32_t tail)
{
    return tail - head_free(atomic_load_explicit(&ring->head, memory_order_acquire)) <= RING_CAPACITY / 2;
}

uint32_t ring_steal(struct ring *from, struct ring *to)
{
    uint32_t tail = atomic_load_explicit(&to->tail, memory_order_relaxed); /* only we write it */
    uint32_t first, count = ring_has_room_for_half(to, tail) ? ring_steal_begin(from, &first) : 0;

    if (count == 0)
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        struct task *task = atomic_load_explicit(&from->slots[(first + i) % RING_CAPACITY],
                                                 memory_order_relaxed); /* see begin */
        TRACE(QUEUE_STEAL, task->id, from->id, to->id);
        atomic_store_explicit(&to->slots[(tail + i) % RING_CAPACITY], task, memory_order_relaxed);
    }
    ring_steal_end(from);
    /* release: as in ring_push, for those who steal from us next (partner: ring_steal_begin) */
    atomic_store_explicit(&to->tail, tail + count, memory_order_release);
    return count;
}

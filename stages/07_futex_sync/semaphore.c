/* How a post knows whether somebody sleeps, although the semaphore is no longer its own.
 *
 * The state is one word of 64 bits, and threads sleep on its lower half:
 *
 *   bits     what                    raised by              lowered by
 *   0..31    permits                 semaphore_give         semaphore_take
 *   32..63   threads that wait,      semaphore_announce     semaphore_take, in the same step as the permit;
 *            or are about to sleep                          semaphore_withdraw, at the deadline
 *
 * The protocol: who finds no permit counts itself in as waiting, looks again, and sleeps while there is none. Who gives
 * a permit learns from that very step how many wait, and wakes one if there were fewer permits than that before; if
 * there were as many, each of them has been woken for one already, and is on its way.
 *
 * The race between the look and the sleep: a permit that is given meanwhile changes the lower half, and the kernel,
 * which compares, does not let the thread sleep.
 *
 * The race behind the post: the step that gives the permit gives the semaphore away as well. A thread that takes it may
 * be the last user, and free the memory, before the post has gone on. With the waiters in a word of their own the post
 * would now read freed memory (glibc had that bug for years). Here the exchange has brought their number along, and all
 * that is left for futex_wake is an address.
 *
 * Rejected as well: a mark "maybe somebody sleeps", as the mutex has it. The mutex has one permit, so whoever is woken
 * can hand the mark on. Here two permits may be given before the first sleeper runs; the second post would find no
 * mark, and the first sleeper would have to wake the next one for it. */
#include "semaphore.h"

#include <errno.h>

#define SEMAPHORE_WAITER ((uint64_t)1 << 32)

static uint32_t permits_of(uint64_t state)
{
    return (uint32_t)state;
}

static uint32_t waiters_of(uint64_t state)
{
    return (uint32_t)(state / SEMAPHORE_WAITER);
}

/* The lower half, for the kernel; we ourselves always change the whole. */
static const _Atomic uint32_t *semaphore_word(const struct semaphore *s)
{
    return (const _Atomic uint32_t *)&s->state + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

/* A permit less, and so much less for waiters: 0 or SEMAPHORE_WAITER. False if there is no permit. */
static bool semaphore_take(struct semaphore *s, uint64_t waiter)
{
    uint64_t state = atomic_load_explicit(&s->state, memory_order_relaxed); /* a guess: the exchange finds out */

    while (permits_of(state) > 0)
        /* Acquire: pairs with semaphore_give, so what was written before the post is seen after the wait. */
        if (atomic_compare_exchange_weak_explicit(&s->state, &state, state - 1 - waiter, memory_order_acquire,
                                                  memory_order_relaxed))
            return true;
    return false;
}

/* A permit more, unless there are SEMAPHORE_MAX: says whether. *before: the state it was added to. The semaphore is
 * given away by it. */
static bool semaphore_give(struct semaphore *s, uint64_t *before)
{
    *before = atomic_load_explicit(&s->state, memory_order_relaxed); /* a guess: the exchange finds out */
    while (permits_of(*before) < SEMAPHORE_MAX)
        /* Release: pairs with semaphore_take. */
        if (atomic_compare_exchange_weak_explicit(&s->state, before, *before + 1, memory_order_release,
                                                  memory_order_relaxed))
            return true;
    return false;
}

/* Relaxed, both: they hand over no data. That a post sees the waiter, or else the waiter the permit, follows from both
 * being in the one word. */
static void semaphore_announce(struct semaphore *s)
{
    atomic_fetch_add_explicit(&s->state, SEMAPHORE_WAITER, memory_order_relaxed);
}

static void semaphore_withdraw(struct semaphore *s)
{
    atomic_fetch_sub_explicit(&s->state, SEMAPHORE_WAITER, memory_order_relaxed);
}

bool semaphore_trywait(struct semaphore *s)
{
    return semaphore_take(s, 0);
}

int semaphore_wait_until_at(struct semaphore *s, uint64_t deadline, const struct site *at)
{
    if (semaphore_take(s, 0))
        return 0;
    semaphore_announce(s);
    while (!semaphore_take(s, SEMAPHORE_WAITER))
        if (futex_wait(semaphore_word(s), 0, deadline, at) == -ETIMEDOUT) {
            semaphore_withdraw(s);
            return -ETIMEDOUT;
        }
    return 0;
}

int semaphore_post_at(struct semaphore *s, const struct site *at)
{
    const _Atomic uint32_t *word = semaphore_word(s);
    uint64_t before;

    if (!semaphore_give(s, &before))
        return -EOVERFLOW;
    if (permits_of(before) < waiters_of(before))
        futex_wake(word, 1, at);
    return 0;
}

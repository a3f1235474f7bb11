/* One word: how many have ever come.
 *
 *   arrivals   raised by barrier_arrive, by one; never lowered
 *
 * Whoever comes is the n-th, and so knows its round, and how many must have come for that round to be over. It sleeps
 * until there are as many. The last of a round has nobody to wait for, and wakes the others.
 *
 * The race between the look and the sleep: threads sleep on the lower half of the word, which is another one with each
 * arrival. Who looked before the last one came is not let to sleep by the kernel. (Who looked before any other came is
 * not either, and looks again; that is bounded by the size of a round.)
 *
 * Designs that were rejected:
 *   A count that the last one sets back to 0. Whoever has not yet seen it full finds it empty and sleeps for ever, or
 *   for a round too long: threads of two rounds meet in it. A number that only rises means the same to both.
 *   A count and the number of the round, in two words. Whoever reads the round before it counts itself in may read the
 *   one before, and go on at once; who reads it after may read the next, and sleep too long.
 *   32 bits. After 2^32 arrivals a round of three threads would not begin at a multiple of three. */
#include "barrier.h"

#include "futex.h"

#include <errno.h>

int barrier_init(struct barrier *b, uint32_t threads)
{
    b->threads = threads;
    atomic_init(&b->arrivals, 0);
    return threads ? 0 : -EINVAL;
}

/* The lower half, for the kernel; we ourselves always use the whole. */
static const _Atomic uint32_t *barrier_word(const struct barrier *b)
{
    return (const _Atomic uint32_t *)&b->arrivals + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

/* Says how many came before. */
static uint64_t barrier_arrive(struct barrier *b)
{
    /* Release: pairs with the acquire in barrier_arrivals. Acquire: for the last one, which does not look there; it
     * pairs with the release of those who came before. */
    return atomic_fetch_add_explicit(&b->arrivals, 1, memory_order_acq_rel);
}

static uint64_t barrier_arrivals(const struct barrier *b)
{
    return atomic_load_explicit(&b->arrivals, memory_order_acquire); /* pairs with barrier_arrive */
}

bool barrier_wait_at(struct barrier *b, const struct site *at)
{
    uint64_t before = barrier_arrive(b);
    uint64_t full = (before / b->threads + 1) * b->threads;
    uint64_t arrivals;

    if (before + 1 == full) {
        futex_wake(barrier_word(b), FUTEX_ALL, at);
        return true;
    }
    while ((arrivals = barrier_arrivals(b)) < full)
        futex_wait(barrier_word(b), (uint32_t)arrivals, FUTEX_NO_DEADLINE, at);
    return false;
}

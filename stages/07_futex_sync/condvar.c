/* How a condition variable sleeps without missing the signal that it was given the mutex back for.
 *
 * The protocol: who waits counts itself in and reads the sequence, both under the mutex; then it gives the mutex back
 * and sleeps for as long as the sequence is what it read. Who signals raises the sequence and wakes.
 *
 * The race is between giving the mutex back and the sleep. A thread that takes the mutex just then changes the data and
 * signals, and wakes nobody, since nobody sleeps yet. But the sequence is another one by now, and the kernel, which
 * compares before the sleep, does not let the waiter sleep. So the sequence has to be read before the mutex is given
 * back: read after it, it may be the new one already, and the sleep waits for a second signal that never comes.
 *
 * Why all of it is relaxed: the mutex puts it in order. Whoever signals has had the mutex after the waiter gave it
 * back, and so sees it counted; or before the waiter took it, and then the waiter saw the data. The word that the
 * kernel compares is ordered by the kernel: it looks at it after the waiter is in its queue, and a wake looks into the
 * queue after the store that went before it.
 *
 * Designs that were rejected:
 *   No count of waiters: every signal would be a system call, and a channel signals with every item.
 *   A flag in place of the sequence. A waiter that clears it for itself takes away the signal of one that was there
 *   before it. A number that only rises cannot be taken away. (After exactly 2^32 signals between the read and the
 *   sleep it is the old one again. We live with that.)
 *   Moving waiters on to the mutex in a broadcast (FUTEX_CMP_REQUEUE), instead of waking all of them to sleep again at
 *   the mutex. Fewer wakes, but the mutex must be marked as waited for without anybody holding it, and the condition
 *   variable must know its mutex. Here a broadcast is rare. */
#include "condvar.h"

#include <errno.h>

int condvar_wait_until_at(struct condvar *cv, struct mutex *m, uint64_t deadline, const struct site *at)
{
    atomic_fetch_add_explicit(&cv->waiters, 1, memory_order_relaxed); /* seen by condvar_wake_at: the mutex orders it */
    uint32_t sequence = atomic_load_explicit(&cv->sequence, memory_order_relaxed); /* as of now, under the mutex */
    mutex_unlock_at(m, at);
    int error = futex_wait(&cv->sequence, sequence, deadline, at);
    atomic_fetch_sub_explicit(&cv->waiters, 1, memory_order_relaxed); /* too late at worst: a wake of nobody */
    mutex_lock_at(m, at);
    return error == -ETIMEDOUT ? error : 0;
}

void condvar_wake_at(struct condvar *cv, int count, const struct site *at)
{
    /* Relaxed, as said above; partners are the three operations of condvar_wait_until_at. */
    if (atomic_load_explicit(&cv->waiters, memory_order_relaxed) == 0)
        return;
    atomic_fetch_add_explicit(&cv->sequence, 1, memory_order_relaxed);
    futex_wake(&cv->sequence, count, at);
}

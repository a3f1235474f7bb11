/* How a condition variable sleeps without missing the signal that it gave the mutex back for.
 *
 * The state is one word of 64 bits, and threads sleep on its lower half:
 *
 *   bits     what                            raised by                            lowered by
 *   0..31    sequence: signals that          condvar_count_out                    nobody
 *            somebody waited for
 *   32..63   threads that wait, and that     condvar_join                         condvar_count_out, by one or to 0;
 *            no signal was for so far                                             condvar_leave
 *
 * The protocol: who waits counts itself in and reads the sequence, in one step and under the mutex; then it gives the
 * mutex back, and sleeps for as long as the sequence is what it read. Who signals raises the sequence and counts one
 * waiter out, in one step as well, and wakes. Where nobody is counted it does nothing.
 *
 * The race is between giving the mutex back and the sleep. A thread that takes the mutex just then changes the data and
 * signals, and wakes nobody, since nobody sleeps yet. But the sequence is another one by now, and the kernel, which
 * compares before the sleep, does not let the waiter sleep. So the sequence has to be read before the mutex is given
 * back: read after it, it may be the new one already, and the sleep waits for a second signal that never comes.
 *
 * Who counts a waiter out? The signal, so that ten signals for one sleeper are one system call and not ten: between the
 * wake and the moment when the sleeper is up again many items can go through a channel. A waiter counts itself out only
 * if there was no signal at all since it came; else it cannot know whom that counted out, and leaves the count. Then it
 * may be too high, which costs a wake for nobody, once. It is never too low, which would leave somebody asleep.
 *
 * The kernel wakes in the order of arrival, but a thread of higher priority goes first, even one that came after the
 * signal. It then finds that there was no signal since it came, and hands the wake on to those from before.
 *
 * Why all of it is relaxed: the mutex puts it in order. Whoever signals has had the mutex after the waiter gave it
 * back, and so sees it counted; or before the waiter took it, and then the waiter saw the data. The word that the
 * kernel compares is ordered by the kernel: it looks at it after the waiter is in its queue, and a wake looks into the
 * queue after the change that went before it.
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
#include <stdbool.h>

#define CONDVAR_WAITER ((uint64_t)1 << 32)

static uint32_t sequence_of(uint64_t state)
{
    return (uint32_t)state;
}

/* Of the wait of all who came at this sequence: so they can be told from those before them. */
static uint32_t sequence_bit(uint32_t sequence)
{
    return 1u << sequence % 32;
}

/* The lower half, for the kernel; we ourselves always change the whole. */
static const _Atomic uint32_t *condvar_word(const struct condvar *cv)
{
    return (const _Atomic uint32_t *)&cv->state + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

/* A waiter more; the sequence as of now. */
static uint32_t condvar_join(struct condvar *cv)
{
    /* Partner: condvar_count_out. */
    return sequence_of(atomic_fetch_add_explicit(&cv->state, CONDVAR_WAITER, memory_order_relaxed));
}

/* A waiter less, if there was no signal since it joined: says whether. */
static bool condvar_leave(struct condvar *cv, uint32_t sequence)
{
    uint64_t state = atomic_load_explicit(&cv->state, memory_order_relaxed); /* a guess: the exchange finds out */

    while (sequence_of(state) == sequence)
        /* Partner: condvar_count_out. */
        if (atomic_compare_exchange_weak_explicit(&cv->state, &state, state - CONDVAR_WAITER, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    return false;
}

/* A signal for one waiter, or for all; false if nobody waits. */
static bool condvar_count_out(struct condvar *cv, bool all)
{
    uint64_t state = atomic_load_explicit(&cv->state, memory_order_relaxed); /* made sure of by the mutex: see above */

    while (state >= CONDVAR_WAITER) {
        uint64_t waiters = all ? 0 : state / CONDVAR_WAITER - 1;
        uint64_t after = waiters * CONDVAR_WAITER + sequence_of(state + 1);
        /* Partners: condvar_join, condvar_leave. */
        if (atomic_compare_exchange_weak_explicit(&cv->state, &state, after, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    }
    return false;
}

int condvar_wait_until_at(struct condvar *cv, struct mutex *m, uint64_t deadline, const struct site *at)
{
    uint32_t sequence = condvar_join(cv);
    mutex_unlock_at(m, at);
    int error = futex_wait_bits(condvar_word(cv), sequence, sequence_bit(sequence), deadline, at);
    if (condvar_leave(cv, sequence) && error == 0)
        futex_wake_bits(condvar_word(cv), 1, ~sequence_bit(sequence), at);
    mutex_lock_at(m, at);
    return error == -ETIMEDOUT ? error : 0;
}

void condvar_signal_at(struct condvar *cv, const struct site *at)
{
    if (condvar_count_out(cv, false))
        futex_wake(condvar_word(cv), 1, at);
}

void condvar_broadcast_at(struct condvar *cv, const struct site *at)
{
    if (condvar_count_out(cv, true))
        futex_wake(condvar_word(cv), FUTEX_ALL, at);
}

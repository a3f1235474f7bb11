/* The futex call: a thread sleeps in the kernel while a word in memory holds a value.
 *
 * All that waits in this stage waits here. The word is ours: it is changed by atomic operations, without the kernel.
 * The kernel is asked only to put a thread to sleep, and to wake one. Between the look at the word and the sleep
 * nothing can be missed, as the kernel looks at the word once more under a lock that a wake takes too. A word and its
 * sleepers belong to one process (FUTEX_PRIVATE_FLAG).
 *
 * A wait may end at any time and for no reason, so whoever waits does so in a loop around a look at the word.
 *
 * Source: Ulrich Drepper, "Futexes are tricky"; futex(2). */
#ifndef FUTEX_H
#define FUTEX_H

#include "site.h"

#include <stdatomic.h>
#include <stdint.h>

#define FUTEX_NO_DEADLINE UINT64_MAX
#define FUTEX_ALL         INT32_MAX

/* Sleeps if *word is `expected`, until it is woken or the deadline has come (in ns, as trace_now has them).
 *   0            woken, or for no reason
 *   -EAGAIN      the word is not `expected`: no sleep
 *   -EINTR       a signal came
 *   -ETIMEDOUT   the deadline has come, and nobody woke it
 * Callers that loop go on after all but the last. Aborts on any other error: then the arguments were wrong. */
int futex_wait(const _Atomic uint32_t *word, uint32_t expected, uint64_t deadline, const struct site *at);

/* Wakes so many of those who sleep on the word, at most; says how many. It does not look at the word: it uses its
 * address as a number, and so may be called when the memory is somebody else's by now. Then it may wake others for no
 * reason, and they loop. */
int futex_wake(const _Atomic uint32_t *word, int count, const struct site *at);

/* The same, on the same word, for a wait that a wake can choose: it wakes only those whose bits meet its own. */
int futex_wait_bits(const _Atomic uint32_t *word, uint32_t expected, uint32_t bits, uint64_t deadline,
                    const struct site *at);
int futex_wake_bits(const _Atomic uint32_t *word, int count, uint32_t bits, const struct site *at);

/* How many of these calls the process has made so far. */
struct futex_calls {
    uint64_t waits, wakes;
};

struct futex_calls futex_calls(void);

#endif

/* How writers do not starve, and how the last one out knows whom to wake.
 *
 * The state is one word, on which all sleep:
 *
 *   bits     what                     raised or set by      lowered or cleared by
 *   0..14    threads that read        rwlock_enter_read     rwlock_leave_read
 *   15       maybe readers sleep      rwlock_mark_readers   rwlock_leave_write, if no writer waits
 *   16..30   writers that wait        rwlock_announce       rwlock_enter_write, in the same step as it sets bit 31
 *   31       a thread writes          rwlock_enter_write    rwlock_leave_write
 *
 *   Bit 31 and readers exclude each other. Bit 15 is set only while a thread writes or a writer waits.
 *
 * The protocol: readers enter while nobody writes and no writer waits. Writers enter while nobody reads or writes. A
 * writer that cannot counts itself in, and from then on no reader enters; so those that are in come to an end, and the
 * last of them wakes a writer. A writer that leaves wakes the next writer; if none waits it wakes all readers.
 *
 * The number of waiting writers stays up until one of them has entered. Were it a mark that whoever wakes a writer
 * takes away, new readers would slip in while that writer is on its way, and it could find the lock taken each time it
 * comes.
 *
 * The race between the look and the sleep is the kernel's to close, as always: it compares the word. Readers and
 * writers sleep on the same word and are told apart by bits of the wait, so that a wake can choose.
 *
 * Whoever leaves learns from the step that gives the lock away whether it must wake, and whom. After it the word is not
 * looked at again: the next writer may have freed it.
 *
 * Designs that were rejected:
 *   A mutex, a count of readers under it and two condition variables. It is right, but each reader takes the mutex
 *   twice, and readers hold up each other.
 *   A word of its own for writers to sleep on. The last reader has to change it after it has left, which is too late.
 *   Readers first. They need not be many for one of them to be in at any time, and then a writer waits for ever. */
#include "rwlock.h"

#include "futex.h"
#include "guard.h"
#include "trace.h"

#define READER        1u
#define READERS       0x7fffu
#define READERS_SLEEP (1u << 15)
#define WRITER        (1u << 16)
#define WRITERS       0x7fff0000u
#define WRITTEN       (1u << 31)

enum { SLEEPS_TO_READ = 1, SLEEPS_TO_WRITE = 2 }; /* bits of the wait */

static uint32_t rwlock_state(const struct rwlock *rw)
{
    return atomic_load_explicit(&rw->state, memory_order_relaxed); /* a guess: an exchange, or the kernel, finds out */
}

/* --- transitions --- */

static bool rwlock_enter_read(struct rwlock *rw, const struct site *at)
{
    uint32_t state = rwlock_state(rw);

    while (!(state & (WRITTEN | WRITERS))) {
        if ((state & READERS) == READERS)
            misuse(at, "more than %u threads read", READERS);
        /* Acquire: pairs with rwlock_leave_write. */
        if (atomic_compare_exchange_weak_explicit(&rw->state, &state, state + READER, memory_order_acquire,
                                                  memory_order_relaxed))
            return true;
    }
    return false;
}

/* waiter: WRITER if the caller has announced itself, else 0. */
static bool rwlock_enter_write(struct rwlock *rw, uint32_t waiter)
{
    uint32_t state = rwlock_state(rw);

    while (!(state & (WRITTEN | READERS)))
        /* Acquire: pairs with rwlock_leave_write and rwlock_leave_read. */
        if (atomic_compare_exchange_weak_explicit(&rw->state, &state, (state - waiter) | WRITTEN, memory_order_acquire,
                                                  memory_order_relaxed))
            return true;
    return false;
}

/* These two say what the state was before; they give the lock away. Release, both: pair with the enter functions. */
static uint32_t rwlock_leave_read(struct rwlock *rw)
{
    return atomic_fetch_sub_explicit(&rw->state, READER, memory_order_release);
}

static uint32_t rwlock_leave_write(struct rwlock *rw)
{
    uint32_t state = rwlock_state(rw), after;

    do
        after = state & (state & WRITERS ? ~WRITTEN : ~(WRITTEN | READERS_SLEEP));
    while (
        !atomic_compare_exchange_weak_explicit(&rw->state, &state, after, memory_order_release, memory_order_relaxed));
    return state;
}

/* Relaxed, both: they hand over no data; who has to see them changes the same word. */
static void rwlock_announce(struct rwlock *rw, const struct site *at)
{
    if ((atomic_fetch_add_explicit(&rw->state, WRITER, memory_order_relaxed) & WRITERS) == WRITERS)
        misuse(at, "more than %u threads wait to write", WRITERS / WRITER);
}

/* Says that a reader sleeps, if the state is still this one: then it is *state | READERS_SLEEP, and *state too. */
static bool rwlock_mark_readers(struct rwlock *rw, uint32_t *state)
{
    if (!atomic_compare_exchange_strong_explicit(&rw->state, state, *state | READERS_SLEEP, memory_order_relaxed,
                                                 memory_order_relaxed))
        return false;
    *state |= READERS_SLEEP;
    return true;
}

/* --- to read --- */

bool rwlock_read_trylock_at(struct rwlock *rw, const struct site *at)
{
    bool entered = rwlock_enter_read(rw, at);

    if (entered)
        TRACE_AT(GUARD_ACQUIRE, 0, 0, guard_share(&rw->number), at);
    return entered;
}

void rwlock_read_lock_at(struct rwlock *rw, const struct site *at)
{
    while (!rwlock_enter_read(rw, at)) {
        uint32_t state = rwlock_state(rw);
        if (state & (WRITTEN | WRITERS) && rwlock_mark_readers(rw, &state)) {
            TRACE_AT(GUARD_WAIT, 0, 0, guard_number(&rw->number), at);
            futex_wait_bits(&rw->state, state, SLEEPS_TO_READ, FUTEX_NO_DEADLINE, at);
        }
    }
    TRACE_AT(GUARD_ACQUIRE, 0, 0, guard_share(&rw->number), at);
}

void rwlock_read_unlock_at(struct rwlock *rw, const struct site *at)
{
    TRACE_AT(GUARD_RELEASE, 0, 0, guard_share(&rw->number), at);
    uint32_t before = rwlock_leave_read(rw);
    if ((before & READERS) == 0)
        misuse(at, "rwlock_read_unlock of a lock that nobody reads under");
    if ((before & READERS) == READER && before & WRITERS)
        futex_wake_bits(&rw->state, 1, SLEEPS_TO_WRITE, at);
}

/* --- to write --- */

bool rwlock_write_trylock_at(struct rwlock *rw, const struct site *at)
{
    bool entered = rwlock_enter_write(rw, 0);

    if (entered)
        TRACE_AT(GUARD_ACQUIRE, 0, 0, guard_number(&rw->number), at);
    return entered;
}

static void rwlock_write_lock_slow(struct rwlock *rw, const struct site *at)
{
    TRACE_AT(GUARD_WAIT, 0, 0, guard_number(&rw->number), at);
    rwlock_announce(rw, at);
    while (!rwlock_enter_write(rw, WRITER)) {
        uint32_t state = rwlock_state(rw);
        if (state & (WRITTEN | READERS))
            futex_wait_bits(&rw->state, state, SLEEPS_TO_WRITE, FUTEX_NO_DEADLINE, at);
    }
}

void rwlock_write_lock_at(struct rwlock *rw, const struct site *at)
{
    if (!rwlock_enter_write(rw, 0))
        rwlock_write_lock_slow(rw, at);
    TRACE_AT(GUARD_ACQUIRE, 0, 0, guard_number(&rw->number), at);
}

void rwlock_write_unlock_at(struct rwlock *rw, const struct site *at)
{
    TRACE_AT(GUARD_RELEASE, 0, 0, guard_number(&rw->number), at);
    uint32_t before = rwlock_leave_write(rw);
    if (!(before & WRITTEN))
        misuse(at, "rwlock_write_unlock of a lock that nobody writes under");
    if (before & WRITERS)
        futex_wake_bits(&rw->state, 1, SLEEPS_TO_WRITE, at);
    else if (before & READERS_SLEEP)
        futex_wake_bits(&rw->state, FUTEX_ALL, SLEEPS_TO_READ, at);
}

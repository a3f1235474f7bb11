/* How a mutex makes no system call while nobody waits, and forgets nobody who does.
 *
 * The protocol: the state says free, locked, or locked and waited for. Who finds it free makes it locked, and who gives
 * back what is locked is done: nobody sleeps. Who finds it taken tries a little longer, then marks it as waited for and
 * sleeps for as long as that mark stands. Who gives back what is waited for wakes one.
 *
 * The race between the mark and the sleep: the mutex is given back, and the wake finds nobody. The word is no longer
 * MUTEX_WAITED then, and the kernel, which looks at it again before the sleep, does not let the thread sleep.
 *
 * The race behind the wake: three threads, one holds, two sleep. The holder frees it and wakes one. That one must not
 * take it as merely locked: the mark would be gone, its unlock would wake nobody, and the third would sleep for ever.
 * It cannot know whether it is the last, so it takes the mutex as waited for. At worst that costs one wake for nothing.
 *
 * Designs that were rejected (demos/three_mutexes.c runs them):
 *   Free and locked only, and a wake with every unlock. Right, but each unlock is a system call.
 *   Free and locked only, and a count of sleepers beside it, looked at after the unlock. By then another thread may
 *   have taken the mutex, given it back, and freed it: the look is into somebody else's memory. So what unlock has to
 *   know is in the word that it gives away, and comes back from the very exchange that gives it away; after that the
 *   address is no more than a number for futex_wake.
 *   Handing the mutex to the one who has waited longest. It is fair, but the mutex then stands still until that thread
 *   runs, which takes a thousand times as long as most sections. Here whoever comes first takes it, so a thread can in
 *   theory be passed over again and again.
 *   An owner, to see that a thread locks what it holds already: two more stores for each lock, and a mutex of twice the
 *   size. lifeline finds it in a recording, without any owner.
 *
 * Source: Ulrich Drepper, "Futexes are tricky"; Mara Bos, "Rust Atomics and Locks", chapter 9. */
#include "mutex.h"

#include "futex.h"

#include <sched.h>

/* How often a thread looks again before it sleeps: so many times after pauses, then after yields. */
enum { MUTEX_PAUSES = 3, MUTEX_LOOKS = 10 };

static void cpu_pause(unsigned count)
{
    while (count-- > 0)
#if defined __x86_64__
        __builtin_ia32_pause();
#elif defined __aarch64__
        __asm__ volatile("isb");
#else
        __asm__ volatile("" ::: "memory");
#endif
}

/* any -> MUTEX_WAITED; true if it was free, and is the caller's now. */
static bool mutex_take_waited(struct mutex *m)
{
    /* Acquire: pairs with mutex_give. */
    return atomic_exchange_explicit(&m->state, MUTEX_WAITED, memory_order_acquire) == MUTEX_FREE;
}

/* Tries to take it a few times more, as `to`, with pauses between. Most sections are shorter than the way into the
 * kernel and back, so this often saves both. Each look takes the word's cache line away from the holder, so the pauses
 * grow; and where more threads want it than there are processors, the holder may wait for ours: hence the yields. */
static bool mutex_take_soon(struct mutex *m, enum mutex_state to)
{
    for (unsigned i = 1; i <= MUTEX_LOOKS; i++) {
        if (i <= MUTEX_PAUSES)
            cpu_pause(1u << i);
        else
            sched_yield();
        /* Relaxed: a hint, and mutex_take looks again. */
        if (atomic_load_explicit(&m->state, memory_order_relaxed) == MUTEX_FREE && mutex_take(m, to))
            return true;
    }
    return false;
}

void mutex_lock_slow(struct mutex *m, const struct site *at)
{
    if (mutex_take_soon(m, MUTEX_LOCKED))
        return;
    TRACE_AT(GUARD_WAIT, 0, 0, guard_number(&m->number), at);
    while (!mutex_take_waited(m)) {
        futex_wait(&m->state, MUTEX_WAITED, FUTEX_NO_DEADLINE, at);
        if (mutex_take_soon(m, MUTEX_WAITED))
            return;
    }
}

void mutex_unlock_slow(struct mutex *m, enum mutex_state before, const struct site *at)
{
    if (before == MUTEX_FREE)
        misuse(at, "mutex_unlock of a mutex that is not locked");
    futex_wake(&m->state, 1, at);
}

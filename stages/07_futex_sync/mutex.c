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
 *   Free and locked only, and a count of sleepers beside it, looked at after the unlock. By then another thread may have
 *   taken the mutex, given it back, and freed it: the look is into somebody else's memory. So what unlock has to know is
 *   in the word that it gives away, and comes back from the very exchange that gives it away; after that the address is
 *   no more than a number for futex_wake.
 *   Handing the mutex to the one who has waited longest. It is fair, but the mutex then stands still until that thread
 *   runs, which takes a thousand times as long as most sections. Here whoever comes first takes it, so a thread can in
 *   theory be passed over again and again.
 *   An owner, to see that a thread locks what it holds already: two more stores for each lock, and a mutex of twice the
 *   size. A recording shows it as well: the thread sleeps in a futex_wait and has not released the lock.
 *
 * Source: Ulrich Drepper, "Futexes are tricky"; Mara Bos, "Rust Atomics and Locks", chapter 9. */
#include "mutex.h"

#include "futex.h"

/* So often a thread looks again before it sleeps. A section is often shorter than the way into the kernel and back; but
 * where the holder does not run at all, each look is in vain. */
enum { MUTEX_SPINS = 100 };

static inline void cpu_relax(void)
{
#if defined __x86_64__
    __builtin_ia32_pause();
#elif defined __aarch64__
    __asm__ volatile("isb");
#endif
}

/* any -> MUTEX_WAITED; true if it was free, and is the caller's now. */
static bool mutex_take_waited(struct mutex *m)
{
    /* Acquire: pairs with mutex_give. */
    return atomic_exchange_explicit(&m->state, MUTEX_WAITED, memory_order_acquire) == MUTEX_FREE;
}

/* Waits a little for whoever holds it; true if it is the caller's now. Where others sleep already there is no point: the
 * mutex is wanted by more threads than can run. */
static bool mutex_spin(struct mutex *m)
{
    for (int i = 0; i < MUTEX_SPINS; i++) {
        uint32_t state = atomic_load_explicit(&m->state, memory_order_relaxed); /* a hint: mutex_take looks again */
        if (state == MUTEX_WAITED)
            return false;
        if (state == MUTEX_FREE && mutex_take(m))
            return true;
        cpu_relax();
    }
    return false;
}

void mutex_lock_slow(struct mutex *m, const struct site *at)
{
    if (mutex_spin(m))
        return;
    while (!mutex_take_waited(m))
        futex_wait(&m->state, MUTEX_WAITED, FUTEX_NO_DEADLINE, at);
}

void mutex_unlock_slow(struct mutex *m, enum mutex_state before, const struct site *at)
{
    if (before == MUTEX_FREE)
        misuse(at, "mutex_unlock of a mutex that is not locked");
    futex_wake(&m->state, 1, at);
}

/* Drawn by its first holder that is recorded, so that a mutex of a run which is not recorded costs nothing. */
uint32_t mutex_number(struct mutex *m)
{
    static _Atomic uint32_t last;

    if (m->number == 0)
        m->number = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1; /* a count: no partner */
    return m->number;
}

/* The state word, on which waiters sleep.
 *
 *   value          set by                                     left by
 *   ONCE_NEW       the initial {0}                            once_begin
 *   ONCE_RUNNING   once_begin: the caller runs act            once_mark_waited, once_finish
 *   ONCE_WAITED    once_mark_waited: somebody will sleep      once_finish, which then has to wake all
 *   ONCE_DONE      once_finish                                nobody
 *
 * It is a mutex that is given back only once: the same mark tells whether there is somebody to wake, and the same look
 * of the kernel closes the race between the mark and the sleep. As nobody comes after ONCE_DONE, all are woken
 * together.
 *
 * Rejected: a flag and a mutex around act. It serves as well, but then everybody who waits goes through the mutex one
 * by one, and act runs under a lock that it does not know of. */
#include "once.h"

#include "futex.h"

#include <stdbool.h>

enum once_state {
    ONCE_NEW,
    ONCE_RUNNING, /* nobody waits */
    ONCE_WAITED,  /* running, and maybe somebody sleeps */
};

/* What this thread is in the middle of, innermost first. */
struct running {
    const struct once *once;
    const struct running *outer;
};

static _Thread_local const struct running *innermost;

/* expected -> wanted, if it is so. Relaxed: the caller has the result from once_is_done or runs act itself. */
static bool once_change(struct once *once, enum once_state expected, enum once_state wanted)
{
    uint32_t state = expected;

    return atomic_compare_exchange_strong_explicit(&once->state, &state, wanted, memory_order_relaxed,
                                                   memory_order_relaxed);
}

static bool once_begin(struct once *once)
{
    return once_change(once, ONCE_NEW, ONCE_RUNNING);
}

static void once_mark_waited(struct once *once)
{
    once_change(once, ONCE_RUNNING, ONCE_WAITED);
}

/* -> ONCE_DONE; says whether somebody has to be woken. Others may free it from here on. */
static bool once_finish(struct once *once)
{
    /* Release: pairs with once_is_done, and with the look in once_call_at. */
    return atomic_exchange_explicit(&once->state, ONCE_DONE, memory_order_release) == ONCE_WAITED;
}

static bool once_is_done(const struct once *once)
{
    return atomic_load_explicit(&once->state, memory_order_acquire) == ONCE_DONE; /* pairs with once_finish */
}

static void once_run(struct once *once, void (*act)(void *arg), void *arg, const struct site *at)
{
    struct running running = {once, innermost};

    innermost = &running;
    act(arg);
    innermost = running.outer;
    if (once_finish(once))
        futex_wake(&once->state, FUTEX_ALL, at);
}

static void once_check(const struct once *once, const struct site *at)
{
    for (const struct running *r = innermost; r; r = r->outer)
        if (r->once == once)
            misuse(at, "once_call inside the call that it would wait for");
}

void once_call_slow(struct once *once, void (*act)(void *arg), void *arg, const struct site *at)
{
    once_check(once, at);
    if (once_begin(once)) {
        once_run(once, act, arg, at);
        return;
    }
    while (!once_is_done(once)) {
        once_mark_waited(once);
        futex_wait(&once->state, ONCE_WAITED, FUTEX_NO_DEADLINE, at);
    }
}

/* The state word, on which the parked thread sleeps.
 *
 *   value           set by                                     left by
 *   PARKER_EMPTY    parker_take, parker_give_up                parker_announce, parker_leave
 *   PARKER_TOKEN    parker_leave                               parker_take
 *   PARKER_ASLEEP   parker_announce: the thread will sleep     parker_leave, which then has to wake it;
 *                                                              parker_give_up, at the deadline
 *
 * The protocol: who parks takes the token if there is one, else says that it will sleep, and sleeps while that stands.
 * Who unparks puts the token there whatever was there before, and wakes if that was PARKER_ASLEEP.
 *
 * The race is an unpark between the look for the token and the sleep. As the look and the announcement are one
 * exchange, the token either is found, or comes after the announcement; then the word is no longer PARKER_ASLEEP, and
 * the kernel does not let the thread sleep.
 *
 * Designs that were rejected:
 *   Waking without a token, as a signal on a condition variable does: who comes first is forgotten.
 *   Looking for the token, and announcing the sleep by a store. The token that comes in between is overwritten.
 *   Counting unparks. Then a thread that was unparked three times for one piece of work would go round three times. */
#include "parker.h"

#include <errno.h>
#include <stdbool.h>

enum parker_state {
    PARKER_EMPTY,
    PARKER_TOKEN,
    PARKER_ASLEEP,
};

/* expected -> wanted, if it is so. */
static bool parker_change(struct parker *p, enum parker_state expected, enum parker_state wanted)
{
    uint32_t state = expected;

    /* Acquire: pairs with parker_leave where it is the token that was found. Relaxed if not: nothing is read then. */
    return atomic_compare_exchange_strong_explicit(&p->state, &state, wanted, memory_order_acquire,
                                                   memory_order_relaxed);
}

static bool parker_take(struct parker *p)
{
    return parker_change(p, PARKER_TOKEN, PARKER_EMPTY);
}

static bool parker_announce(struct parker *p)
{
    return parker_change(p, PARKER_EMPTY, PARKER_ASLEEP);
}

static bool parker_give_up(struct parker *p)
{
    return parker_change(p, PARKER_ASLEEP, PARKER_EMPTY);
}

/* any -> PARKER_TOKEN; says what it was. The parker is given away by it. */
static enum parker_state parker_leave(struct parker *p)
{
    /* Release: pairs with parker_take. */
    return (enum parker_state)atomic_exchange_explicit(&p->state, PARKER_TOKEN, memory_order_release);
}

static int parker_sleep(struct parker *p, uint64_t deadline, const struct site *at)
{
    while (!parker_take(p))
        /* Where giving up fails, the token has come with the deadline, and is taken. */
        if (futex_wait(&p->state, PARKER_ASLEEP, deadline, at) == -ETIMEDOUT && parker_give_up(p))
            return -ETIMEDOUT;
    return 0;
}

int parker_park_until_at(struct parker *p, uint64_t deadline, const struct site *at)
{
    if (parker_take(p))
        return 0;
    if (parker_announce(p))
        return parker_sleep(p, deadline, at);
    if (!parker_take(p)) /* neither empty nor a token that has come just now: somebody sleeps here */
        misuse(at, "two threads park in the same parker");
    return 0;
}

void parker_unpark_at(struct parker *p, const struct site *at)
{
    if (parker_leave(p) == PARKER_ASLEEP)
        futex_wake(&p->state, 1, at);
}

/* Who of the workers sleeps and who searches: one word, through which work that comes up finds a worker that is idle,
 * and as few as possible are woken. */
#ifndef IDLE_H
#define IDLE_H

#include <stdatomic.h>
#include <stdbool.h>

/* A worker that has run out of tasks searches: it tries to steal. If it finds nothing it sleeps.
 *
 *   part       counts or says                        goes up, or is set         goes down, or is cleared
 *   SLEEPING   workers that sleep, or have           idle_sleep                 idle_wake
 *              announced that they will
 *   SEARCHING  workers that search, and a            idle_search, idle_call     idle_found, idle_sleep
 *              sleeper that was called to search
 *   CALLED     a sleeper was called, and none has    idle_call                  idle_wake of the first that wakes,
 *              answered yet                                                     whatever woke it: it searches now
 *
 * CALLED is never set without a SEARCHING that belongs to it, so there is one call at most. */
struct idle {
    _Alignas(64) atomic_uint word;
};

enum { IDLE_SLEEPING = 1, IDLE_SEARCHING = 1 << 15, IDLE_CALLED = 1 << 30 };

void idle_init(struct idle *idle);

/* There is work that others may take. True: the caller must nudge one sleeper (it makes no difference which one). False:
 * somebody searches already, or nobody sleeps. Any thread, after it has put the work where it can be found. */
bool idle_call(struct idle *idle);

/* A guess, without the price of idle_call, at whether it would be true. */
bool idle_seems_callable(const struct idle *idle);

/* A worker wants to search. False: enough do (at most `limit` at a time). */
bool idle_search(struct idle *idle, unsigned limit);

/* A worker that searches has found something. If there is more, it calls: see idle.c. */
void idle_found(struct idle *idle);

/* A worker is about to sleep. Afterwards it looks once more for work, and only if there is none sleeps really. Either
 * way idle_wake follows. */
void idle_sleep(struct idle *idle, bool searching);

/* A worker is awake again. True: it was called, and searches now. */
bool idle_wake(struct idle *idle);

#endif

/* How no work waits while a worker sleeps, although hardly ever anybody is woken.
 *
 * Waking a thread costs as much as a thousand polls, so a worker that has made work calls only if somebody sleeps and
 * nobody searches: one who searches will find the work. That makes two promises necessary.
 *
 *   1. Whoever stops searching looks once more afterwards. Work that came up before it stopped called nobody, in trust
 *      of it. If it sleeps now, it looks at all queues first. If it has found something, and there is more, it calls.
 *   2. Whoever is about to sleep announces it, and looks once more afterwards. Work that came up before the announcement
 *      called nobody, as nobody slept.
 *
 * In both cases one side publishes work and then looks at the word, and the other side changes the word and then looks
 * for work. Both touch the word with a read-modify-write, and all of them are seq_cst. So one comes first: if the one
 * that made work, the other reads what it has written, and with it sees the work, as if it had taken a lock after it. If
 * the one that goes to sleep, then it is seen sleeping and called.
 *
 * The race that this closes: A looks for work and finds none. B makes work, sees nobody asleep, and calls nobody. A goes
 * to sleep. The work stays where it is for as long as B is busy with something else.
 *
 * Designs that were rejected:
 *   A plain load of the word after making work. The processor may do the load before the stores that made the work have
 *   become visible; and so both sides miss each other. As a guess the load is good enough (idle_seems_callable), if the
 *   real question is asked before the worker's next poll.
 *   A list of sleepers, from which one is chosen and woken by name. It makes no difference which one comes, so that is
 *   left to the place where they sleep (watch.h).
 *   Wake one worker for each task. Most find nothing, and go to sleep again.
 *   Let all idle workers search. They fight for the same tasks; half of them finds the work as soon.
 *
 * Source: the comment at the top of Go's scheduler (proc.go), and Tokio's idle.rs. */
#include "idle.h"

static unsigned sleeping(unsigned word)
{
    return word % IDLE_SEARCHING;
}

static unsigned searching(unsigned word)
{
    return word % IDLE_CALLED / IDLE_SEARCHING;
}

static bool callable(unsigned word)
{
    return sleeping(word) > 0 && searching(word) == 0;
}

void idle_init(struct idle *idle)
{
    atomic_init(&idle->word, 0);
}

bool idle_seems_callable(const struct idle *idle)
{
    return callable(atomic_load_explicit(&idle->word, memory_order_relaxed)); /* no partner: a guess */
}

/* Each read-modify-write of the word is seq_cst, and its partners are all the others: see the top. */

bool idle_call(struct idle *idle)
{
    unsigned word = atomic_fetch_add_explicit(&idle->word, 0, memory_order_seq_cst);

    while (callable(word))
        if (atomic_compare_exchange_weak_explicit(&idle->word, &word, word + IDLE_SEARCHING + IDLE_CALLED,
                                                  memory_order_seq_cst, memory_order_seq_cst))
            return true;
    return false;
}

bool idle_search(struct idle *idle, unsigned limit)
{
    unsigned word = atomic_load_explicit(&idle->word, memory_order_relaxed); /* a guess, the exchange checks it */

    while (searching(word) < limit)
        if (atomic_compare_exchange_weak_explicit(&idle->word, &word, word + IDLE_SEARCHING, memory_order_seq_cst,
                                                  memory_order_relaxed))
            return true;
    return false;
}

void idle_found(struct idle *idle)
{
    atomic_fetch_sub_explicit(&idle->word, IDLE_SEARCHING, memory_order_seq_cst);
}

void idle_sleep(struct idle *idle, bool searches)
{
    unsigned change = IDLE_SLEEPING - (searches ? IDLE_SEARCHING : 0u);
    atomic_fetch_add_explicit(&idle->word, change, memory_order_seq_cst);
}

bool idle_wake(struct idle *idle)
{
    unsigned word = atomic_load_explicit(&idle->word, memory_order_relaxed); /* a guess, the exchange checks it */

    while (!atomic_compare_exchange_weak_explicit(&idle->word, &word, (word & ~(unsigned)IDLE_CALLED) - IDLE_SLEEPING,
                                                  memory_order_seq_cst, memory_order_relaxed))
        ;
    return word & IDLE_CALLED;
}

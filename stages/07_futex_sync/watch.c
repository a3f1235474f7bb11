/* How a worker goes from the one place to the other, and no nudge is lost on the way.
 *
 * The protocol, all of it on one word:
 *
 *   to sleep    In one step: if the watch is in use, leave the word, and sleep there next time; else take the token if
 *               there is one; else set the own bit. Only in the last case park.
 *   to nudge    In one step: if the watch is in use, leave the word; else clear the bit of one who is parked; else put
 *               the token there. Then write to the eventfd, or unpark whose bit it was.
 *   first use   In one step: take what is there, bits or token, and say that the watch is in use. Then unpark all whose
 *               bits these were, or pass the token on to the eventfd. Only then is anything registered.
 *
 * The race is a nudge between a worker's last look for work and its sleep, while the place of the sleep may change too.
 * Each of the three steps is a read-modify-write of the same word, so they have an order. A nudge that comes before the
 * bit leaves the token, and the worker takes it and does not sleep. A nudge that comes after the bit finds that bit, or
 * that of another one who sleeps. If the first use comes between the two, it has taken what the earlier one left: the
 * bit, and unparks the worker in the nudger's place; or the token, and writes to the eventfd in the nudger's place.
 * After it both sides meet at the eventfd, which keeps a nudge for who comes later. So each nudge ends a sleep, or the
 * next that begins. And as each bit that is cleared is one unpark, no token is left over in a parker.
 *
 * A ready descriptor never waits behind a busy worker while another one is idle, as in stage 06: when something is
 * registered, those who were parked are unparked already. They find nothing to do, and go to the watch. (If two workers
 * make the first use at the same moment, one of them unparks, and the other does not wait for that.)
 *
 * The first use is noticed in reactor_current: every first wait for a descriptor or a timer asks that for its reactor.
 *
 * Designs that were rejected:
 *   Decide anew at each sleep: in the watch while something is registered, else in the parker. Then each opening of a
 *   first descriptor has to move the sleepers, and each nudger has to find out where they are, for certain. And who has
 *   used a reactor will use it again.
 *   Look at what the reactors publish anyway (`registered`, `first_deadline`) before parking. Who registers has to move
 *   those who are parked all the same, so that saves nothing; and it is a look at all reactors before each sleep.
 *   One futex for all, with a number of nudges that sleepers take from. It has room for any number of workers. But a
 *   worker that is just about to sleep may take the nudge for which another one was woken, and that one sleeps again.
 *   No token, and the bit is set before the last look for work. Then whoever finds work has to take the bit back, in a
 *   second step, and may have been unparked meanwhile: a token in its parker that ends another sleep for nothing.
 *   A list of those who are parked, under a lock. Tokio has one. But a nudger that loses its core with the lock stops
 *   all other sleepers and nudgers.
 *   Two words, for more than 62 workers. A nudge that has found nobody in the first has to look into the second, and
 *   meanwhile somebody parks in the first.
 *
 * Of the watch itself:
 *   Each worker sleeps in its own reactor. What happens there while it is busy stays there, and other workers sleep.
 *   One epoll set for all, one reactor. It would do all this with one system call less a wait; but all workers that poll
 *   sockets meet in it, at one lock in the kernel and one here. Stage 06's watch.c says what the bench found.
 *   One sleeper watches for all, the others sleep elsewhere. When it has found something it has to run that, and must
 *   wake another one first, which watches in its place: a thread is woken for each event. Here all sleepers watch. */
#include "watch.h"

#include "runtime.h"
#include "sys.h"
#include "trace.h"

#include <errno.h>
#include <string.h>

enum { WATCH_EVENTS = 16 };

#define WATCH_PARKED (WATCH_TOKEN - 1)

static int watch_add(const struct watch *watch, int fd, uint64_t key)
{
    return sys_epoll_ctl(watch->epoll_fd, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, key, SITE(""));
}

static int watch_add_all(const struct watch *watch, struct runtime *rt)
{
    int error = watch_add(watch, watch->nudge_fd, REACTOR_NUDGE);
    for (unsigned i = 0; i < rt->worker_count && !error; i++)
        error = watch_add(watch, rt->workers[i].executor.reactor.epoll_fd, i);
    return error;
}

/* With a single worker the nudge goes to its reactor. */
static int watch_open(struct watch *watch, struct runtime *rt)
{
    if (rt->worker_count == 1)
        return sys_epoll_ctl(rt->workers[0].executor.reactor.epoll_fd, EPOLL_CTL_ADD, watch->nudge_fd,
                             EPOLLIN | EPOLLET, REACTOR_NUDGE, SITE(""));
    watch->epoll_fd = sys_epoll_create(SITE(""));
    if (watch->epoll_fd < 0)
        return watch->epoll_fd;
    int error = watch_add_all(watch, rt);
    if (error)
        sys_close(watch->epoll_fd, SITE(""));
    return error;
}

int watch_init(struct watch *watch, struct runtime *rt)
{
    *watch = (struct watch){.workers = rt->workers, .epoll_fd = -1, .nudge_fd = sys_eventfd(SITE(""))};
    if (watch->nudge_fd < 0)
        return watch->nudge_fd;
    int error = watch_open(watch, rt);
    if (error)
        sys_close(watch->nudge_fd, SITE(""));
    return error;
}

void watch_destroy(struct watch *watch)
{
    if (watch->epoll_fd >= 0)
        sys_close(watch->epoll_fd, SITE(""));
    sys_close(watch->nudge_fd, SITE(""));
}

/* --- the word --- */

/* Each read-modify-write of the word is acq_rel, and its partners are all the others: who takes a token has to see what
 * the nudger did before. (Who is unparked sees it through the parker.) Loads are relaxed, without partners: what they
 * find is checked by the exchange; or it is IN_USE, which stays. */

static bool watch_change(struct watch *watch, uint64_t *word, uint64_t wanted)
{
    return atomic_compare_exchange_weak_explicit(&watch->word, word, wanted, memory_order_acq_rel,
                                                 memory_order_relaxed);
}

/* True: the worker's bit is set, and it parks. False: it was nudged already, or has to sleep in the watch. */
static bool watch_enlist(struct watch *watch, unsigned worker)
{
    uint64_t word = atomic_load_explicit(&watch->word, memory_order_relaxed), wanted;

    do {
        if (word & WATCH_IN_USE)
            return false;
        wanted = word & WATCH_TOKEN ? 0 : word | UINT64_C(1) << worker;
    } while (!watch_change(watch, &word, wanted));
    return !(word & WATCH_TOKEN);
}

/* Returns what the word was: if it had bits, the lowest of them is cleared. A token that is there already is put there
 * once more, as whoever takes it has to see what this thread did, too. */
static uint64_t watch_pick(struct watch *watch)
{
    uint64_t word = atomic_load_explicit(&watch->word, memory_order_relaxed), wanted;

    do {
        if (word & WATCH_IN_USE)
            return word;
        wanted = word & WATCH_PARKED ? word & (word - 1) : WATCH_TOKEN;
    } while (!watch_change(watch, &word, wanted));
    return word;
}

/* --- nudges --- */

/* The worker whose bit is the lowest of these, which the caller has cleared. */
static void watch_unpark(struct watch *watch, uint64_t parked)
{
    TRACE(UNPARK, 0, 0, 0);
    parker_unpark(&watch->workers[__builtin_ctzll(parked)].parker);
}

static void watch_write(struct watch *watch)
{
    TRACE(UNPARK, 0, 0, 0);
    int error = sys_eventfd_add(watch->nudge_fd, SITE(""));
    if (error) /* rather the end than a sleeper that nobody wakes */
        misuse(SITE(""), "the write to the eventfd fails: %s", strerror(-error));
}

void watch_nudge(struct watch *watch)
{
    uint64_t word = watch_pick(watch);

    if (word & WATCH_IN_USE)
        watch_write(watch);
    else if (word & WATCH_PARKED)
        watch_unpark(watch, word & WATCH_PARKED);
    else
        TRACE(UNPARK, 0, 0, 0); /* of whoever takes the token */
}

void watch_use_first(struct watch *watch)
{
    uint64_t word = atomic_exchange_explicit(&watch->word, WATCH_IN_USE, memory_order_acq_rel);

    for (uint64_t parked = word & WATCH_PARKED; parked; parked &= parked - 1)
        watch_unpark(watch, parked);
    if (word & WATCH_TOKEN)
        watch_write(watch);
}

/* --- sleep --- */

static void watch_park(struct watch *watch, unsigned worker)
{
    TRACE(PARK_BEGIN, 0, 0, 0); /* first, so that in a recording no unpark comes before the park that it ends */
    if (watch_enlist(watch, worker))
        parker_park(&watch->workers[worker].parker);
    TRACE(PARK_END, 0, 0, 0);
}

/* Returns which reactors have something to say: a bit for each. */
static uint64_t watch_sleep(struct watch *watch, int64_t limit)
{
    struct epoll_event events[WATCH_EVENTS];
    uint64_t ready = 0;

    TRACE(PARK_BEGIN, 0, 0, 0);
    int count = sys_epoll_wait(watch->epoll_fd, events, WATCH_EVENTS, limit, SITE(""));
    TRACE(PARK_END, 0, 0, 0);
    if (count < 0 && count != -EINTR)
        misuse(SITE(""), "epoll_wait fails: %s", strerror(-count));
    for (int i = 0; i < count; i++)
        if (events[i].data.u64 != REACTOR_NUDGE)
            ready |= UINT64_C(1) << events[i].data.u64;
    return ready;
}

/* All that it has: the watch reports a reactor again only when something new has happened there. */
static void watch_turn(struct reactor *reactor)
{
    while (reactor_turn(reactor, 0))
        ;
}

static void watch_all(struct watch *watch, struct executor *ex)
{
    uint64_t ready = watch_sleep(watch, reactor_limit(&ex->reactor, -1));

    for (; ready; ready &= ready - 1)
        watch_turn(&ex->runtime->workers[__builtin_ctzll(ready)].executor.reactor);
    reactor_fire_timers(&ex->reactor);
}

void watch_wait(struct watch *watch, struct executor *ex)
{
    if (!watch_is_in_use(watch))
        watch_park(watch, ex->number);
    else if (watch->epoll_fd < 0)
        reactor_turn(&ex->reactor, -1);
    else
        watch_all(watch, ex);
}

/* A reactor for each worker, or one for all? One epoll set for all would do what is done here with a system call less
 * for each wait, but all workers that poll sockets would meet in it, at one lock in the kernel and one of ours. The
 * bench has both: http-stage06 and http-stage06-shared, measured by `bench/http/load PROGRAM CONNECTIONS 2`. With two
 * workers on two cores, of which the client needs one, the shared reactor took mostly between 0.9 and 1 times the CPU
 * time for a request, with 64 connections as with 1,000: the median of one series of runs in turn was 0.90, of another
 * 1.01, and pairs within a series differ more than that.
 *
 * So here the call is dearer than the locks, if anything: two workers hardly meet at them. More workers meet more
 * often; that was not measured, for want of cores. Nothing else differs: in both a ready descriptor wakes whoever is
 * idle.
 *
 * Designs that were rejected:
 *   Each worker sleeps in its own reactor. What happens there while it is busy stays there, and other workers sleep.
 *   One sleeper watches for all, the others sleep elsewhere. When it has found something it has to run that, and must
 *   wake another one first, which watches in its place: a thread is woken for each event. Here all sleepers watch.
 *   The second sleeper waits elsewhere for a millisecond before it watches as well. Two events that come together wake
 *   two sleepers, although one might have handled both: that is most of what a second worker costs a server that one
 *   could run alone, and some of it would be saved. But meanwhile a ready descriptor would wait behind a busy worker.
 *   Look into one's own reactor once more before sleeping. It halves the sleeps, and needs as many calls more. */
#include "watch.h"

#include "runtime.h"
#include "sys.h"
#include "trace.h"

#include <errno.h>
#include <string.h>

enum { WATCH_EVENTS = 16 };

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
    *watch = (struct watch){.epoll_fd = -1, .nudge_fd = sys_eventfd(SITE(""))};
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

void watch_nudge(struct watch *watch)
{
    TRACE(UNPARK, 0, 0, 0);
    int error = sys_eventfd_add(watch->nudge_fd, SITE(""));
    if (error) /* rather the end than a sleeper that nobody wakes */
        misuse(SITE(""), "the write to the eventfd fails: %s", strerror(-error));
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

void watch_wait(struct watch *watch, struct executor *ex)
{
    if (watch->epoll_fd < 0) {
        reactor_turn(&ex->reactor, -1);
        return;
    }
    uint64_t ready = watch_sleep(watch, reactor_limit(&ex->reactor, -1));
    for (; ready; ready &= ready - 1)
        watch_turn(&ex->runtime->workers[__builtin_ctzll(ready)].executor.reactor);
    reactor_fire_timers(&ex->reactor);
}

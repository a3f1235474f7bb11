/* The reactor: waits in the kernel for descriptors and timers, and wakes the tasks that wait for them.
 *
 * Each worker has one, for what its tasks wait for first. But tasks move on to other workers, and a reactor whose worker
 * is busy is turned by one that is idle: so all of it may be used by any thread, and one lock guards it. */
#ifndef REACTOR_H
#define REACTOR_H

#include "future.h"
#include "timer_heap.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct runtime;

enum direction { SOURCE_READ, SOURCE_WRITE };

/* A descriptor that tasks wait for. It must stay where it is from the first wait until source_close: used or closed
 * elsewhere, it aborts with the caller's line.
 *
 * `news` is what is known about it, in one word:
 *
 *   part        says                              set or raised by                 cleared by
 *   1 << READ,  the next call in that direction   source_init (a guess), and the   source_would_block, source_ran_dry,
 *   1 << WRITE  may succeed                       reactor for each event           if nothing was raised since the call
 *   SOURCE_END  a read that leaves room has not   the reactor, for an event that   nobody
 *               taken all there is                has to do with more than bytes
 *   the rest    how many events there were        the reactor, by SOURCE_EVENT     -
 *
 * The kernel reports a change once (edge-triggered). Were it to do so between a read that would block and the clearing
 * of the bit, the report would be lost; that is what the count is for. */
struct source {
    _Atomic int fd;                    /* -1: closed */
    _Atomic uint32_t news;             /* any thread */
    _Atomic(struct reactor *) reactor; /* set once, by the first wait; NULL: nobody has waited yet */
    uint32_t seen[2];                  /* by direction, of the one task that asks: news, as of its latest call */

    /* under the reactor's lock */
    bool is_registered;
    unsigned watched; /* directions that the kernel reports, 1 << enum direction */
    uint32_t slot;
    struct {
        struct waker waker;         /* of the one task that waits */
        const struct future *owner; /* the future it waits in */
    } waiting[2];                   /* by direction */
};

enum { SOURCE_END = 4, SOURCE_EVENT = 8 };

/* A registration. An event from the kernel names the slot and its generation, not the source: an event that was
 * collected before the source was closed is then recognised as stale, even when the slot is used again. */
struct slot {
    struct source *source; /* NULL: free */
    uint32_t generation;
    uint32_t next_free;
};

struct reactor {
    const struct runtime *runtime;
    int epoll_fd;

    pthread_mutex_t lock;
    /* under lock */
    struct slot *slots;
    uint32_t slot_count;
    uint32_t first_free;
    struct timer_heap timers;

    /* written under lock, read by anybody */
    _Atomic uint32_t registered;     /* how many sources are */
    _Atomic uint64_t first_deadline; /* of the timers, UINT64_MAX: there is none */
};

#define REACTOR_NUDGE UINT64_MAX /* the event data of an eventfd whose only purpose is to end a wait */

/* 0 or -errno. */
int reactor_init(struct reactor *reactor, const struct runtime *rt);

/* Sources that are still registered become unregistered; timers that are still queued are taken out. */
void reactor_destroy(struct reactor *reactor);

/* Waits until a descriptor or a timer is ready, a nudge comes, or timeout ns have passed (0: only looks; -1: no limit),
 * and wakes the tasks concerned. True: there may be more descriptors that are ready than one turn handles. */
bool reactor_turn(struct reactor *reactor, int64_t timeout);

/* A turn that does not wait, if there is anything to look for. */
void reactor_glance(struct reactor *reactor);

/* Wakes those whose deadline has passed, and returns how many. */
unsigned reactor_fire_timers(struct reactor *reactor);

/* How long a wait of at most timeout ns may last, if the first timer is to be in time. */
int64_t reactor_limit(const struct reactor *reactor, int64_t timeout);

/* The reactor of the worker that this thread is. Aborts with the caller's line on any other. */
struct reactor *reactor_current(const struct site *at);

void source_init(struct source *source, int fd);

static inline int source_fd(const struct source *source)
{
    /* relaxed, no partner: a number for the next system call, which whoever closes the socket meanwhile must expect */
    return atomic_load_explicit(&source->fd, memory_order_relaxed);
}

/* Ready: try the call. Pending: the waker of cx is left with the source. owner: the future that asks; one per
 * direction at a time, a second one aborts with the caller's line. *error: 0, or -errno when no waiting is possible
 * (then ready; -EBADF: the source is closed). */
enum poll source_poll_ready(struct source *source, enum direction direction, const struct future *owner,
                            struct context *cx, int *error, const struct site *at);

/* The call made after the latest source_poll_ready in this direction would have blocked. */
void source_would_block(struct source *source, enum direction direction);

/* That call read or wrote less than it might have, and the socket is a stream: the next one would block, and need not
 * be made. See reactor.c for when that is true. */
void source_ran_dry(struct source *source, enum direction direction);

/* The future gives up waiting, if it does. */
void source_forget(struct source *source, enum direction direction, const struct future *owner, const struct site *at);

/* Takes the descriptor out of the reactor and closes it. Whoever waits is woken and finds -EBADF. 0 or -errno. */
int source_close(struct source *source, const struct site *at);

/* Queues a timer that is not queued, with the waker of cx in it. It must stay where it is until it has fired or is taken
 * out. 0 or -ENOMEM. */
int reactor_add_timer(struct reactor *reactor, struct timer *timer, uint64_t deadline, const struct context *cx,
                      const struct site *at);

/* Leaves the waker of cx in a timer that was queued. -EAGAIN: it waits; 0: it has fired; -ENOMEM: it waits, and the waker
 * in it is the older one. */
int reactor_renew_timer(struct reactor *reactor, struct timer *timer, const struct context *cx, const struct site *at);

/* Takes out a timer that was queued, unless it has fired, and drops its waker. */
void reactor_remove_timer(struct reactor *reactor, struct timer *timer, const struct site *at);

/* For whoever sleeps. acquire: if it has fired, what the thread that fired it did before (partner: the release in
 * reactor_fire). */
static inline uint32_t timer_place(const struct timer *timer)
{
    return atomic_load_explicit(&timer->place, memory_order_acquire);
}

static inline bool timer_has_fired(const struct timer *timer)
{
    return timer_place(timer) == TIMER_FIRED;
}

#endif

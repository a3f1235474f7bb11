/* The reactor: waits in the kernel for descriptors and timers, and wakes the tasks that wait for them.
 *
 * It knows nothing about tasks. A future that cannot go on leaves a waker with a source (a descriptor) or with a timer;
 * the executor calls reactor_turn when it has nothing else to do, and that is where the thread sleeps.
 *
 * All of it, but for reactor_nudge, is for the executor's thread. */
#ifndef REACTOR_H
#define REACTOR_H

#include "future.h"
#include "timer_heap.h"

#include <stdbool.h>
#include <stdint.h>

enum direction { SOURCE_READ, SOURCE_WRITE };

/* A descriptor that tasks wait for. It must stay where it is from the first wait until source_close: used or closed
 * elsewhere, it aborts with the caller's line.
 *
 * `ready` is what is known per direction: a bit is set while the next call may succeed. It starts out set, which is a
 * guess: so the first read is simply tried, and a descriptor that never makes anybody wait is never registered. A call
 * that would block clears it. The kernel reports a change once (edge-triggered), and the reactor sets it again. */
struct source {
    int fd;                  /* -1: closed */
    unsigned ready;          /* 1 << enum direction */
    unsigned watched;        /* directions that the kernel reports, likewise */
    struct reactor *reactor; /* NULL: not registered */
    uint32_t slot;
    struct {
        struct waker waker;         /* of the one task that waits */
        const struct future *owner; /* the future it waits in */
    } waiting[2];                   /* by direction */
};

/* A registration. An event from the kernel names the slot and its generation, not the source: an event that was
 * collected before the source was closed is then recognised as stale, even when the slot is used again. */
struct slot {
    struct source *source; /* NULL: free */
    uint32_t generation;
    uint32_t next_free;
};

struct reactor {
    int epoll_fd;
    int nudge_fd; /* an eventfd, for threads that want to end the wait */
    struct slot *slots;
    uint32_t slot_count;
    uint32_t first_free;
    struct timer_heap timers;
};

/* 0 or -errno. */
int reactor_init(struct reactor *reactor);

/* Sources that are still registered become unregistered; timers that are still queued are taken out. */
void reactor_destroy(struct reactor *reactor);

/* Waits until a descriptor or a timer is ready, a nudge comes, or timeout ns have passed (0: only looks; -1: no limit),
 * and wakes the tasks concerned. */
void reactor_turn(struct reactor *reactor, int64_t timeout);

/* Nothing was ever registered and no timer is queued: a look into it would be a system call for nothing. */
static inline bool reactor_is_unused(const struct reactor *reactor)
{
    return reactor->slot_count == 0 && !reactor->timers.root;
}

/* Ends the turn that runs, or else the next one, at once. Any thread. */
void reactor_nudge(struct reactor *reactor);

/* The reactor of the executor that runs on this thread. Aborts with the caller's line outside of one. */
struct reactor *reactor_current(const struct site *at);

void source_init(struct source *source, int fd);

/* Ready: try the call. Pending: the waker of cx is left with the source. owner: the future that asks; one per
 * direction at a time, a second one aborts with the caller's line. *error: 0, or -errno when no waiting is possible
 * (then ready; -EBADF: the source is closed). */
enum poll source_poll_ready(struct source *source, enum direction direction, const struct future *owner,
                            struct context *cx, int *error, const struct site *at);

/* The call just made would have blocked. */
void source_would_block(struct source *source, enum direction direction);

/* The future gives up waiting, if it does. */
void source_forget(struct source *source, enum direction direction, const struct future *owner, const struct site *at);

/* Takes the descriptor out of the reactor and closes it. Whoever waits is woken and finds -EBADF. 0 or -errno. */
int source_close(struct source *source, const struct site *at);

/* Queues a timer, whose deadline is set, with the waker of cx in it; of one that is queued, only the waker is replaced.
 * It must stay where it is until it has fired or is taken out. */
void reactor_add_timer(struct reactor *reactor, struct timer *timer, struct context *cx, const struct site *at);

/* Takes it out, if it is queued, and drops its waker. */
void reactor_remove_timer(struct reactor *reactor, struct timer *timer, const struct site *at);

#endif

/* An async barrier: so many tasks wait for each other, and then all go on; again and again.
 *
 * One of them, the last to come, is told that it is the leader. Any thread, any task; no allocation. */
#ifndef ASYNC_BARRIER_H
#define ASYNC_BARRIER_H

#include "mutex.h"
#include "waiters.h"

struct async_barrier {
    uint32_t size;
    uint32_t number; /* in recordings */
    struct mutex lock;
    uint32_t arrived;       /* in this round */
    uint32_t round;         /* how many there were before */
    struct waiters waiters; /* `wants`: its round */
};

/* For groups of `size`. Aborts with the caller's line if that is 0. It must stay where it is until it is destroyed. */
#define async_barrier_init(b, size) async_barrier_init_at(b, size, SITE(#b))
void async_barrier_init_at(struct async_barrier *b, uint32_t size, const struct site *at);

/* Nothing is freed. Aborts with the caller's line if somebody waits. It may be called as soon as nobody will use the
 * barrier any more and the leader's poll has returned. */
#define async_barrier_destroy(b) async_barrier_destroy_at(b, SITE(#b))
void async_barrier_destroy_at(struct async_barrier *b, const struct site *at);

/* Arrives with its first poll, and is ready when all have. Dropped before that, it has not arrived. */
struct async_barrier_wait {
    struct future base;
    struct async_barrier *barrier;
    struct waiter waiter;
    const struct site *at;
    bool output; /* it is the leader */
};

#define async_barrier_wait(b) async_barrier_wait_at(b, SITE(#b))
struct async_barrier_wait async_barrier_wait_at(struct async_barrier *b, const struct site *at);

#endif

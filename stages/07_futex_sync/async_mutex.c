/* A semaphore with one permit: the protocol, and the race that it closes, are at the top of async_semaphore.c.
 *
 * What a mutex knows beyond that is who may release: nobody while it is free.
 *
 * Designs that were rejected:
 *   A guard in the lock's future, whose drop unlocks. In C nobody drops it at the end of a block, so it would be one
 *   call as well, and the future would have to live as long as the lock is held.
 *   An owner, to answer a task that locks what it holds already. A lock may be taken in one task and given back in
 *   another, and a task has no name that its futures know. lifeline shows who waits, and since when. */
#include "async_mutex.h"

#include "executor.h"

void async_mutex_init(struct async_mutex *m)
{
    async_semaphore_init(&m->semaphore, 1);
}

static bool mutex_is_free(struct async_mutex *m)
{
    return async_semaphore_available(&m->semaphore) > 0;
}

void async_mutex_destroy_at(struct async_mutex *m, const struct site *at)
{
    async_semaphore_destroy_at(&m->semaphore, at);
    if (!mutex_is_free(m))
        misuse(at, "async mutex %u is destroyed while it is locked", m->semaphore.number);
}

bool async_mutex_trylock(struct async_mutex *m)
{
    return async_semaphore_take_only(&m->semaphore);
}

void async_mutex_unlock_slow(struct async_mutex *m, const struct site *at)
{
    if (mutex_is_free(m))
        misuse(at, "async_mutex_unlock of a mutex that is not locked");
    async_semaphore_release_at(&m->semaphore, 1, at);
}

/* All but the short way. Not inlined, as every poll would have to save more registers for it. */
static __attribute__((noinline)) enum poll async_mutex_lock_go_on(struct async_mutex_lock *self, struct context *cx)
{
    if (!budget_spend(cx))
        return POLL_PENDING;
    return async_semaphore_poll(&self->mutex->semaphore, &self->base, &self->waiter, cx, self->at);
}

static enum poll async_mutex_lock_poll(struct future *f, struct context *cx)
{
    struct async_mutex_lock *self = (struct async_mutex_lock *)f;

    if (budget_left == 0 || self->waiter.came || !async_semaphore_take_only(&self->mutex->semaphore))
        return async_mutex_lock_go_on(self, cx);
    budget_left--;
    return POLL_READY;
}

static void async_mutex_lock_drop(struct future *f)
{
    struct async_mutex_lock *self = (struct async_mutex_lock *)f;
    if (waiter_is_unfinished(&self->waiter, f))
        async_semaphore_give_up(&self->mutex->semaphore, &self->waiter, self->at);
}

FUTURE_TYPE_SHARED(async_mutex_lock, async_mutex_lock_poll, async_mutex_lock_drop);

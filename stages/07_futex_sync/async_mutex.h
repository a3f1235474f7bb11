/* An async mutex: one task at a time. It may be held across an await: who finds it taken waits as a task, and the thread
 * goes on with other tasks.
 *
 * First come, first served, as in a semaphore with one permit, which it is. Any thread, any task; no allocation. For a
 * section without an await in it the mutex that blocks threads (mutex.h) is cheaper, and just as good. */
#ifndef ASYNC_MUTEX_H
#define ASYNC_MUTEX_H

#include "async_semaphore.h"

struct async_mutex {
    struct async_semaphore semaphore;
};

/* It must stay where it is until it is destroyed. */
void async_mutex_init(struct async_mutex *m);

/* Nothing is freed. Aborts with the caller's line if it is locked. It may be called as soon as nobody will use the mutex
 * any more; the last unlock need not have returned. */
#define async_mutex_destroy(m) async_mutex_destroy_at(m, SITE(#m))
void async_mutex_destroy_at(struct async_mutex *m, const struct site *at);

extern const struct future_type async_mutex_lock_type;

/* Ready when the caller has the mutex, and gives it back with async_mutex_unlock, from whatever thread he is on by then.
 * Dropping the finished future does not unlock; one that is dropped earlier has locked nothing. */
struct async_mutex_lock {
    struct future base;
    struct async_mutex *mutex;
    struct waiter waiter;
    const struct site *at;
};

#define async_mutex_lock(m) async_mutex_lock_at(m, SITE(#m))
static inline struct async_mutex_lock async_mutex_lock_at(struct async_mutex *m, const struct site *at)
{
    struct async_mutex_lock self;

    future_init_at(&self.base, &async_mutex_lock_type, at);
    self.mutex = m;
    waiter_init(&self.waiter, 1);
    self.at = at;
    return self;
}

/* Takes it if it is free and nobody waits; says whether. Never waits. */
bool async_mutex_trylock(struct async_mutex *m);

/* Gives it to the one who has waited longest, if there is one. Aborts with the caller's line if it is not locked. */
#define async_mutex_unlock(m) async_mutex_unlock_at(m, SITE(#m))
void async_mutex_unlock_slow(struct async_mutex *m, const struct site *at);
static inline void async_mutex_unlock_at(struct async_mutex *m, const struct site *at)
{
    if (!async_semaphore_put_only(&m->semaphore))
        async_mutex_unlock_slow(m, at);
}

#endif

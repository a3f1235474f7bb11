/* An async semaphore: so many permits. Who wants more of them than are there waits, and it is the task that waits, not
 * the thread.
 *
 * First come, first served: whoever wants permits while others wait goes to the end of the line, even if there are
 * enough for him. So nobody starves, not even one who wants many. Any thread, any task; no allocation. */
#ifndef ASYNC_SEMAPHORE_H
#define ASYNC_SEMAPHORE_H

#include "mutex.h"
#include "waiters.h"

#define SEMAPHORE_PERMITS_MAX (UINT32_MAX / 2)

struct async_semaphore {
    atomic_uint state;      /* see async_semaphore.c */
    uint32_t number;        /* in recordings */
    struct mutex lock;      /* of the waiters */
    struct waiters waiters; /* `wants`: how many permits */
};

/* With so many permits to begin with. It must stay where it is until it is destroyed. */
void async_semaphore_init(struct async_semaphore *s, uint32_t permits);

/* Nothing is freed. Aborts with the caller's line if somebody waits. It may be called as soon as nobody will use the
 * semaphore any more; a release that was the last thing to be done with it need not have returned. */
#define async_semaphore_destroy(s) async_semaphore_destroy_at(s, SITE(#s))
void async_semaphore_destroy_at(struct async_semaphore *s, const struct site *at);

/* Ready when the permits are the caller's, who gives them back with async_semaphore_release. They are not given back when
 * the finished future is dropped; one that is dropped earlier has none. */
struct async_semaphore_acquire {
    struct future base;
    struct async_semaphore *semaphore;
    struct waiter waiter;
    const struct site *at;
};

#define async_semaphore_acquire(s, count) async_semaphore_acquire_at(s, count, SITE(#s))
struct async_semaphore_acquire async_semaphore_acquire_at(struct async_semaphore *s, uint32_t count,
                                                          const struct site *at);

/* Takes them if they are there and nobody waits; says whether. Never waits. */
bool async_semaphore_try_acquire(struct async_semaphore *s, uint32_t count);

/* Gives permits back, or adds new ones. Aborts with the caller's line if there would be more than
 * SEMAPHORE_PERMITS_MAX. */
#define async_semaphore_release(s, count) async_semaphore_release_at(s, count, SITE(#s))
void async_semaphore_release_at(struct async_semaphore *s, uint32_t count, const struct site *at);

/* How many are there to be taken at the moment. */
uint32_t async_semaphore_available(struct async_semaphore *s);

/* --- for the async mutex, a semaphore with one permit --- */

enum { SEMAPHORE_WAITERS = 1, SEMAPHORE_PERMIT = 2 }; /* the state word, see async_semaphore.c */

/* Takes the only permit, or puts it back, if nobody waits. Without a look at the word first: it is mostly as expected, and
 * the look costs as much as half of the exchange. */
static inline bool async_semaphore_take_only(struct async_semaphore *s)
{
    unsigned expected = SEMAPHORE_PERMIT;

    /* acquire: what was done before it was put back (partners: semaphore_add, semaphore_put, and the one below) */
    return atomic_compare_exchange_strong_explicit(&s->state, &expected, 0, memory_order_acquire, memory_order_relaxed);
}

static inline bool async_semaphore_put_only(struct async_semaphore *s)
{
    unsigned expected = 0;

    /* release: what was done with it (partners: the one above, async_semaphore_try_acquire and semaphore_take_or_mark) */
    return atomic_compare_exchange_strong_explicit(&s->state, &expected, SEMAPHORE_PERMIT, memory_order_release,
                                                   memory_order_relaxed);
}

/* The poll of a future that acquires, which has spent its budget; and the drop of one that is unfinished. */
enum poll async_semaphore_poll(struct async_semaphore *s, struct future *f, struct waiter *w, struct context *cx,
                               const struct site *at);
void async_semaphore_give_up(struct async_semaphore *s, struct waiter *w, const struct site *at);

#endif

/* How permits are counted by one atomic operation each way while nobody waits, and nobody who waits is forgotten.
 *
 * The state word:
 *
 *   bits        set by                                    cleared by                        cannot be together with
 *   WAITERS     who comes to wait, under the lock         who empties the list, under the   -
 *                                                         lock
 *   31..1       permits that are free                     -                                 -
 *
 * The protocol: while WAITERS is clear, permits are taken from the word and added to it by one compare-and-exchange,
 * without the lock. While it is set both ways lead through the lock, and the word belongs to whoever holds it. A release
 * then serves the line from its front: it grants permits to waiters directly, so nobody can snatch them away in between.
 *
 * The race between looking for permits and beginning to wait: the permits come back in between, and the release saw
 * nobody. So the look and the mark are one step: the same exchange that finds too few permits sets WAITERS. A release
 * before it is seen by it; a release after it finds the mark, and then the lock.
 *
 * Giving away: a release without waiters touches nothing after its exchange. With waiters it touches the semaphore until
 * it leaves the lock; whoever was granted something learns so under that lock, so not before. What it cannot grant in
 * one go (there is room for so many wakers only) it keeps in hand, and not in the word, until it has come back.
 *
 * Designs that were rejected:
 *   Put the permits into the word and wake the first, which then tries again. Whoever runs just then is faster than a
 *   task that has to be woken, and the first in line can lose again and again.
 *   Serve small wishes first. One who wants many would starve.
 *   Take the lock for every release. It is simpler, and an uncontended release would cost twice as much.
 *   A list without a lock (the waiters as a stack in the word). A waiter that is dropped must be gone from the list when
 *   its drop returns, wherever it is in the line. */
#include "async_semaphore.h"

#include "executor.h"
#include "ids.h"
#include "trace.h"

enum { WAITERS = SEMAPHORE_WAITERS, PERMIT = SEMAPHORE_PERMIT };

void async_semaphore_init(struct async_semaphore *s, uint32_t permits)
{
    *s = (struct async_semaphore){.number = id_new(ID_SYNC)};
    mutex_init(&s->lock);
    atomic_init(&s->state, permits * PERMIT);
}

void async_semaphore_destroy_at(struct async_semaphore *s, const struct site *at)
{
    /* relaxed: the caller says that everybody is done, and knows it from them */
    if (atomic_load_explicit(&s->state, memory_order_relaxed) & WAITERS)
        misuse(at, "semaphore %u is destroyed while somebody waits for it", s->number);
}

uint32_t async_semaphore_available(struct async_semaphore *s)
{
    /* relaxed: the number may be another by the time it is used, so nothing can rely on it */
    return atomic_load_explicit(&s->state, memory_order_relaxed) / PERMIT;
}

/* --- the word --- */

static bool semaphore_has(unsigned state, uint32_t count)
{
    return !(state & WAITERS) && state / PERMIT >= count;
}

/* Takes permits if nobody waits. acquire: what was done before they were released (partners: semaphore_add and
 * semaphore_put). */
bool async_semaphore_try_acquire(struct async_semaphore *s, uint32_t count)
{
    unsigned state = atomic_load_explicit(&s->state, memory_order_relaxed); /* a guess, the exchange checks it */

    while (semaphore_has(state, count))
        if (atomic_compare_exchange_weak_explicit(&s->state, &state, state - count * PERMIT, memory_order_acquire,
                                                  memory_order_relaxed))
            return true;
    return false;
}

/* Under the lock. Takes permits (true), or sets WAITERS in the same step; acquire as above. */
static bool semaphore_take_or_mark(struct async_semaphore *s, uint32_t count)
{
    unsigned state = atomic_load_explicit(&s->state, memory_order_relaxed); /* a guess, the exchange checks it */

    for (;;) {
        bool taken = semaphore_has(state, count);
        unsigned after = taken ? state - count * PERMIT : state | WAITERS;
        if (atomic_compare_exchange_weak_explicit(&s->state, &state, after, memory_order_acquire, memory_order_relaxed))
            return taken;
    }
}

static void semaphore_check(const struct async_semaphore *s, unsigned state, uint32_t count, const struct site *at)
{
    if (count > SEMAPHORE_PERMITS_MAX - state / PERMIT)
        misuse(at, "semaphore %u has more permits released than it can count", s->number);
}

/* Adds permits if nobody waits. release: what the releaser did before (partners: the two above). */
static bool semaphore_add(struct async_semaphore *s, uint32_t count, const struct site *at)
{
    unsigned state = atomic_load_explicit(&s->state, memory_order_relaxed); /* a guess, the exchange checks it */

    while (!(state & WAITERS)) {
        semaphore_check(s, state, count, at);
        if (atomic_compare_exchange_weak_explicit(&s->state, &state, state + count * PERMIT, memory_order_release,
                                                  memory_order_relaxed))
            return true;
    }
    return false;
}

/* Under the lock, and WAITERS is set: nobody else changes the word meanwhile. release: as semaphore_add. */
static void semaphore_put(struct async_semaphore *s, uint32_t permits)
{
    atomic_store_explicit(&s->state, permits * PERMIT | (s->waiters.first ? WAITERS : 0), memory_order_release);
}

/* --- the line --- */

/* Under the lock. Serves those in front, as far as the permits and the room for wakers go; returns what is left. */
static uint32_t semaphore_serve(struct async_semaphore *s, uint32_t permits, struct wakes *wakes)
{
    while (s->waiters.first && s->waiters.first->wants <= permits && !wakes_full(wakes)) {
        permits -= s->waiters.first->wants;
        waiter_grant(&s->waiters, wakes);
    }
    return permits;
}

/* Releases through the lock. Returns what is still to be released: what others must not get before the rest of the line
 * was served, or all of it if nobody waits any more. */
static uint32_t semaphore_release_slow(struct async_semaphore *s, uint32_t count, const struct site *at)
{
    struct wakes wakes;

    wakes_clear(&wakes);
    mutex_lock_at(&s->lock, at);
    unsigned state = atomic_load_explicit(&s->state, memory_order_relaxed); /* WAITERS changes under the lock only */
    if (state & WAITERS) {
        semaphore_check(s, state, count, at);
        uint32_t left = semaphore_serve(s, state / PERMIT + count, &wakes);
        count = wakes_full(&wakes) ? left : 0;
        semaphore_put(s, left - count);
    }
    mutex_unlock_at(&s->lock, at);
    wakes_go(&wakes, at);
    return count;
}

void async_semaphore_release_at(struct async_semaphore *s, uint32_t count, const struct site *at)
{
    while (!semaphore_add(s, count, at)) {
        count = semaphore_release_slow(s, count, at);
        if (count == 0)
            return;
    }
}

/* --- acquiring --- */

enum poll async_semaphore_poll(struct async_semaphore *s, struct future *f, struct waiter *w, struct context *cx,
                               const struct site *at)
{
    struct waker old = {0};

    if (!w->came && async_semaphore_try_acquire(s, w->wants))
        return POLL_READY;
    mutex_lock_at(&s->lock, at);
    bool ready = w->state == WAITER_GRANTED || (w->state == WAITER_OUT && semaphore_take_or_mark(s, w->wants));
    if (!ready)
        old = waiter_wait(&s->waiters, w, waiter_number(s->number, f), cx, at);
    mutex_unlock_at(&s->lock, at);
    waiter_drop_waker(old, at);
    return ready ? POLL_READY : POLL_PENDING;
}

/* The future is dropped. What it was granted is passed on; and if it stood in front, those behind it may have enough. */
void async_semaphore_give_up(struct async_semaphore *s, struct waiter *w, const struct site *at)
{
    struct waker old = {0};
    uint32_t granted = 0;

    mutex_lock_at(&s->lock, at);
    if (w->state == WAITER_GRANTED)
        granted = w->wants;
    else
        old = waiters_remove(&s->waiters, w, at);
    mutex_unlock_at(&s->lock, at);
    waiter_drop_waker(old, at);
    async_semaphore_release_at(s, granted, at);
}

static enum poll async_semaphore_acquire_poll(struct future *f, struct context *cx)
{
    struct async_semaphore_acquire *self = (struct async_semaphore_acquire *)f;

    if (!budget_spend(cx))
        return POLL_PENDING;
    return async_semaphore_poll(self->semaphore, f, &self->waiter, cx, self->at);
}

static void async_semaphore_acquire_drop(struct future *f)
{
    struct async_semaphore_acquire *self = (struct async_semaphore_acquire *)f;
    if (waiter_is_unfinished(&self->waiter, f))
        async_semaphore_give_up(self->semaphore, &self->waiter, self->at);
}

FUTURE_TYPE(async_semaphore_acquire, async_semaphore_acquire_poll, async_semaphore_acquire_drop);

struct async_semaphore_acquire async_semaphore_acquire_at(struct async_semaphore *s, uint32_t count,
                                                          const struct site *at)
{
    struct async_semaphore_acquire self = {.semaphore = s, .waiter.wants = count, .at = at};

    if (count > SEMAPHORE_PERMITS_MAX)
        misuse(at, "semaphore %u is asked for more permits than it can count", s->number);
    future_init_at(&self.base, &async_semaphore_acquire_type, at);
    return self;
}

/* How all of a group are woken, and none of the next.
 *
 * The protocol: everything is under the lock. Who arrives and is not the last waits in the list, in the present round. The
 * last begins a new round and grants to all who are in an older one.
 *
 * There may be more of them than can be woken in one go, and then others can arrive in between, and wait behind them: the
 * next group. They have the new round, and that is where it stops.
 *
 * A waiter that is dropped takes its arrival back: a task that was aborted will not do what the others wait for. Once it
 * was granted it is too late: the others have gone on, and there is nothing to pass on either.
 *
 * Designs that were rejected:
 *   An atomic counter instead of the lock. All but one of a group have to wait, and to wait they need the lock.
 *   Notify, with a counter beside it. The last one's notify_all comes after its count, and a task of the next group that
 *   comes in between would be woken too early. */
#include "async_barrier.h"

#include "executor.h"
#include "ids.h"
#include "trace.h"

void async_barrier_init_at(struct async_barrier *b, uint32_t size, const struct site *at)
{
    if (size == 0)
        misuse(at, "a barrier for a group of nobody");
    *b = (struct async_barrier){.size = size, .number = id_new(ID_SYNC)};
    mutex_init(&b->lock);
}

void async_barrier_destroy_at(struct async_barrier *b, const struct site *at)
{
    if (b->waiters.first)
        misuse(at, "barrier %u is destroyed while somebody waits at it", b->number);
}

/* Under the lock. Says whether there are more to be woken than fit. */
static bool barrier_serve(struct async_barrier *b, uint32_t round, struct wakes *wakes)
{
    /* The difference, not the order: rounds begin anew after 2^32. */
    while (b->waiters.first && (int32_t)(b->waiters.first->wants - round) < 0) {
        if (wakes_full(wakes))
            return true;
        waiter_grant(&b->waiters, wakes);
    }
    return false;
}

/* Under the lock. All have arrived: from now on it is the next round. Wakes them, and gives the lock back. */
static void barrier_open(struct async_barrier *b, const struct site *at)
{
    struct wakes wakes;
    uint32_t round = ++b->round;
    bool more = true;

    b->arrived = 0;
    wakes_clear(&wakes);
    while (more) {
        more = barrier_serve(b, round, &wakes);
        mutex_unlock_at(&b->lock, at);
        wakes_go(&wakes, at);
        if (more)
            mutex_lock_at(&b->lock, at);
    }
}

/* Under the lock. */
static void barrier_arrive(struct async_barrier *b, struct waiter *w)
{
    b->arrived++;
    w->wants = b->round;
}

static enum poll async_barrier_wait_poll(struct future *f, struct context *cx)
{
    struct async_barrier_wait *self = (struct async_barrier_wait *)f;
    struct async_barrier *b = self->barrier;
    struct waiter *w = &self->waiter;
    struct waker old = {0};

    if (!budget_spend(cx))
        return POLL_PENDING;
    mutex_lock_at(&b->lock, self->at);
    if (w->state == WAITER_OUT)
        barrier_arrive(b, w);
    self->output = b->arrived == b->size;
    if (self->output) {
        barrier_open(b, self->at);
        return POLL_READY;
    }
    bool ready = w->state == WAITER_GRANTED;
    if (!ready)
        old = waiter_wait(&b->waiters, w, waiter_number(b->number, f), cx, self->at);
    mutex_unlock_at(&b->lock, self->at);
    waiter_drop_waker(old, self->at);
    return ready ? POLL_READY : POLL_PENDING;
}

static void async_barrier_wait_drop(struct future *f)
{
    struct async_barrier_wait *self = (struct async_barrier_wait *)f;
    struct async_barrier *b = self->barrier;
    struct waker old = {0};

    if (!waiter_is_unfinished(&self->waiter, f))
        return;
    mutex_lock_at(&b->lock, self->at);
    if (self->waiter.state == WAITER_QUEUED) {
        old = waiters_remove(&b->waiters, &self->waiter, self->at);
        b->arrived--;
    }
    mutex_unlock_at(&b->lock, self->at);
    waiter_drop_waker(old, self->at);
}

FUTURE_TYPE(async_barrier_wait, async_barrier_wait_poll, async_barrier_wait_drop);

struct async_barrier_wait async_barrier_wait_at(struct async_barrier *b, const struct site *at)
{
    struct async_barrier_wait self = {.barrier = b, .at = at};
    future_init_at(&self.base, &async_barrier_wait_type, at);
    return self;
}

/* How a notification finds the one who waits, or who is about to.
 *
 * The state word:
 *
 *   bits      set by                            cleared by                             cannot be set with
 *   WAITERS   who comes to wait, under the      who empties the list, under the lock   KEPT
 *             lock
 *   KEPT      notify_one, if nobody waits       the next who comes to wait             WAITERS
 *   31..2     the round: how often notify_all   -
 *             was called
 *
 * The protocol: while WAITERS is clear each side needs one exchange and no lock: notify_one sets KEPT, whoever comes to
 * wait takes KEPT, notify_all begins a new round. While it is set, both kinds of notification take the lock and the
 * waiters out of the list. A future remembers the round in which it was made, and is ready when it finds another.
 *
 * The race between making a future and looking at what it waits for: one that is made in the new round already will not
 * be notified. So whoever sees that round must also see what was changed before it, and the round is read with acquire.
 *
 * The race between looking for KEPT and beginning to wait: the same exchange that finds it clear sets WAITERS, under the
 * lock. So a notification comes before it and has set KEPT, or after it and finds the waiter.
 *
 * notify_all wakes in several goes if there are many, and others may come to wait in between. They have the new round,
 * and that is where it stops.
 *
 * A waiter that was granted one notification, and whose future is dropped before it was polled, passes it on by a
 * notify_one of its own. One that was woken by notify_all has nothing to pass on: all the others were woken as well.
 *
 * Designs that were rejected:
 *   A count instead of KEPT: that is a semaphore. A notification says "look", and to look twice is of no use.
 *   No round: then notify_all would miss a future that was made, but not yet polled, and with it the pattern of make, look,
 *   await. */
#include "notify.h"

#include "executor.h"
#include "ids.h"
#include "trace.h"

enum { WAITERS = 1, KEPT = 2, ROUND = 4 };

#define ROUND_OF(state) ((state) & ~(ROUND - 1u)) /* in steps of ROUND */

/* What a granted waiter has in `wants`. */
enum { GRANTED_ONE, GRANTED_ALL };

void notify_init(struct notify *n)
{
    *n = (struct notify){.number = id_new(ID_SYNC)};
    mutex_init(&n->lock);
}

void notify_destroy_at(struct notify *n, const struct site *at)
{
    /* relaxed: the caller says that everybody is done, and knows it from them */
    if (atomic_load_explicit(&n->state, memory_order_relaxed) & WAITERS)
        misuse(at, "notify %u is destroyed while somebody waits for it", n->number);
}

/* --- the word --- */

/* Sets KEPT if nobody waits. release: what was done before the notification (partner: notify_take). Also if it is set
 * already, as whoever takes it must see that. */
static bool notify_keep(struct notify *n)
{
    unsigned state = atomic_load_explicit(&n->state, memory_order_relaxed); /* a guess, the exchange checks it */

    while (!(state & WAITERS))
        if (atomic_compare_exchange_weak_explicit(&n->state, &state, state | KEPT, memory_order_release,
                                                  memory_order_relaxed))
            return true;
    return false;
}

/* Takes KEPT, or finds another round than `round`: true. acquire: what was done before the notification (partners:
 * notify_keep and notify_begin_round). mark: else set WAITERS in the same step; under the lock only. */
static bool notify_take(struct notify *n, unsigned round, bool mark)
{
    unsigned state = atomic_load_explicit(&n->state, memory_order_acquire);

    for (;;) {
        if (ROUND_OF(state) != round)
            return true;
        bool kept = state & KEPT;
        if (!kept && !mark)
            return false;
        if (atomic_compare_exchange_weak_explicit(&n->state, &state, kept ? state & ~KEPT : state | WAITERS,
                                                  memory_order_acquire, memory_order_acquire))
            return kept;
    }
}

/* Returns the state before, plus ROUND. release: what was done before the notification (partners: notify_take and
 * notify_wait_at). */
static unsigned notify_begin_round(struct notify *n)
{
    return atomic_fetch_add_explicit(&n->state, ROUND, memory_order_release) + ROUND;
}

/* Under the lock. relaxed: those who change the word next have looked at nothing that was done here. */
static void notify_unmark_if_empty(struct notify *n)
{
    if (!n->waiters.first)
        atomic_fetch_and_explicit(&n->state, ~(unsigned)WAITERS, memory_order_relaxed);
}

/* --- notifying --- */

static void notify_grant(struct notify *n, unsigned granted, struct wakes *wakes)
{
    n->waiters.first->wants = granted;
    waiter_grant(&n->waiters, wakes);
    notify_unmark_if_empty(n);
}

void notify_one_at(struct notify *n, const struct site *at)
{
    struct wakes wakes;

    wakes_clear(&wakes);
    while (wakes.count == 0 && !notify_keep(n)) {
        mutex_lock_at(&n->lock, at);
        if (n->waiters.first) /* it may have gone meanwhile: then once more */
            notify_grant(n, GRANTED_ONE, &wakes);
        mutex_unlock_at(&n->lock, at);
    }
    wakes_go(&wakes, at);
}

/* Under the lock. Grants to those who came before this round, as far as there is room; says whether there are more. */
static bool notify_serve(struct notify *n, unsigned round, struct wakes *wakes)
{
    /* The difference, not the order: rounds begin anew after 2^30. */
    while (n->waiters.first && (int)(n->waiters.first->wants - round) < 0) {
        if (wakes_full(wakes))
            return true;
        notify_grant(n, GRANTED_ALL, wakes);
    }
    return false;
}

void notify_all_at(struct notify *n, const struct site *at)
{
    struct wakes wakes;
    unsigned state = notify_begin_round(n);
    bool more = state & WAITERS;

    wakes_clear(&wakes);
    while (more) {
        mutex_lock_at(&n->lock, at);
        more = notify_serve(n, ROUND_OF(state), &wakes);
        mutex_unlock_at(&n->lock, at);
        wakes_go(&wakes, at);
    }
}

/* --- waiting --- */

static enum poll notify_wait_poll(struct future *f, struct context *cx)
{
    struct notify_wait *self = (struct notify_wait *)f;
    struct notify *n = self->notify;
    struct waiter *w = &self->waiter;
    struct waker old = {0};

    if (!budget_spend(cx))
        return POLL_PENDING;
    if (!w->came && notify_take(n, w->wants, false))
        return POLL_READY;
    mutex_lock_at(&n->lock, self->at);
    bool ready = w->state == WAITER_GRANTED || (w->state == WAITER_OUT && notify_take(n, w->wants, true));
    if (!ready)
        old = waiter_wait(&n->waiters, w, waiter_number(n->number, f), cx, self->at);
    mutex_unlock_at(&n->lock, self->at);
    waiter_drop_waker(old, self->at);
    return ready ? POLL_READY : POLL_PENDING;
}

static void notify_wait_drop(struct future *f)
{
    struct notify_wait *self = (struct notify_wait *)f;
    struct notify *n = self->notify;
    struct waker old = {0};

    if (!waiter_is_unfinished(&self->waiter, f))
        return;
    mutex_lock_at(&n->lock, self->at);
    bool granted = self->waiter.state == WAITER_GRANTED;
    if (!granted) {
        old = waiters_remove(&n->waiters, &self->waiter, self->at);
        notify_unmark_if_empty(n);
    }
    mutex_unlock_at(&n->lock, self->at);
    waiter_drop_waker(old, self->at);
    if (granted && self->waiter.wants == GRANTED_ONE)
        notify_one_at(n, self->at);
}

FUTURE_TYPE(notify_wait, notify_wait_poll, notify_wait_drop);

struct notify_wait notify_wait_at(struct notify *n, const struct site *at)
{
    /* A round that is seen too late makes it ready where it need not be, never the other way round. acquire: whoever sees
     * the new round and then looks at what has changed sees that, too (partner: notify_begin_round) */
    unsigned state = atomic_load_explicit(&n->state, memory_order_acquire);
    struct notify_wait self = {.notify = n, .waiter.wants = ROUND_OF(state), .at = at};

    future_init_at(&self.base, &notify_wait_type, at);
    return self;
}

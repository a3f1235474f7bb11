/* How one value, one waker and three ways to end are handled with one atomic operation on each side.
 *
 * The state word:
 *
 *   bit        set by                          cleared by                            cannot be set with
 *   WAITING    the receiver: its waker lies    the sender, when it has copied the    -
 *              in `receiver`                   waker; the receiver, to replace it
 *   SENT       the sender: the value lies in   nobody                                ABANDONED
 *              the place
 *   ABANDONED  the sender: there will be none  nobody                                SENT
 *   CLOSED     the receiver, as it gives up    the sender, after SENT or ABANDONED,  -
 *                                              when it means nothing any more
 *
 * The protocol: whoever changes the word first wins, and the other side sees that in the exchange that fails. The value
 * is written before SENT is set, the waker before WAITING is. `receiver` belongs to the receiver, until the sender has
 * found WAITING in the very exchange in which it set SENT or ABANDONED; from then on it is the sender's to read, until it
 * clears WAITING.
 *
 * The race between the receiver's look and its sleep: the value comes in between. Then the exchange that was to set
 * WAITING fails, and the receiver looks again.
 *
 * The race at the end: the sender has set SENT and has yet to copy the waker, when the receiver is polled for another
 * reason, sees SENT, and frees the channel. So as long as both bits are set the receiver does not end. It wakes itself
 * and is polled once more: the sender needs a few instructions.
 *
 * The race between close and send: it is decided by which of them changes the word first. A send that loses returns
 * -EPIPE; a close that loses finds SENT, and the value in the place.
 *
 * Designs that were rejected:
 *   Take the waker first, by an exchange of its own, and then set SENT. Nothing has to be waited for at the end, but every
 *   send to a receiver that waits costs one more exchange.
 *   A lock. It is simpler, but costs two of them on either side. */
#include "oneshot.h"

#include "executor.h"
#include "ids.h"
#include "trace.h"
#include "wait.h"
#include "waiters.h"

#include <errno.h>
#include <string.h>

enum oneshot_state { WAITING = 1, SENT = 2, ABANDONED = 4, CLOSED = 8 };

/* --- the sender --- */

/* Sets SENT or ABANDONED, and returns the state before; if that has CLOSED, nothing was set. release: the value (partner:
 * oneshot_look). acquire: the receiver's waker (partner: oneshot_start_waiting). */
static unsigned oneshot_end(struct oneshot *channel, unsigned bit)
{
    unsigned state = atomic_load_explicit(&channel->state, memory_order_relaxed); /* a guess, the exchange checks it */

    while (!(state & CLOSED) && !atomic_compare_exchange_weak_explicit(&channel->state, &state, state | bit,
                                                                       memory_order_acq_rel, memory_order_relaxed))
        ;
    return state;
}

/* The channel is the receiver's once WAITING is cleared: nothing of it is touched after. A plain store will do, as the
 * receiver changes nothing but CLOSED meanwhile. release: the waker has been read (partner: oneshot_look). */
static void oneshot_wake(struct oneshot *channel, unsigned bit, const struct site *at)
{
    struct waker waker = waiter_read_waker(&channel->receiver, channel->number, at);

    atomic_store_explicit(&channel->state, bit, memory_order_release);
    waker_wake_at(waker, at);
}

static int oneshot_finish(struct oneshot *channel, unsigned bit, const struct site *at)
{
    unsigned before = oneshot_end(channel, bit);

    if (before & (SENT | ABANDONED))
        misuse(at, "oneshot channel %u was used by its sender before", channel->number);
    if (before & CLOSED)
        return -EPIPE;
    if (before & WAITING)
        oneshot_wake(channel, bit, at);
    return 0;
}

int oneshot_send_at(struct oneshot *channel, const void *value, size_t size, const struct site *at)
{
    if (size != channel->size)
        misuse(at, "a value of %zu bytes is sent through oneshot channel %u, whose values have %u", size,
               channel->number, channel->size);
    memcpy(channel->place, value, size);
    return oneshot_finish(channel, SENT, at);
}

void oneshot_abandon_at(struct oneshot *channel, const struct site *at)
{
    oneshot_finish(channel, ABANDONED, at);
}

/* --- the receiver --- */

/* acquire: the value, and that the sender is done with the channel (partners: oneshot_end and oneshot_wake) */
static unsigned oneshot_look(struct oneshot *channel)
{
    return atomic_load_explicit(&channel->state, memory_order_acquire);
}

bool oneshot_has_value(struct oneshot *channel)
{
    return oneshot_look(channel) & SENT;
}

/* WAITING -> 0, so that `receiver` can be changed; false: the sender was faster. relaxed: the cell's last writer was the
 * receiver itself. */
static bool oneshot_stop_waiting(struct oneshot *channel)
{
    unsigned expected = WAITING;
    return atomic_compare_exchange_strong_explicit(&channel->state, &expected, 0, memory_order_relaxed,
                                                   memory_order_relaxed);
}

/* 0 -> WAITING; false: the sender was faster. release: the waker (partner: oneshot_end). */
static bool oneshot_start_waiting(struct oneshot *channel)
{
    unsigned expected = 0;
    return atomic_compare_exchange_strong_explicit(&channel->state, &expected, WAITING, memory_order_release,
                                                   memory_order_relaxed);
}

/* Leaves the waker of cx with the sender; false: the sender has ended meanwhile. */
static bool oneshot_wait(struct oneshot *channel, unsigned state, const struct context *cx, const struct site *at)
{
    const struct waker *left = &channel->receiver;

    if (state & WAITING && left->vtable == cx->waker->vtable && left->data == cx->waker->data)
        return true;
    if (state & WAITING && !oneshot_stop_waiting(channel))
        return false;
    wait_start(&channel->receiver, cx, TRACE_SOURCE_SYNC, channel->number, at);
    if (oneshot_start_waiting(channel))
        return true;
    wait_cancel(&channel->receiver, TRACE_SOURCE_SYNC, channel->number, at);
    return false;
}

static enum poll oneshot_recv_poll(struct future *f, struct context *cx)
{
    struct oneshot_recv *self = (struct oneshot_recv *)f;
    unsigned state;

    if (!budget_spend(cx))
        return POLL_PENDING;
    while (!((state = oneshot_look(self->channel)) & (SENT | ABANDONED)))
        if (oneshot_wait(self->channel, state, cx, self->at))
            return POLL_PENDING;
    if (state & WAITING) { /* the sender is about to copy the waker */
        waker_wake_by_ref_at(cx->waker, self->at);
        return POLL_PENDING;
    }
    self->output = state & SENT ? 0 : -EPIPE;
    return POLL_READY;
}

static void oneshot_recv_drop(struct future *f)
{
    struct oneshot_recv *self = (struct oneshot_recv *)f;
    struct oneshot *channel = self->channel;

    if (f->phase == FUTURE_FINISHED)
        return; /* the channel may be gone already */
    /* acquire: a value that was sent (partner: oneshot_end). Nothing is published. */
    unsigned before = atomic_fetch_or_explicit(&channel->state, CLOSED, memory_order_acquire);
    if (before == WAITING)
        wait_cancel(&channel->receiver, TRACE_SOURCE_SYNC, channel->number, self->at);
}

FUTURE_TYPE_SHARED(oneshot_recv, oneshot_recv_poll, oneshot_recv_drop);
void oneshot_second_receiver(const struct oneshot *channel, const struct site *at)
{
    misuse(at, "oneshot channel %u has a receiver already", channel->number);
}

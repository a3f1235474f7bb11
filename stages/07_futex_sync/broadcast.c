/* How one value reaches many, of whom some are slow.
 *
 * The protocol: values lie in a ring, and are numbered as they are sent. A receiver is no more than the number of the
 * value that it gets next. If that is the number of the next one to be sent, it waits; if it is further behind than the
 * ring is long, the difference is what it has lost. All of it happens under one lock.
 *
 * The race between looking for a value and beginning to wait is closed by the lock: both are one section of it.
 *
 * A send wakes all who wait, and there may be more of them than fit into one go. Others may come to wait in between, for
 * the next value: so each waiter bears the number of the value that it waits for, and there the waking stops. A receive
 * that was woken and is then dropped has nothing to pass on: the number in its receiver has not changed.
 *
 * Between two goes the lock is free. That does a send no harm, as its sender still counts. But when the last sender goes,
 * receivers learn it in the first go, and all may be gone before the second: so the channel must stay until the drop of
 * the last sender has returned.
 *
 * Designs that were rejected:
 *   No lock: a version in each slot, which readers compare before and after they have copied the value. The copy would
 *   race with the write, and even where it is thrown away afterwards, C calls that undefined.
 *   A lock for each slot, as in Tokio. Receivers of different values would not meet; a copy of a few bytes is not worth
 *   it.
 *   Keep a value until the slowest has it. Then one receiver that sleeps holds up everybody, or fills the memory. */
#include "broadcast.h"

#include "executor.h"
#include "ids.h"
#include "trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- the channel's life --- */

int broadcast_init_at(struct broadcast *ch, uint32_t capacity, size_t size, const struct site *at)
{
    if (capacity == 0)
        misuse(at, "a broadcast channel of capacity 0");
    *ch = (struct broadcast){.size = (uint32_t)size, .capacity = capacity, .number = id_new(ID_SYNC), .senders = 1};
    mutex_init(&ch->lock);
    ch->values = malloc(capacity * (size ? size : 1));
    return ch->values ? 0 : -ENOMEM;
}

void broadcast_destroy_at(struct broadcast *ch, const struct site *at)
{
    if (ch->senders > 0)
        misuse(at, "broadcast channel %u is destroyed while it has senders", ch->number);
    if (ch->receivers > 0)
        misuse(at, "broadcast channel %u is destroyed while it has receivers", ch->number);
    free(ch->values);
}

static void broadcast_check_size(const struct broadcast *ch, size_t size, const struct site *at)
{
    if (size != ch->size)
        misuse(at, "a value of %zu bytes goes through broadcast channel %u, whose values have %u", size, ch->number,
               ch->size);
}

static unsigned char *broadcast_slot(const struct broadcast *ch, uint64_t number)
{
    return ch->values + number % ch->capacity * ch->size;
}

/* --- sending --- */

/* Under the lock. Says whether there are more to be woken than fit. */
static bool broadcast_serve(struct broadcast *ch, uint32_t before, struct wakes *wakes)
{
    /* The difference, not the order: it is the lower half of the number. */
    while (ch->waiters.first && (int32_t)(ch->waiters.first->wants - before) < 0) {
        if (wakes_full(wakes))
            return true;
        waiter_grant(&ch->waiters, wakes);
    }
    return false;
}

/* Wakes all who wait for a value before this one, and gives the lock back. */
static void broadcast_wake_and_unlock(struct broadcast *ch, uint64_t before, const struct site *at)
{
    struct wakes wakes;
    bool more = true;

    wakes_clear(&wakes);
    while (more) {
        more = broadcast_serve(ch, (uint32_t)before, &wakes);
        mutex_unlock_at(&ch->lock, at);
        wakes_go(&wakes, at);
        if (more)
            mutex_lock_at(&ch->lock, at);
    }
}

int broadcast_send_at(struct broadcast *ch, const void *value, size_t size, const struct site *at)
{
    broadcast_check_size(ch, size, at);
    mutex_lock_at(&ch->lock, at);
    uint32_t receivers = ch->receivers;
    if (receivers == 0) {
        mutex_unlock_at(&ch->lock, at);
        return -EPIPE;
    }
    memcpy(broadcast_slot(ch, ch->sent++), value, size);
    broadcast_wake_and_unlock(ch, ch->sent, at);
    return (int)receivers;
}

void broadcast_add_sender_at(struct broadcast *ch, const struct site *at)
{
    mutex_lock_at(&ch->lock, at);
    if (ch->senders++ == 0)
        misuse(at, "broadcast channel %u gets a sender after its last one was dropped", ch->number);
    mutex_unlock_at(&ch->lock, at);
}

void broadcast_drop_sender_at(struct broadcast *ch, const struct site *at)
{
    mutex_lock_at(&ch->lock, at);
    if (ch->senders == 0)
        misuse(at, "broadcast channel %u has more senders dropped than it had", ch->number);
    if (--ch->senders == 0)
        broadcast_wake_and_unlock(ch, ch->sent + 1, at); /* they wait for one that will not come */
    else
        mutex_unlock_at(&ch->lock, at);
}

/* --- receiving --- */

struct broadcast_receiver broadcast_subscribe(struct broadcast *ch)
{
    mutex_lock(&ch->lock);
    ch->receivers++;
    struct broadcast_receiver receiver = {ch, ch->sent};
    mutex_unlock(&ch->lock);
    return receiver;
}

void broadcast_leave_at(struct broadcast_receiver *receiver, const struct site *at)
{
    struct broadcast *ch = receiver->channel;

    if (!ch)
        misuse(at, "a receiver leaves a broadcast channel twice");
    receiver->channel = NULL;
    mutex_lock_at(&ch->lock, at);
    ch->receivers--;
    mutex_unlock_at(&ch->lock, at);
}

/* Under the lock. -EAGAIN: there is nothing yet; else the output. */
static int broadcast_take(struct broadcast_recv *self)
{
    struct broadcast_receiver *receiver = self->receiver;
    const struct broadcast *ch = receiver->channel;
    uint64_t behind = ch->sent - receiver->next;

    if (behind == 0)
        return ch->senders == 0 ? -EPIPE : -EAGAIN;
    if (behind > ch->capacity) {
        self->lagged = behind - ch->capacity;
        receiver->next += self->lagged;
        return -EOVERFLOW;
    }
    memcpy(self->value, broadcast_slot(ch, receiver->next++), ch->size);
    return 0;
}

static enum poll broadcast_recv_poll(struct future *f, struct context *cx)
{
    struct broadcast_recv *self = (struct broadcast_recv *)f;
    struct broadcast *ch = self->receiver->channel;
    struct waiter *w = &self->waiter;
    struct waker old = {0};

    if (!budget_spend(cx))
        return POLL_PENDING;
    mutex_lock_at(&ch->lock, self->at);
    self->output = broadcast_take(self);
    bool ready = self->output != -EAGAIN;
    if (!ready) {
        w->wants = (uint32_t)self->receiver->next;
        old = waiter_wait(&ch->waiters, w, waiter_number(ch->number, f), cx, self->at);
    } else if (w->state == WAITER_QUEUED) {
        old = waiters_remove(&ch->waiters, w, self->at);
    }
    mutex_unlock_at(&ch->lock, self->at);
    waiter_drop_waker(old, self->at);
    return ready ? POLL_READY : POLL_PENDING;
}

static void broadcast_recv_drop(struct future *f)
{
    struct broadcast_recv *self = (struct broadcast_recv *)f;
    struct waker old = {0};

    if (!waiter_is_unfinished(&self->waiter, f))
        return;
    struct broadcast *ch = self->receiver->channel;
    mutex_lock_at(&ch->lock, self->at);
    if (self->waiter.state == WAITER_QUEUED)
        old = waiters_remove(&ch->waiters, &self->waiter, self->at);
    mutex_unlock_at(&ch->lock, self->at);
    waiter_drop_waker(old, self->at);
}

FUTURE_TYPE(broadcast_recv, broadcast_recv_poll, broadcast_recv_drop);

struct broadcast_recv broadcast_recv_at(struct broadcast_receiver *receiver, void *value, size_t size,
                                        const struct site *at)
{
    struct broadcast_recv self = {.receiver = receiver, .value = value, .at = at};

    if (!receiver->channel)
        misuse(at, "a receiver that has left its broadcast channel receives");
    broadcast_check_size(receiver->channel, size, at);
    future_init_at(&self.base, &broadcast_recv_type, at);
    return self;
}

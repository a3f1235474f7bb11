/* A ring under a mutex, and a condition variable for either end. There is no protocol of its own: that nothing is
 * missed between the look at the ring and the sleep is what a condition variable is for, and neither it nor the mutex
 * makes a system call unless somebody waits.
 *
 * Each item wakes one thread, while the mutex is held. It would be quicker to wake after it is given back, as the woken
 * thread wants it; but by then the receiver of the last item may have destroyed the channel.
 *
 * Designs that were rejected:
 *   One condition variable for both ends. A send could then wake a sender, which finds no room and sleeps again, while
 *   the receiver sleeps on.
 *   A wake only when the ring was empty. Two receivers sleep; two items come before the first of them runs; the second
 *   item wakes nobody, and its receiver sleeps beside it.
 *   A ring without a lock, a sequence number in each slot. It is faster where many threads send at once, but then a
 *   sleep has to be built around it, and that takes as much thought as all of this file. */
#include "channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int channel_init(struct channel *ch, size_t capacity, size_t item_size)
{
    if (capacity == 0 || item_size == 0)
        return -EINVAL;
    if (capacity > SIZE_MAX / item_size)
        return -ENOMEM;
    *ch = (struct channel){.item_size = item_size, .capacity = capacity, .items = malloc(capacity * item_size)};
    return ch->items ? 0 : -ENOMEM;
}

void channel_destroy(struct channel *ch)
{
    free(ch->items);
}

static unsigned char *channel_slot(const struct channel *ch, size_t index)
{
    return ch->items + (ch->first + index) % ch->capacity * ch->item_size;
}

/* These two are called with the lock held. 0, -EPIPE, or -EAGAIN: it has to wait. */
static int channel_put(struct channel *ch, const void *item, const struct site *at)
{
    if (ch->closed)
        return -EPIPE;
    if (ch->length == ch->capacity)
        return -EAGAIN;
    memcpy(channel_slot(ch, ch->length++), item, ch->item_size);
    condvar_signal_at(&ch->not_empty, at);
    return 0;
}

static int channel_take(struct channel *ch, void *item, const struct site *at)
{
    if (ch->length == 0)
        return ch->closed ? -EPIPE : -EAGAIN;
    memcpy(item, channel_slot(ch, 0), ch->item_size);
    ch->first = (ch->first + 1) % ch->capacity;
    ch->length--;
    condvar_signal_at(&ch->not_full, at);
    return 0;
}

int channel_send_at(struct channel *ch, const void *item, const struct site *at)
{
    int result;

    mutex_lock_at(&ch->lock, at);
    while ((result = channel_put(ch, item, at)) == -EAGAIN)
        condvar_wait_until_at(&ch->not_full, &ch->lock, FUTEX_NO_DEADLINE, at);
    mutex_unlock_at(&ch->lock, at);
    return result;
}

int channel_recv_at(struct channel *ch, void *item, const struct site *at)
{
    int result;

    mutex_lock_at(&ch->lock, at);
    while ((result = channel_take(ch, item, at)) == -EAGAIN)
        condvar_wait_until_at(&ch->not_empty, &ch->lock, FUTEX_NO_DEADLINE, at);
    mutex_unlock_at(&ch->lock, at);
    return result;
}

int channel_try_send_at(struct channel *ch, const void *item, const struct site *at)
{
    mutex_lock_at(&ch->lock, at);
    int result = channel_put(ch, item, at);
    mutex_unlock_at(&ch->lock, at);
    return result;
}

int channel_try_recv_at(struct channel *ch, void *item, const struct site *at)
{
    mutex_lock_at(&ch->lock, at);
    int result = channel_take(ch, item, at);
    mutex_unlock_at(&ch->lock, at);
    return result;
}

void channel_close_at(struct channel *ch, const struct site *at)
{
    mutex_lock_at(&ch->lock, at);
    ch->closed = true;
    condvar_broadcast_at(&ch->not_empty, at);
    condvar_broadcast_at(&ch->not_full, at);
    mutex_unlock_at(&ch->lock, at);
}

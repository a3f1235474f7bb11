/* A channel: a queue of bounded length between threads. Who sends into a full one sleeps until there is room, who
 * receives from an empty one sleeps until something comes. Any number of threads may do either.
 *
 * While there is room and something to receive, and nobody else is at it in the same moment, none of this makes a
 * system call. */
#ifndef CHANNEL_H
#define CHANNEL_H

#include "condvar.h"
#include "mutex.h"

#include <stdbool.h>
#include <stddef.h>

struct channel {
    size_t item_size, capacity;
    struct mutex lock; /* of all that follows */
    struct condvar not_empty, not_full;
    bool closed;
    size_t first, length;
    unsigned char *items; /* a ring: `length` items from `first` on */
};

/* For so many items (at least 1) of so many bytes: 0, -EINVAL or -ENOMEM. */
int channel_init(struct channel *ch, size_t capacity, size_t item_size);

/* Nobody uses it any more. Items that were not received are forgotten. */
void channel_destroy(struct channel *ch);

/* Copies *item to the end: 0; -EPIPE if the channel is closed, also while it waited for room. try: -EAGAIN if full. */
#define channel_send(ch, item)     channel_send_at(ch, item, SITE(#ch))
#define channel_try_send(ch, item) channel_try_send_at(ch, item, SITE(#ch))
int channel_send_at(struct channel *ch, const void *item, const struct site *at);
int channel_try_send_at(struct channel *ch, const void *item, const struct site *at);

/* Moves the first item to *item: 0; -EPIPE if the channel is empty and closed. try: -EAGAIN if empty and not closed. */
#define channel_recv(ch, item)     channel_recv_at(ch, item, SITE(#ch))
#define channel_try_recv(ch, item) channel_try_recv_at(ch, item, SITE(#ch))
int channel_recv_at(struct channel *ch, void *item, const struct site *at);
int channel_try_recv_at(struct channel *ch, void *item, const struct site *at);

/* Nothing can be sent any more; what was sent can be received. Wakes all who wait. May be done again. */
#define channel_close(ch) channel_close_at(ch, SITE(#ch))
void channel_close_at(struct channel *ch, const struct site *at);

#endif

/* A broadcast channel: every receiver gets every value that is sent while it is subscribed, in order.
 *
 * It keeps the last `capacity` values, and sending never waits: who receives too slowly loses the oldest ones and is told
 * how many. Values are copied, see oneshot.h; as many receivers get the same one, none of them can own what it points to.
 *
 * Senders are counted as those of an mpsc channel (mpsc.h). Senders and receivers may be on any threads. Channel and
 * receivers must stay where they are. */
#ifndef BROADCAST_H
#define BROADCAST_H

#include "mutex.h"
#include "waiters.h"

struct broadcast {
    uint32_t size;     /* of a value */
    uint32_t capacity; /* in values */
    uint32_t number;   /* in recordings */
    struct mutex lock;
    uint32_t senders;
    uint32_t receivers;
    uint64_t sent;          /* how many values, ever; value n lies in slot n % capacity */
    unsigned char *values;  /* the slots */
    struct waiters waiters; /* `wants`: the lower half of the number of the value */
};

/* One receiver's place in the stream of values. One task at a time uses it. */
struct broadcast_receiver {
    struct broadcast *channel;
    uint64_t next; /* the number of the value that it gets next */
};

/* For values of `size` bytes, with one sender. 0 or -ENOMEM. Aborts with the caller's line if the capacity is 0. */
#define broadcast_init(channel, capacity, size) broadcast_init_at(channel, capacity, size, SITE(#channel))
int broadcast_init_at(struct broadcast *channel, uint32_t capacity, size_t size, const struct site *at);

/* Frees the memory. Aborts with the caller's line while there are senders or receivers. It may be called as soon as they
 * have all gone; but that a receiver was told so (-EPIPE) is not enough: the last broadcast_drop_sender must have
 * returned, unlike that of an mpsc channel. */
#define broadcast_destroy(channel) broadcast_destroy_at(channel, SITE(#channel))
void broadcast_destroy_at(struct broadcast *channel, const struct site *at);

#define broadcast_add_sender(channel)  broadcast_add_sender_at(channel, SITE(#channel))
#define broadcast_drop_sender(channel) broadcast_drop_sender_at(channel, SITE(#channel))
void broadcast_add_sender_at(struct broadcast *channel, const struct site *at);
void broadcast_drop_sender_at(struct broadcast *channel, const struct site *at);

/* A new receiver gets what is sent from now on. */
struct broadcast_receiver broadcast_subscribe(struct broadcast *channel);

/* Aborts with the caller's line if it has left before. A receive that waits is dropped first. */
#define broadcast_leave(receiver) broadcast_leave_at(receiver, SITE(#receiver))
void broadcast_leave_at(struct broadcast_receiver *receiver, const struct site *at);

/* Copies *value into the channel and wakes all receivers that wait. To how many receivers it goes, at least 1; -EPIPE if
 * there is none: then nothing was sent. */
#define broadcast_send(channel, value) broadcast_send_at(channel, value, sizeof *(value), SITE(#channel))
int broadcast_send_at(struct broadcast *channel, const void *value, size_t size, const struct site *at);

/* Ready when the next value was copied to *value, or there is something else to say. Dropped before that, nothing was
 * received. */
struct broadcast_recv {
    struct future base;
    struct broadcast_receiver *receiver;
    void *value;
    struct waiter waiter;
    const struct site *at;
    uint64_t lagged; /* with -EOVERFLOW: how many */
    int output;      /* 0; -EOVERFLOW: so many values were lost, and the next receive gets the oldest that is left;
                        -EPIPE: all was received, and there are no senders any more */
};

#define broadcast_recv(receiver, value) broadcast_recv_at(receiver, value, sizeof *(value), SITE(#receiver))
struct broadcast_recv broadcast_recv_at(struct broadcast_receiver *receiver, void *value, size_t size,
                                        const struct site *at);

#endif

/* A oneshot channel: one value, from one sender to one receiver.
 *
 * All channels of this stage copy values, as plain memory, of one size that is given when the channel is made. What a
 * value points to changes hands with it: before the send it is the sender's, after a successful receive the receiver's.
 * A send that fails leaves it with the sender.
 *
 * Here the value goes straight into a variable of the receiver's, the place:
 *
 *   struct reply reply;
 *   oneshot_init(&channel, &reply);
 *   sender:    oneshot_send(&channel, &answer);              receiver:  f = oneshot_recv(&channel); ... f.output == 0:
 *              or oneshot_abandon(&channel);                            reply is there
 *
 * The sender calls exactly one of the two, once, from any thread, and neither waits. Receiving is one future. No
 * allocation. Channel and place must stay where they are until both sides are done. The receiver is done when its future
 * is ready, and then so is the sender, even if its call has not returned. A receiver that gives up earlier, by dropping
 * the future, closes the channel and learns nothing of the sender, which may come later or never. */
#ifndef ONESHOT_H
#define ONESHOT_H

#include "future.h"
#include "ids.h"

#include <stdatomic.h>
#include <stdbool.h>

struct oneshot {
    atomic_uint state; /* enum oneshot_state */
    uint32_t size;     /* of the value */
    void *place;
    struct waker receiver; /* see oneshot.c for whose it is */
    uint32_t number;       /* in recordings */
    bool has_receiver;     /* a future receives from it, or did */
};

/* place: a pointer to the receiver's variable. */
#define oneshot_init(channel, place) oneshot_init_size(channel, place, sizeof *(place))
static inline void oneshot_init_size(struct oneshot *channel, void *place, size_t size)
{
    *channel = (struct oneshot){.size = (uint32_t)size, .place = place, .number = id_new(ID_SYNC)};
}

/* Copies *value to the place. 0, or -EPIPE if the receiver has given up: then the value is still the caller's. Aborts
 * with the caller's line if the value's size is not the place's, and after another send or abandon. */
#define oneshot_send(channel, value) oneshot_send_at(channel, value, sizeof *(value), SITE(#channel))
int oneshot_send_at(struct oneshot *channel, const void *value, size_t size, const struct site *at);

/* There will be no value. */
#define oneshot_abandon(channel) oneshot_abandon_at(channel, SITE(#channel))
void oneshot_abandon_at(struct oneshot *channel, const struct site *at);

extern const struct future_type oneshot_recv_type;

_Noreturn void oneshot_second_receiver(const struct oneshot *channel, const struct site *at);

struct oneshot_recv {
    struct future base;
    struct oneshot *channel;
    const struct site *at;
    int output; /* 0: the value is in its place; -EPIPE: there will be none */
};

/* Dropped before it is ready, it closes the channel; a value that was sent, but not received, may then lie in the place:
 * oneshot_has_value tells. Aborts with the caller's line if another future has received from this channel. */
#define oneshot_recv(channel) oneshot_recv_at(channel, SITE(#channel))
static inline struct oneshot_recv oneshot_recv_at(struct oneshot *channel, const struct site *at)
{
    struct oneshot_recv self;

    if (channel->has_receiver)
        oneshot_second_receiver(channel, at);
    channel->has_receiver = true;
    future_init_at(&self.base, &oneshot_recv_type, at);
    self.channel = channel;
    self.at = at;
    self.output = 0;
    return self;
}

/* Whether a value was sent. For the receiver. */
bool oneshot_has_value(struct oneshot *channel);

#endif

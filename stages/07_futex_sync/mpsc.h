/* An mpsc channel: many senders, one receiver, values in the order in which they were sent.
 *
 * Bounded, `capacity` values fit in, and whoever sends more waits as a task. Unbounded, sending never waits, and the
 * memory is the limit. Values are copied, see oneshot.h. Memory is taken a block of values at a time.
 *
 * The capacity is exact below 32, and until the first receive. Then the receiver gives back room for several values at
 * once, before it receives them: so up to capacity / 16 - 1 more may fit in for a while, and never more than 63. Fewer
 * than the capacity never make a sender wait.
 *
 * The channel counts its senders; it begins with one. Whoever hands it to one more calls mpsc_add_sender first, and each
 * of them calls mpsc_drop_sender when it has sent its last value. When all have, the receiver gets what is left, and
 * then -EPIPE. The receiver ends the other way round: mpsc_close lets every send fail, also those that wait; then it
 * receives what is left.
 *
 * Senders may be on any threads, also outside of a runtime. There is one receiver: one receive at a time, on any thread.
 * The channel must stay where it is until it is destroyed. */
#ifndef MPSC_H
#define MPSC_H

#include "mutex.h"
#include "waiters.h"

#define MPSC_UNBOUNDED    UINT32_MAX
#define MPSC_CAPACITY_MAX ((1u << 24) - 64)

struct mpsc_block;

struct mpsc {
    /* set once */
    uint32_t size;           /* of a value */
    uint32_t slot_size;      /* of the slot it lies in */
    uint32_t number;         /* in recordings */
    uint32_t group;          /* the receiver gives back room for so many values at once */
    uint64_t cost;           /* of a send, in the state word */
    unsigned char apart[64]; /* all read what is above and change what is below: not in the same cache line */

    /* senders and the receiver */
    _Atomic uint64_t state;          /* see mpsc.c */
    struct mpsc_block *_Atomic last; /* where the next value goes */
    struct mutex lock;               /* of the waiters, and of `last` */
    atomic_uint senders;
    struct waiters waiters;           /* senders; `wants`, once granted: whether there is room for its value */
    struct mpsc_block *_Atomic spare; /* one that was used and can be used again */
    unsigned char apart_too[64];      /* what is below changes with every receive */

    /* the receiver */
    struct mpsc_block *first;      /* where the next value comes from */
    uint64_t received;             /* how many so far */
    uint64_t paid;                 /* for how many of them, and of the next, it has given back the room */
    struct waker waiting;          /* see mpsc.c for whose it is */
    bool announced;                /* it was left with the senders */
    const struct future *receiver; /* the receive that waits */
};

/* For values of `size` bytes. 0 or -ENOMEM. Aborts with the caller's line if the capacity is 0, or more than
 * MPSC_CAPACITY_MAX and not MPSC_UNBOUNDED. */
#define mpsc_init(channel, capacity, size) mpsc_init_at(channel, capacity, size, SITE(#channel))
int mpsc_init_at(struct mpsc *channel, uint32_t capacity, size_t size, const struct site *at);

/* Frees the memory. Values that are left are forgotten: if they own something, receive them first. Aborts with the
 * caller's line while there are senders. Once the receiver was told -EPIPE because all senders are gone, it may destroy
 * the channel; the last mpsc_drop_sender need not have returned. */
#define mpsc_destroy(channel) mpsc_destroy_at(channel, SITE(#channel))
void mpsc_destroy_at(struct mpsc *channel, const struct site *at);

#define mpsc_add_sender(channel)  mpsc_add_sender_at(channel, SITE(#channel))
#define mpsc_drop_sender(channel) mpsc_drop_sender_at(channel, SITE(#channel))
void mpsc_add_sender_at(struct mpsc *channel, const struct site *at);
void mpsc_drop_sender_at(struct mpsc *channel, const struct site *at);

/* For the receiver, between two receives. */
#define mpsc_close(channel) mpsc_close_at(channel, SITE(#channel))
void mpsc_close_at(struct mpsc *channel, const struct site *at);

extern const struct future_type mpsc_send_type, mpsc_recv_type;

_Noreturn void mpsc_wrong_size(const struct mpsc *channel, size_t size, const struct site *at);

static inline void mpsc_check_size(const struct mpsc *channel, size_t size, const struct site *at)
{
    if (size != channel->size)
        mpsc_wrong_size(channel, size, at);
}

/* Ready when a copy of *value is in the channel, or will never be. Dropped before that, nothing was sent. Senders that
 * wait are served in the order in which they came. */
struct mpsc_send {
    struct future base;
    struct mpsc *channel;
    const void *value;
    struct waiter waiter;
    const struct site *at;
    int output; /* 0; or the value is still the caller's: -EPIPE: the receiver has closed the channel, -ENOMEM */
};

#define mpsc_send(channel, value) mpsc_send_at(channel, value, sizeof *(value), SITE(#channel))
static inline struct mpsc_send mpsc_send_at(struct mpsc *channel, const void *value, size_t size, const struct site *at)
{
    struct mpsc_send self;

    mpsc_check_size(channel, size, at);
    future_init_at(&self.base, &mpsc_send_type, at);
    self.channel = channel;
    self.value = value;
    waiter_init(&self.waiter, 0);
    self.at = at;
    self.output = 0;
    return self;
}

/* The same without waiting. 0, -EAGAIN: there is no room (or others wait for it), -EPIPE, -ENOMEM. */
#define mpsc_try_send(channel, value) mpsc_try_send_at(channel, value, sizeof *(value), SITE(#channel))
int mpsc_try_send_at(struct mpsc *channel, const void *value, size_t size, const struct site *at);

/* Ready when a value was copied to *value, or there will be none. Dropped before that, nothing was received, and nothing
 * is lost. Aborts with the caller's line while another receive waits. */
struct mpsc_recv {
    struct future base;
    struct mpsc *channel;
    void *value;
    const struct site *at;
    int output; /* 0; -EPIPE: the channel is empty, and is closed or has no senders any more */
};

#define mpsc_recv(channel, value) mpsc_recv_at(channel, value, sizeof *(value), SITE(#channel))
static inline struct mpsc_recv mpsc_recv_at(struct mpsc *channel, void *value, size_t size, const struct site *at)
{
    struct mpsc_recv self;

    mpsc_check_size(channel, size, at);
    future_init_at(&self.base, &mpsc_recv_type, at);
    self.channel = channel;
    self.value = value;
    self.at = at;
    self.output = 0;
    return self;
}

/* The same without waiting. 0, -EAGAIN: there is none yet, -EPIPE. */
#define mpsc_try_recv(channel, value) mpsc_try_recv_at(channel, value, sizeof *(value), SITE(#channel))
int mpsc_try_recv_at(struct mpsc *channel, void *value, size_t size, const struct site *at);

#endif

/* A future that waits for many tasks: ready when all of them are over. */
#ifndef ALL_H
#define ALL_H

#include "join_handle.h"

struct all {
    struct future base;
    struct join_handle *handles; /* which it drops */
    unsigned count;
    unsigned over; /* so many, from the first on, are known to be over */
};

/* It asks only the first that may still be running: when that one ends, those behind it may have ended long ago. */
static enum poll all_poll(struct future *f, struct context *cx)
{
    struct all *self = (struct all *)f;

    for (; self->over < self->count; self->over++)
        if (future_poll(&self->handles[self->over].base, cx) == POLL_PENDING)
            return POLL_PENDING;
    return POLL_READY;
}

static void all_drop(struct future *f)
{
    struct all *self = (struct all *)f;
    for (unsigned i = 0; i < self->count; i++)
        future_drop(&self->handles[i].base);
}

FUTURE_TYPE(all, all_poll, all_drop);

static struct all all_of(struct join_handle *handles, unsigned count)
{
    struct all self = {.handles = handles, .count = count};
    future_init(&self.base, &all_type);
    return self;
}

#endif

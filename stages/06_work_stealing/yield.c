#include "yield.h"

static enum poll yield_poll(struct future *f, struct context *cx)
{
    struct yield *self = (struct yield *)f;

    if (self->gave_way)
        return POLL_READY;
    self->gave_way = true;
    waker_wake_by_ref(cx->waker);
    return POLL_PENDING;
}

FUTURE_TYPE_SHARED(yield, yield_poll, NULL);

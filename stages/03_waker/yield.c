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

FUTURE_TYPE(yield, yield_poll, NULL);

struct yield yield_now_at(const struct site *at)
{
    struct yield self = {0};
    future_init_at(&self.base, &yield_type, at);
    return self;
}

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

static const struct site yield_site SITE_SECTION = {__FILE__, "yield_poll", "yield", __LINE__, 0};

const struct future_type yield_type = {"yield", yield_poll, NULL, &yield_site};

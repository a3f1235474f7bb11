#include "wait.h"

#include "trace.h"

void wait_start(struct waker *place, const struct context *cx, enum trace_source source, uint64_t number,
                const struct site *at)
{
    if (place->vtable == cx->waker->vtable && place->data == cx->waker->data)
        return; /* it would wake the same task */
    wait_cancel(place, source, number, at);
    *place = waker_clone_at(cx->waker, at);
    TRACE_AT(WAIT, 0, source, number, at);
}

/* The place is empty before the waker is used: whatever the waker sets off finds it so. */
struct waker wait_take(struct waker *place, enum trace_source source, uint64_t number, const struct site *at)
{
    struct waker waker = *place;

    *place = (struct waker){0};
    TRACE_AT(WAIT_END, 0, source, number, at);
    return waker;
}

void wait_wake(struct waker *place, enum trace_source source, uint64_t number, const struct site *at)
{
    if (wait_is_on(place))
        waker_wake_at(wait_take(place, source, number, at), at);
}

void wait_cancel(struct waker *place, enum trace_source source, uint64_t number, const struct site *at)
{
    if (wait_is_on(place))
        waker_drop_at(wait_take(place, source, number, at), at);
}

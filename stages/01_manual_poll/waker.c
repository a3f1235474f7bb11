#include "waker.h"

#include <stddef.h>

static struct waker noop_clone(void *data, const struct site *at)
{
    (void)data, (void)at;
    return waker_noop();
}

static void noop(void *data, const struct site *at)
{
    (void)data, (void)at;
}

struct waker waker_noop(void)
{
    static const struct waker_vtable vtable = {noop_clone, noop, noop, noop};
    return (struct waker){&vtable, NULL};
}

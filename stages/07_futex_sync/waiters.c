#include "waiters.h"

#include "trace.h"

static void waiters_append(struct waiters *list, struct waiter *w, uint64_t number)
{
    w->number = number;
    w->came = true;
    w->state = WAITER_QUEUED;
    w->next = NULL;
    w->previous = list->last;
    if (list->last)
        list->last->next = w;
    else
        list->first = w;
    list->last = w;
}

static void waiters_unlink(struct waiters *list, struct waiter *w)
{
    if (w->previous)
        w->previous->next = w->next;
    else
        list->first = w->next;
    if (w->next)
        w->next->previous = w->previous;
    else
        list->last = w->previous;
}

static struct waker waiter_let_go(struct waiter *w, const struct site *at)
{
    return wait_take(&w->waker, TRACE_SOURCE_SYNC, w->number, at);
}

struct waker waiter_wait(struct waiters *list, struct waiter *w, uint64_t number, const struct context *cx,
                         const struct site *at)
{
    struct waker old = {0};

    if (w->state == WAITER_OUT)
        waiters_append(list, w, number);
    else if (w->waker.vtable != cx->waker->vtable || w->waker.data != cx->waker->data)
        old = waiter_let_go(w, at);
    wait_start(&w->waker, cx, TRACE_SOURCE_SYNC, w->number, at);
    return old;
}

struct waker waiters_remove(struct waiters *list, struct waiter *w, const struct site *at)
{
    waiters_unlink(list, w);
    w->state = WAITER_OUT;
    return waiter_let_go(w, at);
}

void waiter_drop_waker(struct waker old, const struct site *at)
{
    if (old.vtable)
        waker_drop_at(old, at);
}

struct waker waiter_read_waker(const struct waker *place, uint64_t number, const struct site *at)
{
    TRACE_AT(WAIT_END, 0, TRACE_SOURCE_SYNC, number, at);
    return *place;
}

void waiter_grant(struct waiters *list, struct wakes *wakes)
{
    struct waiter *w = list->first;

    waiters_unlink(list, w);
    w->state = WAITER_GRANTED;
    wakes->wakes[wakes->count++] = (struct wake){w->waker, w->number};
    w->waker = (struct waker){0};
}

void wakes_go(struct wakes *wakes, const struct site *at)
{
    for (unsigned i = 0; i < wakes->count; i++)
        wait_wake(&wakes->wakes[i].waker, TRACE_SOURCE_SYNC, wakes->wakes[i].number, at);
    wakes_clear(wakes);
}

#include "parker.h"

#include "trace.h"

void parker_init(struct parker *parker)
{
    *parker = (struct parker){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
}

void parker_destroy(struct parker *parker)
{
    pthread_cond_destroy(&parker->changed);
    pthread_mutex_destroy(&parker->lock);
}

void parker_park(struct parker *parker)
{
    TRACE(PARK_BEGIN, 0, 0, 0);
    pthread_mutex_lock(&parker->lock);
    while (!parker->token)
        pthread_cond_wait(&parker->changed, &parker->lock);
    parker->token = false;
    pthread_mutex_unlock(&parker->lock);
    TRACE(PARK_END, 0, 0, 0);
}

void parker_unpark(struct parker *parker)
{
    TRACE(UNPARK, 0, 0, 0);
    pthread_mutex_lock(&parker->lock);
    parker->token = true;
    pthread_cond_signal(&parker->changed); /* under the lock: once it is free, the parker may be gone */
    pthread_mutex_unlock(&parker->lock);
}

/* --- its waker: a pointer to the parker, owned by nobody --- */

static void parker_wake(void *data, const struct site *at)
{
    (void)at;
    parker_unpark(data);
}

static void parker_waker_drop(void *data, const struct site *at)
{
    (void)data;
    (void)at;
}

static struct waker parker_waker_clone(void *data, const struct site *at)
{
    (void)at;
    return parker_waker(data);
}

struct waker parker_waker(struct parker *parker)
{
    static const struct waker_vtable vtable = {parker_waker_clone, parker_wake, parker_wake, parker_waker_drop};
    return (struct waker){&vtable, parker};
}

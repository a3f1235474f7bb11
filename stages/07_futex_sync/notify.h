/* Notify: tells tasks that something has changed. What has changed is elsewhere; notify carries no value.
 *
 *   notify_one   wakes the one who has waited longest. If nobody waits, the notification is kept for the next who comes;
 *                but only one is kept, however often it was called.
 *   notify_all   wakes everybody who waits, and every future of this notify that was made before, polled or not.
 *                Nothing is kept for those who come later.
 *
 * So whoever waits for a condition makes the future first, then looks at the condition, and then awaits: a change in
 * between is not missed. Any thread, any task; no allocation. */
#ifndef NOTIFY_H
#define NOTIFY_H

#include "mutex.h"
#include "waiters.h"

struct notify {
    atomic_uint state;      /* see notify.c */
    uint32_t number;        /* in recordings */
    struct mutex lock;      /* of the waiters */
    struct waiters waiters; /* `wants`: its round; afterwards what it was granted */
};

/* It must stay where it is until it is destroyed. */
void notify_init(struct notify *n);

/* Nothing is freed. Aborts with the caller's line if somebody waits. A notify_one that was the last thing to be done with
 * it need not have returned; a notify_all must have. */
#define notify_destroy(n) notify_destroy_at(n, SITE(#n))
void notify_destroy_at(struct notify *n, const struct site *at);

#define notify_one(n) notify_one_at(n, SITE(#n))
void notify_one_at(struct notify *n, const struct site *at);

#define notify_all(n) notify_all_at(n, SITE(#n))
void notify_all_at(struct notify *n, const struct site *at);

/* Ready when it was notified. One that was notified by notify_one, but is dropped before it is polled again, passes the
 * notification on. */
struct notify_wait {
    struct future base;
    struct notify *notify;
    struct waiter waiter;
    const struct site *at;
};

#define notify_wait(n) notify_wait_at(n, SITE(#n))
struct notify_wait notify_wait_at(struct notify *n, const struct site *at);

#endif

#include "reactor.h"

#include "sys.h"
#include "trace.h"
#include "wait.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { EVENTS_PER_TURN = 256 };

#define NUDGE   UINT64_MAX /* the event data of the eventfd; every other is slot | generation << 32 */
#define NO_SLOT UINT32_MAX

static const enum trace_source trace_source_of[2] = {TRACE_SOURCE_READ, TRACE_SOURCE_WRITE};

/* --- the reactor's life --- */

static int reactor_open_nudge(struct reactor *reactor)
{
    reactor->nudge_fd = sys_eventfd(SITE(""));
    if (reactor->nudge_fd < 0)
        return reactor->nudge_fd;
    /* Edge-triggered: every write to it is an event of its own, so nobody has to read the counter back to zero. */
    int error = sys_epoll_ctl(reactor->epoll_fd, EPOLL_CTL_ADD, reactor->nudge_fd, EPOLLIN | EPOLLET, NUDGE, SITE(""));
    if (error)
        sys_close(reactor->nudge_fd, SITE(""));
    return error;
}

int reactor_init(struct reactor *reactor)
{
    *reactor = (struct reactor){.epoll_fd = sys_epoll_create(SITE("")), .first_free = NO_SLOT};
    if (reactor->epoll_fd < 0)
        return reactor->epoll_fd;
    int error = reactor_open_nudge(reactor);
    if (error)
        sys_close(reactor->epoll_fd, SITE(""));
    return error;
}

static void reactor_take_out_timer(struct reactor *reactor, struct timer *timer, const struct site *at)
{
    TRACE_AT(TIMER_CANCEL, 0, timer->number, 0, at);
    timer_heap_remove(&reactor->timers, timer);
    wait_cancel(&timer->waiting, TRACE_SOURCE_TIMER, timer->number, at);
}

void reactor_destroy(struct reactor *reactor)
{
    for (uint32_t i = 0; i < reactor->slot_count; i++)
        if (reactor->slots[i].source) {
            reactor->slots[i].source->reactor = NULL;
            reactor->slots[i].source->watched = 0;
        }
    while (reactor->timers.root)
        reactor_take_out_timer(reactor, reactor->timers.root, SITE(""));
    free(reactor->slots);
    sys_close(reactor->nudge_fd, SITE(""));
    sys_close(reactor->epoll_fd, SITE(""));
}

void reactor_nudge(struct reactor *reactor)
{
    TRACE(UNPARK, 0, 0, 0);
    int error = sys_eventfd_add(reactor->nudge_fd, SITE(""));
    if (error) /* rather the end than a sleeper that nobody wakes */
        misuse(SITE(""), "the write to the eventfd fails: %s", strerror(-error));
}

/* --- registrations --- */

/* Makes more slots and chains them up as free. 0 or -ENOMEM. */
static int reactor_grow(struct reactor *reactor)
{
    uint32_t count = reactor->slot_count ? 2 * reactor->slot_count : 16;
    struct slot *slots = realloc(reactor->slots, count * sizeof *slots);

    if (!slots)
        return -ENOMEM;
    for (uint32_t i = reactor->slot_count; i < count; i++)
        slots[i] = (struct slot){.next_free = i + 1 < count ? i + 1 : NO_SLOT};
    reactor->first_free = reactor->slot_count;
    reactor->slots = slots;
    reactor->slot_count = count;
    return 0;
}

static uint64_t slot_key(const struct reactor *reactor, uint32_t index)
{
    return index | (uint64_t)reactor->slots[index].generation << 32;
}

static void slot_free(struct reactor *reactor, uint32_t index)
{
    reactor->slots[index].source = NULL;
    reactor->slots[index].generation++; /* events that were collected before are stale from now on */
    reactor->slots[index].next_free = reactor->first_free;
    reactor->first_free = index;
}

/* Gives the source a slot. 0 or -ENOMEM. */
static int source_join(struct source *source, struct reactor *reactor)
{
    if (reactor->first_free == NO_SLOT && reactor_grow(reactor) != 0)
        return -ENOMEM;
    source->slot = reactor->first_free;
    source->reactor = reactor;
    reactor->first_free = reactor->slots[source->slot].next_free;
    reactor->slots[source->slot].source = source;
    return 0;
}

/* Asks the kernel for reports about one more direction; the first time, this puts the descriptor into the epoll set,
 * where it stays until it is closed. What was ready before the call is reported as well, so nothing falls between the
 * call that would block and this one. 0 or -errno. */
static int source_watch(struct source *source, enum direction direction, const struct site *at)
{
    unsigned watched = source->watched | 1u << direction;
    uint32_t events = (watched & 1 << SOURCE_READ ? EPOLLIN | EPOLLRDHUP : 0) |
                      (watched & 1 << SOURCE_WRITE ? EPOLLOUT : 0);
    uint64_t key = slot_key(source->reactor, source->slot);

    TRACE_AT(REGISTER_BEGIN, 0, source->fd, key, at);
    int error = sys_epoll_ctl(source->reactor->epoll_fd, source->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, source->fd,
                              events | EPOLLET, key, SITE(""));
    TRACE_AT(REGISTER_END, 0, source->fd, error, at);
    if (!error)
        source->watched = watched;
    return error;
}

/* --- sources --- */

void source_init(struct source *source, int fd)
{
    *source = (struct source){.fd = fd, .ready = 1 << SOURCE_READ | 1 << SOURCE_WRITE};
}

void source_would_block(struct source *source, enum direction direction)
{
    source->ready &= ~(1u << direction);
}

static void source_check_owner(struct source *source, enum direction direction, const struct future *owner,
                               const struct site *at)
{
    if (wait_is_on(&source->waiting[direction].waker) && source->waiting[direction].owner != owner)
        misuse(at, "two futures wait to %s descriptor %d at the same time",
               direction == SOURCE_READ ? "read from" : "write to", source->fd);
}

/* The reactor knows a source by its address: one that was moved would be woken where it no longer is. */
static void source_check_place(const struct source *source, const struct site *at)
{
    if (source->reactor && source->reactor->slots[source->slot].source != source)
        misuse(at, "the socket of descriptor %d was moved while the reactor watched it", source->fd);
}

/* Only the thread of the worker may touch its reactor. */
static void source_check_thread(const struct source *source, const struct site *at)
{
    if (source->reactor && source->reactor != reactor_current(at))
        misuse(at, "descriptor %d is registered with the reactor of another worker", source->fd);
}

/* 0 or -errno. */
static int source_make_watched(struct source *source, enum direction direction, const struct site *at)
{
    struct reactor *reactor = reactor_current(at);

    source_check_thread(source, at);
    if (!source->reactor && source_join(source, reactor) != 0)
        return -ENOMEM;
    return source->watched & 1u << direction ? 0 : source_watch(source, direction, at);
}

enum poll source_poll_ready(struct source *source, enum direction direction, const struct future *owner,
                            struct context *cx, int *error, const struct site *at)
{
    *error = source->fd < 0 ? -EBADF : 0;
    if (*error)
        return POLL_READY;
    source_check_place(source, at);
    source_check_owner(source, direction, owner, at);
    if (source->ready & 1u << direction)
        return POLL_READY;
    *error = source_make_watched(source, direction, at);
    if (*error)
        return POLL_READY;
    source->waiting[direction].owner = owner;
    wait_start(&source->waiting[direction].waker, cx, trace_source_of[direction], (uint64_t)source->fd, at);
    return POLL_PENDING;
}

static void source_wake(struct source *source, enum direction direction)
{
    source->ready |= 1u << direction;
    wait_wake(&source->waiting[direction].waker, trace_source_of[direction], (uint64_t)source->fd, SITE(""));
}

void source_forget(struct source *source, enum direction direction, const struct future *owner, const struct site *at)
{
    if (source->waiting[direction].owner != owner || !wait_is_on(&source->waiting[direction].waker))
        return;
    source_check_thread(source, at);
    wait_cancel(&source->waiting[direction].waker, trace_source_of[direction], (uint64_t)source->fd, at);
}

/* The registration ends before the descriptor is closed: were there a duplicate of it, in a child process for instance,
 * the kernel would keep it in the epoll set, and nobody could take it out any more. */
static void source_deregister(struct source *source, const struct site *at)
{
    struct reactor *reactor = source->reactor;

    TRACE_AT(DEREGISTER, 0, source->fd, slot_key(reactor, source->slot), at);
    if (source->watched)
        sys_epoll_ctl(reactor->epoll_fd, EPOLL_CTL_DEL, source->fd, 0, 0, SITE(""));
    slot_free(reactor, source->slot);
    source->reactor = NULL;
    source->watched = 0;
}

int source_close(struct source *source, const struct site *at)
{
    int fd = source->fd;

    if (fd < 0)
        return -EBADF;
    source_check_thread(source, at);
    source_check_place(source, at);
    if (source->reactor)
        source_deregister(source, at);
    source->fd = -1; /* already when the waiting are woken: one of them may look at once, or close it too */
    for (int direction = SOURCE_READ; direction <= SOURCE_WRITE; direction++)
        wait_wake(&source->waiting[direction].waker, trace_source_of[direction], (uint64_t)fd, at);
    return sys_close(fd, at);
}

/* --- timers --- */

void reactor_add_timer(struct reactor *reactor, struct timer *timer, struct context *cx, const struct site *at)
{
    if (!timer->is_queued) {
        TRACE_AT(TIMER_ADD, 0, timer->number, timer->deadline, at);
        timer_heap_add(&reactor->timers, timer);
    }
    wait_start(&timer->waiting, cx, TRACE_SOURCE_TIMER, timer->number, at);
}

void reactor_remove_timer(struct reactor *reactor, struct timer *timer, const struct site *at)
{
    if (!timer->is_queued)
        return;
    if (reactor != reactor_current(at))
        misuse(at, "a timer in the reactor of another worker is cancelled");
    reactor_take_out_timer(reactor, timer, at);
}

/* Returns how many have fired. */
static unsigned reactor_fire_timers(struct reactor *reactor)
{
    unsigned fired = 0;
    uint64_t now = reactor->timers.root ? trace_now() : 0;

    for (struct timer *first; (first = reactor->timers.root) && first->deadline <= now; fired++) {
        timer_heap_remove(&reactor->timers, first);
        first->has_fired = true;
        TRACE(TIMER_FIRE, 0, first->number, first->deadline);
        wait_wake(&first->waiting, TRACE_SOURCE_TIMER, first->number, SITE(""));
    }
    return fired;
}

/* --- a turn --- */

/* How long the kernel may let us sleep: until the first timer, at most. */
static int64_t reactor_limit(const struct reactor *reactor, int64_t timeout)
{
    const struct timer *first = reactor->timers.root;

    if (!first || timeout == 0)
        return timeout;
    uint64_t now = trace_now();
    int64_t left = first->deadline > now ? (int64_t)(first->deadline - now) : 0;
    return timeout < 0 || left < timeout ? left : timeout;
}

/* False: the event is stale, its descriptor was closed after the event was collected. */
static bool reactor_dispatch(struct reactor *reactor, const struct epoll_event *event)
{
    uint32_t index = (uint32_t)event->data.u64;
    uint32_t bits = event->events;

    if (slot_key(reactor, index) != event->data.u64)
        return false;
    struct source *source = reactor->slots[index].source;
    TRACE(READY, 0, source->fd, bits);
    /* A hang-up or an error ends both directions: whoever waits must try the call and see the result. Waking the reader
     * may close the source, so the slot is looked at again. */
    if (bits & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        source_wake(source, SOURCE_READ);
    if (bits & (EPOLLOUT | EPOLLHUP | EPOLLERR) && slot_key(reactor, index) == event->data.u64)
        source_wake(source, SOURCE_WRITE);
    return true;
}

/* Returns how many descriptors were ready. */
static unsigned reactor_wait(struct reactor *reactor, int64_t timeout)
{
    struct epoll_event events[EVENTS_PER_TURN];
    int count = sys_epoll_wait(reactor->epoll_fd, events, EVENTS_PER_TURN, timeout, SITE(""));
    unsigned descriptors = 0;

    if (count < 0 && count != -EINTR)
        misuse(SITE(""), "epoll_wait fails: %s", strerror(-count));
    for (int i = 0; i < count; i++) {
        if (events[i].data.u64 == NUDGE)
            continue; /* the wait is over, and that was all */
        descriptors += reactor_dispatch(reactor, &events[i]);
    }
    return descriptors;
}

void reactor_turn(struct reactor *reactor, int64_t timeout)
{
    int64_t limit = reactor_limit(reactor, timeout);

    TRACE(TURN_BEGIN, 0, 0, limit);
    unsigned descriptors = reactor_wait(reactor, limit);
    unsigned fired = reactor_fire_timers(reactor);
    TRACE(TURN_END, 0, descriptors, fired);
}

/* Wakers are taken out of their places under the lock, and used or dropped after it was given up: either may run
 * anything. */
#include "reactor.h"

#include "sys.h"
#include "trace.h"
#include "wait.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { EVENTS_PER_TURN = 256, WAKES_PER_LOCK = 64 };

/* events of a stream after which a read may leave room and something to read; see source_ran_dry */
enum { MORE_THAN_BYTES = EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI };

#define NO_SLOT UINT32_MAX /* the event data of a descriptor is slot | generation << 32 */

static const enum trace_source trace_source_of[2] = {TRACE_SOURCE_READ, TRACE_SOURCE_WRITE};

/* --- wakes that are due, for when the lock is free --- */

struct wakes {
    struct waker list[WAKES_PER_LOCK];
    unsigned count;
};

static void wakes_add(struct wakes *wakes, struct waker *place, enum trace_source source, uint64_t number,
                      const struct site *at)
{
    if (wait_is_on(place))
        wakes->list[wakes->count++] = wait_take(place, source, number, at);
}

static void wakes_do(struct wakes *wakes, const struct site *at)
{
    for (unsigned i = 0; i < wakes->count; i++)
        waker_wake_at(wakes->list[i], at);
    wakes->count = 0;
}

/* The same for a waker that is to be dropped; {0}: there is none. */
static struct waker waker_take_out(struct waker *place, enum trace_source source, uint64_t number,
                                   const struct site *at)
{
    return wait_is_on(place) ? wait_take(place, source, number, at) : (struct waker){0};
}

static void waker_let_go(struct waker waker, const struct site *at)
{
    if (wait_is_on(&waker))
        waker_drop_at(waker, at);
}

static bool waker_is(const struct waker *waker, const struct context *cx)
{
    return waker->vtable == cx->waker->vtable && waker->data == cx->waker->data;
}

/* --- the reactor's life --- */

static void reactor_note_first(struct reactor *reactor)
{
    uint64_t first = reactor->timers.length > 0 ? reactor->timers.entries[0].deadline : UINT64_MAX;
    /* relaxed: the time of a timer is all there is to read; no partner */
    atomic_store_explicit(&reactor->first_deadline, first, memory_order_relaxed);
}

int reactor_init(struct reactor *reactor, const struct runtime *rt)
{
    *reactor = (struct reactor){.runtime = rt,
                                .epoll_fd = sys_epoll_create(SITE("")),
                                .lock = PTHREAD_MUTEX_INITIALIZER,
                                .first_free = NO_SLOT};
    reactor_note_first(reactor);
    return reactor->epoll_fd < 0 ? reactor->epoll_fd : 0;
}

/* Takes a timer that is queued out, and returns its waker. */
static struct waker reactor_take_out_timer(struct reactor *reactor, struct timer *timer, const struct site *at)
{
    TRACE_AT(TIMER_CANCEL, 0, timer->base.id, 0, at);
    timer_heap_remove(&reactor->timers, timer);
    reactor_note_first(reactor);
    TRACE_AT(WAIT_END, 0, TRACE_SOURCE_TIMER, timer->base.id, at);
    return waker_word_take(timer->waiting);
}

/* The last of its timers: its reactor comes to its end, and it may go on in another runtime, until the same deadline. */
static void reactor_orphan_timer(struct reactor *reactor)
{
    struct timer_entry entry = reactor->timers.entries[reactor->timers.length - 1];
    struct waker waker = reactor_take_out_timer(reactor, entry.timer, SITE(""));

    entry.timer->time = entry.deadline;
    /* relaxed: nobody else is about any more */
    atomic_store_explicit(&entry.timer->place, TIMER_UNTIL, memory_order_relaxed);
    waker_drop_at(waker, SITE(""));
}

/* Its reactor comes to its end, and it may be waited for again in another runtime. */
static void source_orphan(struct source *source)
{
    for (int direction = SOURCE_READ; direction <= SOURCE_WRITE; direction++)
        wait_cancel(&source->waiting[direction].waker, trace_source_of[direction], (uint64_t)source_fd(source),
                    SITE(""));
    source->is_registered = false;
    source->watched = 0;
    /* relaxed: nobody else is about any more */
    atomic_store_explicit(&source->reactor, NULL, memory_order_relaxed);
}

void reactor_destroy(struct reactor *reactor)
{
    for (uint32_t i = 0; i < reactor->slot_count; i++)
        if (reactor->slots[i].source)
            source_orphan(reactor->slots[i].source);
    while (reactor->timers.length > 0)
        reactor_orphan_timer(reactor);
    timer_heap_destroy(&reactor->timers);
    free(reactor->slots);
    sys_close(reactor->epoll_fd, SITE(""));
    pthread_mutex_destroy(&reactor->lock);
}

/* --- registrations, under the lock --- */

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

/* relaxed: a count that tells whether it is worth to look; no partner */
static void reactor_count_registered(struct reactor *reactor, int change)
{
    uint32_t now = atomic_load_explicit(&reactor->registered, memory_order_relaxed);
    atomic_store_explicit(&reactor->registered, now + (uint32_t)change, memory_order_relaxed);
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
    source->is_registered = true;
    reactor->first_free = reactor->slots[source->slot].next_free;
    reactor->slots[source->slot].source = source;
    reactor_count_registered(reactor, 1);
    return 0;
}

/* Asks the kernel for reports about one more direction; the first time, this puts the descriptor into the epoll set,
 * where it stays until it is closed. What was ready before the call is reported as well, so nothing falls between the
 * call that would block and this one. 0 or -errno. */
static int source_watch(struct source *source, struct reactor *reactor, enum direction direction, const struct site *at)
{
    unsigned watched = source->watched | 1u << direction;
    uint32_t events = (watched & 1 << SOURCE_READ ? EPOLLIN | EPOLLRDHUP | EPOLLPRI : 0) |
                      (watched & 1 << SOURCE_WRITE ? EPOLLOUT : 0);
    uint64_t key = slot_key(reactor, source->slot);
    int fd = source_fd(source);

    TRACE_AT(REGISTER_BEGIN, 0, fd, key, at);
    int error = sys_epoll_ctl(reactor->epoll_fd, source->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, events | EPOLLET,
                              key, SITE(""));
    TRACE_AT(REGISTER_END, 0, fd, error, at);
    if (!error)
        source->watched = watched;
    return error;
}

/* --- sources --- */

void source_init(struct source *source, int fd)
{
    *source = (struct source){.fd = fd, .news = 1 << SOURCE_READ | 1 << SOURCE_WRITE};
}

/* Closing and waiting for the first time may meet, on two threads. The one says that the source is closed and then looks
 * whether it has a reactor; the other gives it one and then looks whether it is closed. All four are seq_cst, so at least
 * one sees the other: either nobody waits, or the waiter is found and woken. */

/* The reactor that the source is bound to for good: that of the worker where it is waited for first. */
static struct reactor *source_bind(struct source *source, const struct site *at)
{
    struct reactor *mine = reactor_current(at), *bound = NULL;

    /* and whoever finds the reactor set finds it initialised; its partner is itself */
    if (atomic_compare_exchange_strong_explicit(&source->reactor, &bound, mine, memory_order_seq_cst,
                                                memory_order_seq_cst))
        return mine;
    if (bound->runtime != mine->runtime)
        misuse(at, "descriptor %d is registered with the reactor of another runtime", source_fd(source));
    return bound;
}

static struct reactor *source_reactor(const struct source *source)
{
    return atomic_load_explicit(&source->reactor, memory_order_seq_cst);
}

/* Says to all who ask from now on that the source is closed, and returns the descriptor; -1: it was closed before. */
static int source_shut(struct source *source)
{
    return atomic_exchange_explicit(&source->fd, -1, memory_order_seq_cst);
}

static bool source_is_shut(const struct source *source)
{
    return atomic_load_explicit(&source->fd, memory_order_seq_cst) < 0;
}

static void source_check_owner(struct source *source, enum direction direction, const struct future *owner,
                               const struct site *at)
{
    if (wait_is_on(&source->waiting[direction].waker) && source->waiting[direction].owner != owner)
        misuse(at, "two futures wait to %s descriptor %d at the same time",
               direction == SOURCE_READ ? "read from" : "write to", source_fd(source));
}

/* The reactor knows a source by its address: one that was moved would be woken where it no longer is. */
static void source_check_place(const struct source *source, const struct reactor *reactor, const struct site *at)
{
    if (source->is_registered && reactor->slots[source->slot].source != source)
        misuse(at, "the socket of descriptor %d was moved while the reactor watched it", source_fd(source));
}

/* Notes what is known now, and says whether the call may be tried. acquire: whatever the reactor did before it raised
 * the news (partner: source_raise). */
static bool source_look(struct source *source, enum direction direction)
{
    source->seen[direction] = atomic_load_explicit(&source->news, memory_order_acquire);
    return source->seen[direction] & 1u << direction;
}

/* Any event since then has changed the word, and then nothing is cleared. relaxed: it only takes a claim back; what
 * counts is which change of the word comes first. No partner. */
void source_would_block(struct source *source, enum direction direction)
{
    uint32_t now = atomic_load_explicit(&source->news, memory_order_relaxed);

    while (now / SOURCE_EVENT == source->seen[direction] / SOURCE_EVENT)
        if (atomic_compare_exchange_weak_explicit(&source->news, &now, now & ~(1u << direction), memory_order_relaxed,
                                                  memory_order_relaxed))
            break;
}

/* A read from a stream that leaves room has taken all there was. The call that would only confirm it is saved: it would
 * be one of two for each request. What if there is something to be read all the same?
 *
 *   It came after the kernel had collected the latest event that was handled before the call: then it is an event of
 *   its own. If another worker has handled that meanwhile, the count has changed, and nothing is cleared; if it is
 *   handled later, it sets the bit again and wakes whoever waits. So it is with bytes that come between the call and the
 *   note, and with the end of the stream, wherever it comes. If the source is not registered yet, nothing was collected,
 *   and the registration reports all there is.
 *   It came before, and the call did not take it: then nobody will hear of it again. It is no byte, as a read would have
 *   taken it; it is the end of the stream or an error, or bytes behind an urgent one, before which a read stops. The
 *   same event has told of those, and left SOURCE_END: from then on only the kernel's word counts.
 *
 * -EAGAIN is that word, so source_would_block does not care for SOURCE_END. A write that was cut short has found the
 * buffer full; the kernel reports when there is room, and after an error it takes no write at all. */
void source_ran_dry(struct source *source, enum direction direction)
{
    if (!(source->seen[direction] & SOURCE_END))
        source_would_block(source, direction);
}

/* An event: raises the news. Under the lock, so the count is not raised twice at once. release: partner source_look. */
static void source_raise(struct source *source, unsigned directions)
{
    uint32_t now = atomic_load_explicit(&source->news, memory_order_relaxed); /* a guess, the exchange checks it */

    while (!atomic_compare_exchange_weak_explicit(&source->news, &now, (now | directions) + SOURCE_EVENT,
                                                  memory_order_release, memory_order_relaxed))
        ;
}

/* Under the lock. Ready: there are news after all, or no waiting is possible. */
static enum poll source_wait(struct source *source, struct reactor *reactor, enum direction direction,
                             const struct future *owner, struct context *cx, int *error, const struct site *at)
{
    source_check_place(source, reactor, at);
    source_check_owner(source, direction, owner, at);
    if (source_look(source, direction))
        return POLL_READY;
    if (source_is_shut(source))
        *error = -EBADF;
    else if (!source->is_registered)
        *error = source_join(source, reactor);
    if (!*error && !(source->watched & 1u << direction))
        *error = source_watch(source, reactor, direction, at);
    if (*error)
        return POLL_READY;
    source->waiting[direction].owner = owner;
    wait_start(&source->waiting[direction].waker, cx, trace_source_of[direction], (uint64_t)source_fd(source), at);
    return POLL_PENDING;
}

/* Of this future, if it waits already: the waker of an earlier poll that is not the one of cx. */
static struct waker source_take_older(struct source *source, enum direction direction, const struct future *owner,
                                      const struct context *cx, const struct site *at)
{
    struct waker *place = &source->waiting[direction].waker;

    if (source->waiting[direction].owner != owner || waker_is(place, cx))
        return (struct waker){0};
    return waker_take_out(place, trace_source_of[direction], (uint64_t)source_fd(source), at);
}

enum poll source_poll_ready(struct source *source, enum direction direction, const struct future *owner,
                            struct context *cx, int *error, const struct site *at)
{
    *error = source_fd(source) < 0 ? -EBADF : 0;
    if (*error || source_look(source, direction))
        return POLL_READY;
    struct reactor *reactor = source_bind(source, at);
    pthread_mutex_lock(&reactor->lock);
    struct waker older = source_take_older(source, direction, owner, cx, at);
    enum poll result = source_wait(source, reactor, direction, owner, cx, error, at);
    pthread_mutex_unlock(&reactor->lock);
    waker_let_go(older, at);
    return result;
}

void source_forget(struct source *source, enum direction direction, const struct future *owner, const struct site *at)
{
    struct reactor *reactor = source_reactor(source);
    struct waker waker = {0};

    if (!reactor)
        return;
    pthread_mutex_lock(&reactor->lock);
    if (source->waiting[direction].owner == owner)
        waker = waker_take_out(&source->waiting[direction].waker, trace_source_of[direction],
                               (uint64_t)source_fd(source), at);
    pthread_mutex_unlock(&reactor->lock);
    waker_let_go(waker, at);
}

/* The registration ends before the descriptor is closed: were there a duplicate of it, in a child process for instance,
 * the kernel would keep it in the epoll set, and nobody could take it out any more. */
static void source_deregister(struct source *source, struct reactor *reactor, int fd, const struct site *at)
{
    TRACE_AT(DEREGISTER, 0, fd, slot_key(reactor, source->slot), at);
    if (source->watched)
        sys_epoll_ctl(reactor->epoll_fd, EPOLL_CTL_DEL, fd, 0, 0, SITE(""));
    slot_free(reactor, source->slot);
    reactor_count_registered(reactor, -1);
    source->is_registered = false;
    source->watched = 0;
}

static void source_leave(struct source *source, struct reactor *reactor, int fd, const struct site *at)
{
    struct wakes wakes = {.count = 0};

    pthread_mutex_lock(&reactor->lock);
    source_check_place(source, reactor, at);
    if (source->is_registered)
        source_deregister(source, reactor, fd, at);
    for (int direction = SOURCE_READ; direction <= SOURCE_WRITE; direction++)
        wakes_add(&wakes, &source->waiting[direction].waker, trace_source_of[direction], (uint64_t)fd, at);
    pthread_mutex_unlock(&reactor->lock);
    wakes_do(&wakes, at);
}

int source_close(struct source *source, const struct site *at)
{
    int fd = source_shut(source);

    if (fd < 0)
        return -EBADF;
    struct reactor *reactor = source_reactor(source);
    if (reactor)
        source_leave(source, reactor, fd, at);
    return sys_close(fd, at);
}

/* --- timers --- */

/* One more waker, in a word. 0 or -ENOMEM. */
static int waker_word_clone(uintptr_t *word, const struct context *cx, const struct site *at)
{
    struct waker waker = waker_clone_at(cx->waker, at);
    int error = waker_word_put(word, waker);

    if (error)
        waker_drop_at(waker, at);
    return error;
}

int reactor_add_timer(struct reactor *reactor, struct timer *timer, uint64_t deadline, const struct context *cx,
                      const struct site *at)
{
    uintptr_t word;
    int error = waker_word_clone(&word, cx, at);

    if (error)
        return error;
    pthread_mutex_lock(&reactor->lock);
    error = timer_heap_add(&reactor->timers, timer, deadline);
    if (!error) {
        TRACE_AT(TIMER_ADD, 0, timer->base.id, deadline, at);
        TRACE_AT(WAIT, 0, TRACE_SOURCE_TIMER, timer->base.id, at);
        timer->waiting = word;
        reactor_note_first(reactor);
    }
    pthread_mutex_unlock(&reactor->lock);
    if (error)
        waker_drop_at(waker_word_take(word), at);
    return error;
}

/* In place of the one that is there, which is taken out. False: it has fired, and there is none any more. */
static bool timer_replace_waker(struct reactor *reactor, struct timer *timer, uintptr_t word, struct waker *older,
                                const struct site *at)
{
    pthread_mutex_lock(&reactor->lock);
    bool waits = !timer_has_fired(timer);
    if (waits) {
        TRACE_AT(WAIT_END, 0, TRACE_SOURCE_TIMER, timer->base.id, at);
        *older = waker_word_take(timer->waiting);
        TRACE_AT(WAIT, 0, TRACE_SOURCE_TIMER, timer->base.id, at);
        timer->waiting = word;
    }
    pthread_mutex_unlock(&reactor->lock);
    return waits;
}

int reactor_renew_timer(struct reactor *reactor, struct timer *timer, const struct context *cx, const struct site *at)
{
    struct waker older;
    uintptr_t word;

    /* without the lock, as nobody else writes it: if the timer fires just now, that is the waker which is woken */
    if (waker_word_is(timer->waiting, cx->waker))
        return -EAGAIN;
    int error = waker_word_clone(&word, cx, at);
    if (error)
        return error;
    bool waits = timer_replace_waker(reactor, timer, word, &older, at);
    waker_drop_at(waits ? older : waker_word_take(word), at);
    return waits ? -EAGAIN : 0;
}

void reactor_remove_timer(struct reactor *reactor, struct timer *timer, const struct site *at)
{
    struct waker waker = {0};

    pthread_mutex_lock(&reactor->lock);
    if (!timer_has_fired(timer))
        waker = reactor_take_out_timer(reactor, timer, at);
    pthread_mutex_unlock(&reactor->lock);
    waker_let_go(waker, at);
}

/* The first of all, whose time has come. */
static void reactor_fire(struct reactor *reactor, struct timer_entry first, struct wakes *wakes)
{
    timer_heap_remove(&reactor->timers, first.timer);
    TRACE(TIMER_FIRE, 0, first.timer->base.id, first.deadline);
    TRACE(WAIT_END, 0, TRACE_SOURCE_TIMER, first.timer->base.id);
    wakes->list[wakes->count++] = waker_word_take(first.timer->waiting);
    /* The last that is done with it: whoever sees it may be gone at once. release: partner timer_has_fired */
    atomic_store_explicit(&first.timer->place, TIMER_FIRED, memory_order_release);
}

static void reactor_fire_some(struct reactor *reactor, uint64_t now, struct wakes *wakes)
{
    const struct timer_heap *timers = &reactor->timers;

    pthread_mutex_lock(&reactor->lock);
    while (wakes->count < WAKES_PER_LOCK && timers->length > 0 && timers->entries[0].deadline <= now)
        reactor_fire(reactor, timers->entries[0], wakes);
    reactor_note_first(reactor);
    pthread_mutex_unlock(&reactor->lock);
}

static uint64_t reactor_first_deadline(const struct reactor *reactor)
{
    return atomic_load_explicit(&reactor->first_deadline, memory_order_relaxed); /* see reactor_note_first */
}

unsigned reactor_fire_timers(struct reactor *reactor)
{
    unsigned fired = 0;
    struct wakes wakes;

    if (reactor_first_deadline(reactor) == UINT64_MAX)
        return 0;
    uint64_t now = trace_now();
    while (reactor_first_deadline(reactor) <= now) {
        wakes.count = 0;
        reactor_fire_some(reactor, now, &wakes);
        fired += wakes.count;
        wakes_do(&wakes, SITE(""));
    }
    return fired;
}

/* --- a turn --- */

int64_t reactor_limit(const struct reactor *reactor, int64_t timeout)
{
    uint64_t first = reactor_first_deadline(reactor);

    if (first == UINT64_MAX || timeout == 0)
        return timeout;
    uint64_t now = trace_now();
    int64_t left = first > now ? (int64_t)(first - now) : 0;
    return timeout < 0 || left < timeout ? left : timeout;
}

/* False: the event is stale, its descriptor was closed after the event was collected. */
static bool reactor_dispatch(struct reactor *reactor, const struct epoll_event *event, struct wakes *wakes)
{
    /* A hang-up or an error ends both directions: whoever waits must try the call and see the result. */
    static const uint32_t means[2] = {EPOLLIN | MORE_THAN_BYTES, EPOLLOUT | EPOLLHUP | EPOLLERR};
    uint32_t index = (uint32_t)event->data.u64;

    if (slot_key(reactor, index) != event->data.u64)
        return false;
    struct source *source = reactor->slots[index].source;
    int fd = source_fd(source);
    if (fd < 0)
        return false; /* it is just being closed */
    TRACE(READY, 0, fd, event->events);
    unsigned directions = (event->events & means[SOURCE_READ] ? 1u << SOURCE_READ : 0) |
                          (event->events & means[SOURCE_WRITE] ? 1u << SOURCE_WRITE : 0);
    source_raise(source, directions | (event->events & MORE_THAN_BYTES ? SOURCE_END : 0));
    for (int direction = SOURCE_READ; direction <= SOURCE_WRITE; direction++)
        if (directions & 1u << direction)
            wakes_add(wakes, &source->waiting[direction].waker, trace_source_of[direction], (uint64_t)fd, SITE(""));
    return true;
}

/* Handles some of the events and returns how many of them were no longer stale. */
static unsigned reactor_dispatch_some(struct reactor *reactor, const struct epoll_event *events, int count)
{
    struct wakes wakes = {.count = 0};
    unsigned descriptors = 0;

    pthread_mutex_lock(&reactor->lock);
    for (int i = 0; i < count; i++)
        if (events[i].data.u64 != REACTOR_NUDGE) /* that ended the wait, and that was all */
            descriptors += reactor_dispatch(reactor, &events[i], &wakes);
    pthread_mutex_unlock(&reactor->lock);
    wakes_do(&wakes, SITE(""));
    return descriptors;
}

/* Returns how many descriptors were ready, and in *more whether there was no room for all of them. */
static unsigned reactor_wait(struct reactor *reactor, int64_t timeout, bool *more)
{
    struct epoll_event events[EVENTS_PER_TURN];
    int count = sys_epoll_wait(reactor->epoll_fd, events, EVENTS_PER_TURN, timeout, SITE(""));
    unsigned descriptors = 0;
    const int some = WAKES_PER_LOCK / 2; /* an event may wake a reader and a writer */

    if (count < 0 && count != -EINTR)
        misuse(SITE(""), "epoll_wait fails: %s", strerror(-count));
    for (int i = 0; i < count; i += some)
        descriptors += reactor_dispatch_some(reactor, events + i, count - i < some ? count - i : some);
    *more = count == EVENTS_PER_TURN;
    return descriptors;
}

bool reactor_turn(struct reactor *reactor, int64_t timeout)
{
    int64_t limit = reactor_limit(reactor, timeout);
    bool more;

    TRACE(TURN_BEGIN, 0, 0, limit);
    unsigned descriptors = reactor_wait(reactor, limit, &more);
    unsigned fired = reactor_fire_timers(reactor);
    TRACE(TURN_END, 0, descriptors, fired);
    return more;
}

void reactor_glance(struct reactor *reactor)
{
    if (atomic_load_explicit(&reactor->registered, memory_order_relaxed) == 0) /* see reactor_count_registered */
        reactor_fire_timers(reactor);
    else
        while (reactor_turn(reactor, 0)) /* to the end: of what is left, nobody hears again */
            ;
}

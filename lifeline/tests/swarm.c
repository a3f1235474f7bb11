/* A swarm of tasks on four workers that do everything to each other at random: spawn, join, abort, give way, sleep, and
 * wake each other across threads, also too late. Whatever comes of it, no contract may be broken in its recording.
 *
 *   swarm [SEED]      default: 1 */
#include "join_handle.h"
#include "runtime.h"
#include "task.h"
#include "timer.h"
#include "yield.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORKERS = 4, ROOTS = 48, DEPTH = 3, CHILDREN = 3, PLACES = 16 };

/* --- chance: each thread has its own, from one seed --- */

static atomic_uint seeds;
static _Thread_local unsigned chance;

static unsigned draw(unsigned below)
{
    if (chance == 0) /* relaxed, no partner: the seeds need only differ */
        chance = atomic_fetch_add_explicit(&seeds, 0x9e3779b9, memory_order_relaxed) | 1;
    chance ^= chance << 13;
    chance ^= chance >> 17;
    chance ^= chance << 5;
    return chance % below;
}

/* --- places where wakers are left, and a thread that uses them --- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct waker places[PLACES];
static atomic_bool stop;

static struct waker place_swap(unsigned place, struct waker waker)
{
    pthread_mutex_lock(&lock);
    struct waker old = places[place];
    places[place] = waker;
    pthread_mutex_unlock(&lock);
    return old;
}

static void use_up(struct waker waker)
{
    if (!waker.vtable)
        return;
    switch (draw(3)) {
    case 0:
        waker_drop(waker);
        break;
    case 1:
        waker_wake(waker);
        break;
    default:
        waker_wake_by_ref(&waker);
        waker_drop(waker);
    }
}

static void *use_wakers(void *unused)
{
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) /* no partner: it carries nothing */
        use_up(place_swap(draw(PLACES), (struct waker){0}));
    return unused;
}

/* --- a task of the swarm --- */

struct member {
    struct future base;
    unsigned depth, steps; /* how deep a family it may found; what it still does by itself */
    unsigned children, joined;
    struct join_handle child[CHILDREN];
    struct yield yield;
    struct sleep sleep;
    enum { MEMBER_ACTS, MEMBER_YIELDS, MEMBER_SLEEPS, MEMBER_JOINS } state;
};

static const struct future_type member_type;

static struct member member(unsigned depth)
{
    struct member self = {.depth = depth, .steps = draw(6), .state = MEMBER_ACTS};
    future_init(&self.base, &member_type);
    return self;
}

static void member_spawns(struct member *self)
{
    if (self->depth == 0 || self->children == CHILDREN)
        return;
    struct member child = member(self->depth - 1);
    if (task_spawn(runtime_current(), &child, &self->child[self->children]) == 0)
        self->children++;
    else
        future_drop(&child.base);
}

/* Pending: it is to be polled again at once, having woken itself twice. */
static enum poll member_acts(struct member *self, struct context *cx)
{
    switch (draw(5)) {
    case 0:
        self->yield = yield_now();
        self->state = MEMBER_YIELDS;
        break;
    case 1:
        self->sleep = sleep_for(draw(300000));
        self->state = MEMBER_SLEEPS;
        break;
    case 2:
        member_spawns(self);
        break;
    case 3:
        use_up(place_swap(draw(PLACES), waker_clone(cx->waker)));
        break;
    default:
        waker_wake_by_ref(cx->waker);
        waker_wake_by_ref(cx->waker);
        return POLL_PENDING;
    }
    return POLL_READY;
}

/* The child future that it waits for; NULL: none. */
static struct future *member_waits_for(struct member *self)
{
    switch (self->state) {
    case MEMBER_YIELDS:
        return &self->yield.base;
    case MEMBER_SLEEPS:
        return &self->sleep.base;
    case MEMBER_JOINS:
        return &self->child[self->joined].base;
    default:
        return NULL;
    }
}

/* False: it has nothing left to do. */
static bool member_goes_on(struct member *self)
{
    self->joined += self->state == MEMBER_JOINS;
    self->state = MEMBER_ACTS;
    if (self->steps > 0) {
        self->steps--;
        return true;
    }
    if (self->joined == self->children)
        return false;
    if (draw(7) == 0)
        join_handle_abort(&self->child[self->joined]);
    self->state = MEMBER_JOINS;
    return true;
}

static enum poll member_poll(struct future *f, struct context *cx)
{
    struct member *self = (struct member *)f;

    do {
        struct future *waits_for = member_waits_for(self);
        if (waits_for && future_poll(waits_for, cx) == POLL_PENDING)
            return POLL_PENDING;
        if (waits_for)
            future_drop(waits_for);
        if (!member_goes_on(self))
            return POLL_READY;
    } while (self->state == MEMBER_JOINS || member_acts(self, cx) == POLL_READY);
    return POLL_PENDING;
}

static void member_drop(struct future *f)
{
    struct member *self = (struct member *)f;

    if (self->state == MEMBER_YIELDS || self->state == MEMBER_SLEEPS)
        future_drop(member_waits_for(self));
    for (unsigned i = self->joined; i < self->children; i++)
        future_drop(&self->child[i].base);
}

FUTURE_TYPE(member, member_poll, member_drop);

/* --- main --- */

/* One root in four is waited for. */
static void found_families(struct runtime *rt)
{
    for (int i = 0; i < ROOTS; i++) {
        struct member root = member(DEPTH);
        int error = i % 4 == 0 ? runtime_block_on(rt, &root) : task_spawn(rt, &root, NULL);
        if (i % 4 == 0 || error)
            future_drop(&root.base);
    }
}

int main(int argc, char **argv)
{
    struct runtime rt;
    pthread_t user;

    atomic_store_explicit(&seeds, argc > 1 ? (unsigned)atoi(argv[1]) : 1, memory_order_relaxed);
    if (runtime_init(&rt, WORKERS) != 0 || pthread_create(&user, NULL, use_wakers, NULL) != 0)
        return 2;
    found_families(&rt);
    runtime_destroy(&rt); /* with whatever is not done */
    atomic_store_explicit(&stop, true, memory_order_relaxed);
    pthread_join(user, NULL);
    for (unsigned i = 0; i < PLACES; i++)
        use_up(places[i]);
    return 0;
}

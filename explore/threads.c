/* Threads that are coroutines: each has a stack and thread-local variables of its own, and one of them runs at a time.
 *
 * A thread stops before each step that others could notice: an atomic operation, a lock, a wait. There the search says
 * who makes the next step. Between two steps a thread touches plain memory only, which no other thread may touch at the
 * same time: plain.c watches that. So nothing is lost by not switching there.
 *
 * Thread-local variables of the program lie in one block at a fixed address. It is exchanged with the stack. */
#define _GNU_SOURCE
#include "core.h"
#include "explore.h"

#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

enum { MAX_STEPS = 20000, MAX_FORCED = 200 };

static const uint64_t CLOCK_START = 1000000000; /* ns; not 0, which programs take for "none" */

struct coroutine {
    struct thread thread;
    ucontext_t context;
    void *(*start)(void *arg);
    void *arg, *result;
    struct coroutine *starter; /* runs on until this one comes to its first step */
    bool alive, joined;
    bool gave_way;
    uint32_t changes_then; /* when it gave way */
};

static struct {
    char *locals;       /* one block a thread, and one as it was at the start */
    char *locals_place; /* where the running thread's are */
    size_t locals_size;
} outside;

/* Of this run. */
static struct coroutine coroutines[MAX_THREADS];
static unsigned count, current;
static ucontext_t driver;
static unsigned steps, preemptions, forced;
static bool is_calm; /* nobody is preempted */
static uint32_t changes;
static uint64_t now;

struct thread *me(void)
{
    return &coroutines[current].thread;
}

uint64_t clock_now(void)
{
    return now;
}

void clock_join(struct clock *to, const struct clock *from)
{
    for (unsigned i = 0; i < MAX_THREADS; i++)
        if (to->at[i] < from->at[i])
            to->at[i] = from->at[i];
}

/* ---- switching ---- */

static int find_locals(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size, (void)unused;
    for (unsigned i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_TLS) {
            outside.locals_place = info->dlpi_tls_data;
            outside.locals_size = info->dlpi_phdr[i].p_memsz;
        }
    return 1; /* the first one is the program; the libraries' are nobody's business here */
}

static char *locals_of(unsigned thread)
{
    return outside.locals + thread * outside.locals_size;
}

void threads_init(void)
{
    dl_iterate_phdr(find_locals, NULL);
    outside.locals = memory_reserve((MAX_THREADS + 1) * outside.locals_size + 1);
    memcpy(locals_of(MAX_THREADS), outside.locals_place, outside.locals_size);
}

static void switch_to(unsigned next)
{
    unsigned last = current;

    if (next == last)
        return;
    memcpy(locals_of(last), outside.locals_place, outside.locals_size);
    memcpy(outside.locals_place, locals_of(next), outside.locals_size);
    current = next;
    swapcontext(&coroutines[last].context, &coroutines[next].context);
}

/* ---- scheduling ---- */

static bool is_free_to_go(const struct coroutine *c)
{
    return c->alive && (!c->thread.can_go || c->thread.can_go(&c->thread));
}

static bool is_enabled(const struct coroutine *c)
{
    return is_free_to_go(c) && !(c->gave_way && c->changes_then == changes);
}

/* Who can go on, the current thread first. */
static unsigned list_enabled(unsigned *options)
{
    unsigned n = 0;

    if (is_enabled(&coroutines[current]))
        options[n++] = current;
    for (unsigned i = 0; i < count; i++)
        if (i != current && is_enabled(&coroutines[i]))
            options[n++] = i;
    return n;
}

static const char *what_it_waits_for(const struct coroutine *c)
{
    return !c->alive ? "has ended" : c->thread.asleep ? "sleeps" : "waits";
}

_Noreturn static void fail_deadlock(void)
{
    char text[900] = "", place[200];
    size_t used = 0;

    for (unsigned i = 0; i < count && used < sizeof text; i++) {
        place_name(coroutines[i].thread.pc, place, sizeof place);
        used += (size_t)snprintf(text + used, sizeof text - used, "%s thread %u %s%s%s", i ? "," : "", i,
                                 what_it_waits_for(&coroutines[i]), coroutines[i].alive ? " at " : "",
                                 coroutines[i].alive ? place : "");
    }
    fail(NULL, "deadlock:%s", text);
}

/* Nobody is enabled, but some have only given way: they may try once more. */
static unsigned list_forced(unsigned *options)
{
    unsigned n = 0;

    for (unsigned i = 0; i < count; i++)
        if (is_free_to_go(&coroutines[i])) {
            coroutines[i].gave_way = false;
            options[n++] = i;
        }
    if (n > 0 && ++forced > MAX_FORCED)
        fail(coroutines[options[0]].thread.pc, "livelock: whoever can go on only looks again and again");
    return n;
}

/* Says who makes the next step. */
static unsigned schedule(void)
{
    unsigned options[MAX_THREADS];
    unsigned n = list_enabled(options);

    if (n == 0)
        n = list_forced(options);
    if (n == 0)
        fail_deadlock();
    bool preempts = options[0] == current;
    unsigned next = choose_thread(options, n, !preempts || (!is_calm && preemptions < preemption_bound()));
    if (preempts && next != current) {
        preemptions++;
        note_preemption(next);
    }
    coroutines[next].gave_way = false;
    return next;
}

void explorer_calm(bool calm)
{
    is_calm = calm;
}

bool steps_commute(unsigned a, unsigned b)
{
    const struct thread *s = &coroutines[a].thread, *t = &coroutines[b].thread;
    return s->object != t->object || (s->op == OP_LOOK && t->op == OP_LOOK);
}

void point(enum op op, const void *object, bool (*can_go)(const struct thread *thread), const void *pc)
{
    struct coroutine *self = &coroutines[current];

    if (++steps > MAX_STEPS)
        fail(pc, "livelock: the run does not end within %u steps", steps - 1);
    self->thread.op = op;
    self->thread.object = object;
    self->thread.can_go = can_go;
    self->thread.pc = pc;
    struct coroutine *starter = self->starter;
    self->starter = NULL;
    switch_to(starter ? starter->thread.id : schedule());
}

void point_done(void)
{
    me()->clock.at[current]++;
}

void give_way(void)
{
    coroutines[current].gave_way = true;
    coroutines[current].changes_then = changes;
}

void count_change(void)
{
    changes++;
    me()->seen_times = 0;
}

/* ---- sleeping ---- */

static bool is_awake(const struct thread *thread)
{
    return !thread->asleep || thread->deadline != NEVER;
}

bool sleep_on(const void *object, uint64_t deadline, const void *pc)
{
    struct thread *self = me();

    self->asleep = true;
    self->deadline = deadline;
    point_done();
    point(OP_CHANGE, object, is_awake, pc);
    bool late = self->asleep;
    self->asleep = false;
    if (late && now < deadline)
        now = deadline;
    return late;
}

static bool sleeps_on(const struct coroutine *c, const void *object)
{
    return c->alive && c->thread.asleep && c->thread.object == object;
}

unsigned sleepers(const void *object)
{
    unsigned n = 0;

    for (unsigned i = 0; i < count; i++)
        n += sleeps_on(&coroutines[i], object);
    return n;
}

struct thread *sleeper(const void *object, unsigned index)
{
    unsigned i = 0;

    for (;; i++)
        if (sleeps_on(&coroutines[i], object) && index-- == 0)
            return &coroutines[i].thread;
}

void wake(struct thread *thread)
{
    thread->asleep = false;
}

/* ---- life ---- */

/* The thread has ended: the next one goes on, or the run is over. */
_Noreturn static void end(void)
{
    unsigned left = 0;

    coroutines[current].alive = false;
    for (unsigned i = 0; i < count; i++)
        left += coroutines[i].alive;
    struct coroutine *starter = coroutines[current].starter;
    if (left == 0)
        setcontext(&driver);
    switch_to(starter ? starter->thread.id : schedule());
    __builtin_unreachable();
}

static void run_coroutine(void)
{
    struct coroutine *self = &coroutines[current];

    note_thread(self->thread.id);
    self->result = self->start(self->arg);
    end();
}

static struct coroutine *coroutine_new(void *(*start)(void *), void *arg)
{
    if (count == MAX_THREADS)
        fail(NULL, "a model has at most %d threads", MAX_THREADS);
    struct coroutine *c = &coroutines[count];
    c->thread.id = count;
    c->thread.clock.at[count] = 1;
    c->start = start;
    c->arg = arg;
    c->alive = true;
    getcontext(&c->context);
    c->context.uc_stack.ss_sp = memory_stack(count, &c->context.uc_stack.ss_size);
    makecontext(&c->context, run_coroutine, 0);
    memcpy(locals_of(count), locals_of(MAX_THREADS), outside.locals_size);
    count++;
    return c;
}

static void *run_first(void *first)
{
    (*(void (**)(void))first)();
    return NULL;
}

void threads_run(void (*first)(void))
{
    now = CLOCK_START;
    coroutine_new(run_first, &first);
    memcpy(outside.locals_place, locals_of(0), outside.locals_size);
    swapcontext(&driver, &coroutines[0].context);
}

/* ---- what programs call ---- */

int explorer_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg);
int explorer_pthread_join(pthread_t thread, void **result);
pthread_t explorer_pthread_self(void);
int explorer_sched_yield(void);

/* The new thread runs at once up to its first step, which only then is there to choose. */
int explorer_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
    struct coroutine *c = coroutine_new(start, arg);

    (void)attr;
    *thread = c->thread.id + 1;
    clock_join(&c->thread.clock, &me()->clock);
    point_done();
    c->starter = &coroutines[current];
    tell(CALLER, "starts thread %u", c->thread.id);
    switch_to(c->thread.id);
    return 0;
}

static bool has_ended(const struct thread *thread)
{
    const struct coroutine *joined = thread->object;
    return !joined->alive;
}

int explorer_pthread_join(pthread_t thread, void **result)
{
    struct coroutine *c = &coroutines[thread - 1];

    if (c->joined)
        fail(CALLER, "misuse: thread %u is joined twice", c->thread.id);
    point(OP_LOOK, c, has_ended, CALLER);
    c->joined = true;
    clock_join(&me()->clock, &c->thread.clock);
    tell(CALLER, "joins thread %u", c->thread.id);
    if (result)
        *result = c->result;
    return 0;
}

pthread_t explorer_pthread_self(void)
{
    return current + 1;
}

int explorer_sched_yield(void)
{
    give_way();
    point(OP_LOOK, NULL, NULL, CALLER);
    return 0;
}

/* Rules about the reactor: descriptors, its turns, timers. */
#define _GNU_SOURCE /* EPOLLRDHUP */
#include "rules.h"

#include <sys/epoll.h>

static size_t now(const struct check *c)
{
    return c->m.at;
}

/* ---- registrations */

static bool registers(struct check *c, const struct event *ev, const struct model_registration *known)
{
    int fd = (int)ev->a;

    if (ev->kind == TRACE_REGISTER_BEGIN) /* for reading, and once more for writing, under the same number */
        return known && known->watched > 0 && (known->watched > 1 || known->number != ev->b) &&
               complain(c, now(c), model_task_of(&c->m, ev), "fd %d is registered while it is registered already", fd);
    return (int64_t)ev->b != c->m.threads[ev->thread].result &&
           complain(c, now(c), model_task_of(&c->m, ev),
                    "the registration of fd %d says %lld, but epoll_ctl returned "
                    "%lld",
                    fd, (long long)ev->b, (long long)c->m.threads[ev->thread].result);
}

static bool deregisters(struct check *c, const struct event *ev, const struct model_registration *known)
{
    if (!known || known->watched == 0)
        return complain(c, now(c), model_task_of(&c->m, ev), "fd %d is taken out of the reactor, but it is not in",
                        (int)ev->a);
    return known->number != ev->b && complain(c, now(c), model_task_of(&c->m, ev),
                                              "fd %d is taken out as another registration than it got", (int)ev->a);
}

static bool closes(struct check *c, const struct event *ev)
{
    const struct model_registration *known = model_registration(&c->m, (int32_t)ev->b);

    return ev->a == TRACE_CALL_CLOSE && known && known->watched > 0 &&
           complain(c, now(c), model_task_of(&c->m, ev), "fd %d is closed while the reactor still watches it",
                    (int)(int32_t)ev->b);
}

/* Inside a registration only the one system call that it is about. */
static bool adds_another(struct check *c, const struct event *ev)
{
    const struct model_frame *top = model_top(&c->m, ev->thread);

    if (!top || top->kind != TRACE_REGISTER_BEGIN)
        return false;
    bool more = model_registration(&c->m, (int32_t)top->a)->watched > 1;
    return (ev->a != TRACE_CALL_EPOLL_CTL || (uint32_t)ev->b != top->a ||
            ev->b >> 32 != (more ? EPOLL_CTL_MOD : EPOLL_CTL_ADD)) &&
           complain(c, now(c), model_task_of(&c->m, ev), "registering fd %d calls something else than epoll_ctl(%s)",
                    (int)top->a, more ? "modify" : "add");
}

static bool waits_unwatched(struct check *c, const struct event *ev)
{
    const struct model_registration *known = model_registration(&c->m, (int32_t)ev->b);

    return (ev->a == TRACE_SOURCE_READ || ev->a == TRACE_SOURCE_WRITE) && (!known || known->watched == 0) &&
           complain(c, now(c), model_task_of(&c->m, ev), "a waker is left with fd %d, which the reactor does not watch",
                    (int)(int32_t)ev->b);
}

RULE(rule_registration)
{
    const struct model_registration *known = model_registration(&c->m, (int32_t)ev->a);

    (void)task;
    switch (ev->kind) {
    case TRACE_WAIT:
        return waits_unwatched(c, ev);
    case TRACE_SYSCALL_BEGIN:
        return closes(c, ev) || adds_another(c, ev);
    case TRACE_READY:
        return (!known || known->watched == 0) &&
               complain(c, now(c), 0, "fd %d is ready, but the reactor does not watch it", (int)ev->a);
    case TRACE_DEREGISTER:
        return deregisters(c, ev, known);
    default:
        return registers(c, ev, known);
    }
}

/* ---- turns */

static bool turn_ends(struct check *c, const struct event *ev)
{
    const struct model_thread *thread = &c->m.threads[ev->thread];
    int64_t kernel = thread->turn.kernel_ready < 0 ? 0 : thread->turn.kernel_ready;
    bool nudged = kernel == (int64_t)ev->a + 1;
    bool shared = model_features(&c->m, ev->thread) & TRACE_HAS_STEALING; /* others close descriptors meanwhile */

    if (thread->turn.ready > ev->a || (thread->turn.ready < ev->a && !thread->turn.deregistered))
        return complain(c, now(c), 0, "the turn counts %u descriptors, but %u were ready", ev->a, thread->turn.ready);
    if (thread->turn.fired != ev->b)
        return complain(c, now(c), 0, "the turn counts %llu timers, but %u fired", (unsigned long long)ev->b,
                        thread->turn.fired);
    if (shared && kernel > (int64_t)ev->a)
        return false;
    if (nudged && c->m.nudges == c->m.unparks)
        return complain(c, now(c), 0,
                        "epoll_wait returned one event more than there were descriptors ready, and "
                        "nobody had nudged the reactor");
    return kernel != (int64_t)ev->a && !nudged &&
           complain(c, now(c), 0, "epoll_wait returned %lld events, but the turn counts %u descriptors",
                    (long long)kernel, ev->a);
}

#define READY_TO_READ  (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR)
#define READY_TO_WRITE (EPOLLOUT | EPOLLHUP | EPOLLERR)
#define READY_BITS     (READY_TO_READ | READY_TO_WRITE)

static bool ready_fits(const struct model_thread *thread, const struct event *ev)
{
    uint32_t bits = ev->a == TRACE_SOURCE_READ ? READY_TO_READ : READY_TO_WRITE;

    return thread->turn.ready > 0 && thread->turn.last_ready == (uint32_t)ev->b && (thread->turn.last_bits & bits);
}

/* The wait may be shorter than the turn allows, since a timer may be due; never longer. Its limit is in us. */
static bool waits_too_long(const struct model_frame *turn, const struct event *ev)
{
    int32_t limit = (int32_t)(ev->b >> 32);
    int64_t allowed = (int64_t)turn->b;

    return allowed >= 0 && (limit < 0 || limit > allowed / 1000);
}

RULE(rule_turn)
{
    const struct model_frame *top = model_top(&c->m, ev->thread);
    const struct model_thread *thread = &c->m.threads[ev->thread];
    bool in_turn = top && top->kind == TRACE_TURN_BEGIN;
    bool of_fd = ev->a == TRACE_SOURCE_READ || ev->a == TRACE_SOURCE_WRITE;

    (void)task;
    switch (ev->kind) {
    case TRACE_TURN_END:
        return turn_ends(c, ev);
    case TRACE_WAIT_END:
        return in_turn && of_fd && !ready_fits(thread, ev) &&
               complain(c, now(c), model_task_of(&c->m, ev),
                        "the reactor wakes who waits for fd %d, but the kernel "
                        "did not say that it is ready for that",
                        (int)(int32_t)ev->b);
    case TRACE_SYSCALL_BEGIN:
        return in_turn && ev->a == TRACE_CALL_EPOLL_WAIT && waits_too_long(top, ev) &&
               complain(c, now(c), 0, "epoll_wait may take longer than the turn that it is part of");
    default: /* READY */
        if (ev->b == 0 || ev->b & ~(uint64_t)READY_BITS)
            return complain(c, now(c), 0, "epoll has no event bits 0x%llx", (unsigned long long)ev->b);
        return !in_turn && complain(c, now(c), 0, "fd %d is found ready outside of a turn of the reactor", (int)ev->a);
    }
}

/* ---- timers */

/* Ticks are turned to nanoseconds with a rate that was measured, so a recording's times may be a little off. */
static bool fires_early(const struct check *c, const struct event *ev, uint64_t deadline)
{
    uint64_t at = c->rec->start_ns + ev->time;

    return at + ev->time / 2000 + 2000 < deadline;
}

RULE(rule_timers)
{
    const struct model_timer *timer = model_timer(&c->m, ev->a);
    bool pending = timer && timer->pending;
    uint32_t about = model_task_of(&c->m, ev);

    (void)task;
    if (ev->kind == TRACE_TIMER_ADD)
        return pending && complain(c, now(c), about, "timer %u is added while it is pending already", ev->a);
    if (!pending)
        return complain(c, now(c), about, "timer %u %s, but it is not pending", ev->a,
                        ev->kind == TRACE_TIMER_FIRE ? "fires" : "is cancelled");
    if (ev->kind == TRACE_TIMER_CANCEL)
        return false;
    if (ev->b != timer->deadline)
        return complain(c, now(c), about, "timer %u fires for another deadline than it was added with", ev->a);
    return fires_early(c, ev, ev->b) && complain(c, now(c), about, "timer %u fires %.1f us before its deadline", ev->a,
                                                 (double)(ev->b - c->rec->start_ns - ev->time) / 1e3);
}

/* Who is who where several workers run: whose a queue is, whose an epoll set, and which workers have no part in it. */
#include "diagram_survey.h"
#include "memory.h"

#include <stdlib.h>

/* ---- queues: one that several workers take from is the global one; any other is the worker's who takes from it, or who
 * fills it, if all that is in it is stolen */

static void meet(uint16_t *known, uint16_t thread)
{
    if (*known == 0)
        *known = thread;
    else if (*known != thread)
        *known = SURVEY_MANY;
}

static void queue_event(struct survey *s, const struct event *ev)
{
    if (ev->kind == TRACE_QUEUE_POP && ev->worker && ev->a < SURVEY_QUEUES)
        meet(&s->queue_taker[ev->a], ev->thread);
    if (ev->kind == TRACE_QUEUE_PUSH && ev->a < SURVEY_QUEUES)
        meet(&s->queue_filler[ev->a], ev->worker ? ev->thread : SURVEY_MANY);
    if (ev->kind == TRACE_QUEUE_STEAL && ev->b < SURVEY_QUEUES)
        meet(&s->queue_filler[ev->b], ev->thread);
}

void survey_queue_owners(struct survey *s, const struct recording *rec)
{
    for (size_t i = 0; i < rec->count; i++) {
        const struct event *ev = &rec->events[i];
        size_t next = s->next[i];

        queue_event(s, ev);
        if (ev->kind != TRACE_TASK_SPAWN || ev->worker || next == NO_EVENT)
            continue;
        const struct event *push = &rec->events[next];
        if (push->kind == TRACE_QUEUE_PUSH && push->a < SURVEY_QUEUES) /* a spawn from outside goes to all workers */
            s->queue_taker[push->a] = SURVEY_MANY;
    }
}

uint16_t survey_queue_owner(const struct survey *s, uint64_t queue)
{
    if (!s->workers || queue >= SURVEY_QUEUES)
        return 0;
    uint16_t owner = s->queue_taker[queue] ? s->queue_taker[queue] : s->queue_filler[queue];
    return owner == SURVEY_MANY ? 0 : owner;
}

/* ---- reactors: an epoll set, and the eventfd that was made next and ends its waits */

struct reactor_watch { /* while going forwards */
    uint16_t *of_fd;   /* [SURVEY_MAX_FD]: which reactor's descriptor it is at the moment: index and 1, or 0 */
    uint16_t *made;    /* [threads + 1]: the reactor that the thread made last and that has no eventfd yet, likewise */
    size_t *unpark;    /* [threads + 1]: its last UNPARK, TURN_BEGIN, SYSCALL_BEGIN, or NO_EVENT */
    size_t *turn;
    size_t *call;
};

static uint16_t *reactor_slot(struct reactor_watch *w, int64_t fd)
{
    static uint16_t ignored;

    ignored = 0;
    return fd >= 0 && fd < SURVEY_MAX_FD ? &w->of_fd[fd] : &ignored;
}

static uint16_t reactor_new(struct survey *s)
{
    if (s->epoll_count >= UINT16_MAX)
        return 0;
    s->epolls = memory_more(s->epolls, s->epoll_count, sizeof *s->epolls);
    s->epolls[s->epoll_count] = (struct survey_epoll){0, false};
    return (uint16_t)++s->epoll_count;
}

/* It is the thread's that sleeps in it; where nobody does, that of the first who looks. */
static void reactor_is_waited_in(struct survey *s, uint16_t reactor, const struct event *ev)
{
    struct survey_epoll *epoll = &s->epolls[reactor - 1];
    bool sleeps = call_second(ev) != 0;

    if (epoll->thread == 0 || (sleeps && !epoll->slept))
        epoll->thread = ev->thread;
    epoll->slept |= sleeps;
}

static void reactor_call_begins(struct survey *s, struct reactor_watch *w, const struct event *ev, size_t i)
{
    uint16_t *reactor = reactor_slot(w, call_first(ev));
    size_t unpark = w->unpark[ev->thread], turn = w->turn[ev->thread];

    w->call[ev->thread] = i;
    if (!*reactor)
        return;
    s->epoll_of[i] = *reactor;
    if (ev->a == TRACE_CALL_WRITE && unpark != NO_EVENT && s->next[unpark] == i)
        s->epoll_of[unpark] = *reactor;
    if (ev->a == TRACE_CALL_EPOLL_WAIT)
        reactor_is_waited_in(s, *reactor, ev);
    if (ev->a == TRACE_CALL_EPOLL_WAIT && turn != NO_EVENT)
        s->epoll_of[turn] = *reactor;
    if (ev->a == TRACE_CALL_CLOSE)
        *reactor = 0; /* whatever comes later is another descriptor of that number */
}

static void reactor_call_ends(struct survey *s, struct reactor_watch *w, const struct event *ev, size_t i)
{
    size_t begin = w->call[ev->thread];
    uint16_t *made = &w->made[ev->thread], reactor = 0;

    if (begin == NO_EVENT)
        return;
    if (ev->a == TRACE_CALL_EPOLL_CREATE && (int64_t)ev->b >= 0)
        reactor = *made = reactor_new(s);
    else if (ev->a == TRACE_CALL_EVENTFD && (int64_t)ev->b >= 0) {
        reactor = *made;
        *made = 0;
    }
    if (reactor)
        s->epoll_of[begin] = *reactor_slot(w, (int64_t)ev->b) = reactor;
    s->epoll_of[i] = s->epoll_of[begin];
}

void survey_epolls(struct survey *s, const struct recording *rec)
{
    size_t threads = (size_t)rec->threads + 1;
    struct reactor_watch w = {memory_array(SURVEY_MAX_FD, sizeof *w.of_fd), memory_array(threads, sizeof *w.made),
                              survey_no_events(threads), survey_no_events(threads), survey_no_events(threads)};

    for (size_t i = 0; i < rec->count; i++) {
        const struct event *ev = &rec->events[i];

        if (ev->kind == TRACE_UNPARK)
            w.unpark[ev->thread] = i;
        if (ev->kind == TRACE_TURN_BEGIN)
            w.turn[ev->thread] = i;
        if (ev->kind == TRACE_SYSCALL_BEGIN)
            reactor_call_begins(s, &w, ev, i);
        if (ev->kind == TRACE_SYSCALL_END)
            reactor_call_ends(s, &w, ev, i);
    }
    free(w.of_fd);
    free(w.made);
    free(w.unpark);
    free(w.turn);
    free(w.call);
}

uint16_t survey_epoll_owner(const struct survey *s, size_t event)
{
    return s->epoll_of[event] ? s->epolls[s->epoll_of[event] - 1].thread : 0;
}

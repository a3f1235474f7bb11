/* Who is who where several workers run: whose a queue is, whose an epoll set, and which workers have no part in it. */
#include "diagram_survey.h"
#include "memory.h"

#include <stdlib.h>
#include <sys/epoll.h>

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

/* ---- reactors: an epoll set, and the eventfd that ends its waits */

struct epoll_watch {  /* while going forwards */
    uint16_t *of_fd;  /* [SURVEY_MAX_FD]: which set's descriptor it is at the moment: index and 1, or 0 */
    uint16_t *newest; /* [threads + 1]: the set that the thread made last, likewise */
    size_t *unpark;   /* [threads + 1]: its last UNPARK, TURN_BEGIN, SYSCALL_BEGIN, or NO_EVENT */
    size_t *turn;
    size_t *call;
    struct map eventfds; /* eventfd -> the event that made it */
    uint16_t made;       /* sets since the runtime started */
};

static uint16_t *epoll_at(struct epoll_watch *w, int64_t fd)
{
    static uint16_t ignored;

    ignored = 0;
    return fd >= 0 && fd < SURVEY_MAX_FD ? &w->of_fd[fd] : &ignored;
}

static uint16_t epoll_new(struct survey *s, struct epoll_watch *w)
{
    if (s->epoll_count >= UINT16_MAX)
        return 0;
    s->epolls = memory_more(s->epolls, s->epoll_count, sizeof *s->epolls);
    s->epolls[s->epoll_count] = (struct survey_epoll){.worker = ++w->made};
    return (uint16_t)++s->epoll_count;
}

static void epoll_is_waited_in(struct survey *s, uint16_t set, const struct event *ev)
{
    struct survey_epoll *epoll = &s->epolls[set - 1];

    meet(&epoll->looker, ev->thread);
    if (call_second(ev) != 0)
        meet(&epoll->sleeper, ev->thread);
}

/* An eventfd is put into the set that it ends the waits of; and a set that holds others is a watch over them. */
static void epoll_is_filled(struct survey *s, struct epoll_watch *w, const struct event *ev)
{
    int32_t fd = call_first(ev);
    uint16_t *set = epoll_at(w, fd), newest = w->newest[ev->thread];

    if (!newest || call_second(ev) != EPOLL_CTL_ADD || fd < 0 || fd >= SURVEY_MAX_FD)
        return;
    if (s->is_eventfd[fd]) {
        size_t made = map_get(&w->eventfds, (uint32_t)fd);
        *set = newest;
        if (made != MAP_NONE)
            s->epoll_of[made] = s->epoll_of[s->next[made]] = newest;
    } else if (*set && *set != newest)
        s->epolls[newest - 1].watches = true;
}

static void epoll_call_begins(struct survey *s, struct epoll_watch *w, const struct event *ev, size_t i)
{
    uint16_t *set = epoll_at(w, call_first(ev));
    size_t unpark = w->unpark[ev->thread], turn = w->turn[ev->thread];
    bool waits = ev->a == TRACE_CALL_EPOLL_WAIT;

    w->call[ev->thread] = i;
    if (ev->a == TRACE_CALL_EPOLL_CTL)
        epoll_is_filled(s, w, ev);
    if (!*set)
        return;
    s->epoll_of[i] = *set;
    if (ev->a == TRACE_CALL_WRITE && unpark != NO_EVENT && s->next[unpark] == i)
        s->epoll_of[unpark] = *set;
    if (waits)
        epoll_is_waited_in(s, *set, ev);
    if (waits && turn != NO_EVENT && s->next[turn] == i)
        s->epoll_of[turn] = *set;
    if (ev->a == TRACE_CALL_CLOSE)
        *set = 0; /* whatever comes later is another descriptor of that number */
}

static void epoll_call_ends(struct survey *s, struct epoll_watch *w, const struct event *ev, size_t i)
{
    size_t begin = w->call[ev->thread];

    if (begin == NO_EVENT)
        return;
    if (ev->a == TRACE_CALL_EPOLL_CREATE && (int64_t)ev->b >= 0)
        s->epoll_of[begin] = *epoll_at(w, (int64_t)ev->b) = w->newest[ev->thread] = epoll_new(s, w);
    if (ev->a == TRACE_CALL_EVENTFD && (int64_t)ev->b >= 0 && ev->b < SURVEY_MAX_FD)
        map_put(&w->eventfds, ev->b, (uint32_t)begin);
    s->epoll_of[i] = s->epoll_of[begin];
}

static void epoll_event(struct survey *s, struct epoll_watch *w, const struct event *ev, size_t i)
{
    if (ev->kind == TRACE_RUNTIME)
        w->made = 0;
    if (ev->kind == TRACE_UNPARK)
        w->unpark[ev->thread] = i;
    if (ev->kind == TRACE_TURN_BEGIN)
        w->turn[ev->thread] = i;
    if (ev->kind == TRACE_SYSCALL_BEGIN)
        epoll_call_begins(s, w, ev, i);
    if (ev->kind == TRACE_SYSCALL_END)
        epoll_call_ends(s, w, ev, i);
}

static uint16_t thread_of_worker(const struct recording *rec, uint16_t worker)
{
    for (uint32_t t = 1; t <= rec->threads; t++)
        if (rec->thread_workers[t] == worker)
            return (uint16_t)t;
    return 0;
}

/* Whose a set is: of the only one who sleeps in it; if several do, of nobody. Where nobody sleeps, as idle workers watch
 * over all sets at once, reactors are made in the order of the workers. */
static void epolls_own(struct survey *s, const struct recording *rec)
{
    for (size_t i = 0; i < s->epoll_count; i++) {
        struct survey_epoll *epoll = &s->epolls[i];

        epoll->thread = epoll->sleeper;
        if (!epoll->thread && s->workers)
            epoll->thread = thread_of_worker(rec, epoll->worker);
        if (!epoll->thread)
            epoll->thread = epoll->looker;
        if (epoll->thread == SURVEY_MANY || epoll->watches)
            epoll->thread = 0;
    }
}

void survey_epolls(struct survey *s, const struct recording *rec)
{
    size_t threads = (size_t)rec->threads + 1;
    struct epoll_watch w = {.of_fd = memory_array(SURVEY_MAX_FD, sizeof *w.of_fd),
                            .newest = memory_array(threads, sizeof *w.newest),
                            .unpark = survey_no_events(threads),
                            .turn = survey_no_events(threads),
                            .call = survey_no_events(threads)};

    for (size_t i = 0; i < rec->count; i++)
        epoll_event(s, &w, &rec->events[i], i);
    epolls_own(s, rec);
    map_free(&w.eventfds);
    free(w.of_fd);
    free(w.newest);
    free(w.unpark);
    free(w.turn);
    free(w.call);
}

uint16_t survey_epoll_owner(const struct survey *s, size_t event)
{
    return s->epoll_of[event] ? s->epolls[s->epoll_of[event] - 1].thread : 0;
}

bool survey_epoll_watches(const struct survey *s, size_t event)
{
    return s->epoll_of[event] && s->epolls[s->epoll_of[event] - 1].watches;
}

#include "diagram_survey.h"

#include "memory.h"

#include <stdlib.h>
#include <sys/epoll.h>

enum { FEW_FUTURES = 6 };

int32_t call_first(const struct event *ev)
{
    return (int32_t)(uint32_t)ev->b;
}

int32_t call_second(const struct event *ev)
{
    return (int32_t)(uint32_t)(ev->b >> 32);
}

struct survey_future *survey_future(const struct survey *s, uint64_t number)
{
    return number < s->future_count ? &s->futures[number] : NULL;
}

size_t survey_task(const struct survey *s, uint32_t task)
{
    return task < s->task_count ? task : 0;
}

uint64_t survey_future_column(const struct survey *s, uint64_t number)
{
    const struct survey_future *f = survey_future(s, number);

    if (!f || f->task || (!f->root && s->has_tasks))
        return 0;
    return s->nested && f->root ? f->root : number;
}

/* Numbers of futures and tasks are the program's; those beyond the number of events are not worth an array. */
static void survey_count_futures(struct survey *s, const struct recording *rec)
{
    for (size_t i = 0; i < rec->count; i++) {
        const struct event *ev = &rec->events[i];
        bool names_future = (ev->kind >= TRACE_FUTURE_NEW && ev->kind <= TRACE_FUTURE_DROP) ||
                            ev->kind == TRACE_TASK_SPAWN;
        if (names_future && ev->b <= rec->count && ev->b >= s->future_count)
            s->future_count = ev->b + 1;
    }
    s->futures = memory_array(s->future_count, sizeof *s->futures);
}

struct inside { /* what a thread is in the middle of */
    uint32_t task;
    uint64_t root;
    size_t depth;
};

static void survey_poll_of_future(struct survey *s, const struct event *ev, const struct inside *inside)
{
    struct survey_future *f = survey_future(s, ev->b);

    if (!f)
        return;
    if (inside->task)
        f->task = f->task ? f->task : inside->task;
    else
        f->root = inside->root ? inside->root : ev->b;
}

/* Polls of futures nest; the outermost is the root of all inside it. */
static void survey_nesting(const struct event *ev, struct inside *inside)
{
    if (ev->kind == TRACE_FUTURE_POLL_BEGIN && inside->depth++ == 0)
        inside->root = ev->b;
    if (ev->kind == TRACE_FUTURE_POLL_END && inside->depth > 0 && --inside->depth == 0)
        inside->root = 0;
}

static uint16_t survey_type(const struct recording *rec, const struct event *ev)
{
    return ev->a <= rec->site_count ? (uint16_t)ev->a : 0;
}

/* Where there are workers, other threads only wait for them. */
static void survey_executes(struct survey *s, const struct event *ev)
{
    s->executes[ev->thread] |= ev->worker || !s->workers;
}

static void survey_event(struct survey *s, const struct recording *rec, const struct event *ev, struct inside *inside)
{
    struct survey_future *f = survey_future(s, ev->b);

    switch (ev->kind) {
    case TRACE_FUTURE_NEW:
        if (f)
            f->type = survey_type(rec, ev);
        break;
    case TRACE_TASK_SPAWN:
        s->has_tasks = true;
        s->task_types[survey_task(s, ev->task)] = survey_type(rec, ev);
        if (f)
            f->task = ev->task;
        break;
    case TRACE_FUTURE_POLL_BEGIN:
        survey_poll_of_future(s, ev, inside);
        break;
    case TRACE_RUNTIME:
        s->workers |= (ev->b & TRACE_HAS_WORKERS) != 0;
        break;
    case TRACE_TASK_POLL_BEGIN:
        survey_executes(s, ev);
        inside->task = ev->task;
        break;
    case TRACE_TASK_POLL_END:
        inside->task = 0;
        break;
    case TRACE_QUEUE_POP:
    case TRACE_PARK_BEGIN:
    case TRACE_BLOCK_ON_BEGIN:
    case TRACE_RUN_BEGIN:
        survey_executes(s, ev);
        break;
    case TRACE_WAIT_END:
        if (ev->a == TRACE_SOURCE_THREAD && !s->executes[ev->thread]) /* there, a task takes its waker back */
            map_put(&s->helpers, ev->b, ev->thread);
        break;
    case TRACE_TURN_BEGIN:
        s->turns[ev->thread] = true;
        break;
    case TRACE_SYSCALL_END:
        if (ev->a == TRACE_CALL_EVENTFD && ev->b < SURVEY_MAX_FD)
            s->is_eventfd[ev->b] = true;
        break;
    default:
        break;
    }
}

static size_t survey_columns(const struct survey *s)
{
    size_t columns = 0;

    for (size_t i = 1; i < s->future_count; i++)
        columns += survey_future_column(s, i) == i;
    return columns;
}

/* A few futures have a column each; of many, only those that nobody but the program polls. */
static void survey_future_columns(struct survey *s)
{
    s->future_actors = survey_columns(s);
    s->nested = s->future_actors > FEW_FUTURES;
    if (s->nested)
        s->future_actors = survey_columns(s);
}

/* Futures of one type that are drawn in one column, their own or their task's, have this key in common; 0: no column. */
static uint64_t future_key(const struct survey *s, uint64_t number)
{
    const struct survey_future *f = survey_future(s, number);
    uint64_t column = survey_future_column(s, number);

    if (f && f->task)
        return (uint64_t)1 << 63 | (uint64_t)f->task << 16 | f->type;
    return column ? column << 16 | f->type : 0;
}

/* Finds out which of them are alive at the same time. One that is ready is over before it is dropped. */
static void survey_alike(struct survey *s, const struct recording *rec)
{
    struct map alive = {0};

    for (size_t i = 0; i < rec->count; i++) {
        const struct event *ev = &rec->events[i];
        struct survey_future *f = survey_future(s, ev->b);
        bool begins = ev->kind == TRACE_FUTURE_NEW;
        bool ends = ev->kind == TRACE_FUTURE_DROP || (ev->kind == TRACE_FUTURE_POLL_END && ev->a == 1);
        uint64_t key = begins || ends ? future_key(s, ev->b) : 0;
        if (!key || begins == f->alive)
            continue;
        uint32_t others = map_get(&alive, key);
        others = others == MAP_NONE ? 0 : others;
        if (begins && others > 0)
            map_put(&s->alike, key, 1);
        map_put(&alive, key, begins ? others + 1 : others - 1);
        f->alive = begins;
    }
    map_free(&alive);
}

bool survey_future_alike(const struct survey *s, uint64_t number)
{
    return map_get(&s->alike, future_key(s, number)) != MAP_NONE;
}

static void survey_forwards(struct survey *s, const struct recording *rec)
{
    struct inside *inside = memory_array(rec->threads + 1, sizeof *inside);

    for (size_t i = 0; i < rec->count; i++) {
        survey_event(s, rec, &rec->events[i], &inside[rec->events[i].thread]);
        survey_nesting(&rec->events[i], &inside[rec->events[i].thread]);
    }
    free(inside);
    survey_future_columns(s);
    survey_alike(s, rec);
    for (uint32_t t = 1; t <= rec->threads; t++) {
        s->executors += s->executes[t];
        s->reactors += s->turns[t];
        s->helper_actors += t > 1 && !s->executes[t];
    }
}

struct upcoming {     /* while going backwards: what comes next */
    size_t *event;    /* [threads + 1]: any event of that thread */
    size_t *call_end; /* [threads + 1]: the end of a system call */
    size_t *input;    /* [SURVEY_MAX_FD]: a call that takes bytes or a connection from this descriptor */
    size_t *output;   /* [SURVEY_MAX_FD]: one that gives some */
};

size_t *survey_no_events(size_t count)
{
    size_t *array = memory_array(count, sizeof *array);

    for (size_t i = 0; i < count; i++)
        array[i] = NO_EVENT;
    return array;
}

static void survey_call_begin(struct upcoming *up, const struct event *ev, size_t i)
{
    int32_t fd = call_first(ev);

    if (fd < 0 || fd >= SURVEY_MAX_FD)
        return;
    switch (ev->a) {
    case TRACE_CALL_RECV:
    case TRACE_CALL_READ:
    case TRACE_CALL_ACCEPT:
        up->input[fd] = i;
        break;
    case TRACE_CALL_SEND:
    case TRACE_CALL_WRITE:
    case TRACE_CALL_CONNECT:
    case TRACE_CALL_GETSOCKOPT:
        up->output[fd] = i;
        break;
    case TRACE_CALL_CLOSE: /* whatever comes later is another descriptor of that number */
        up->input[fd] = up->output[fd] = NO_EVENT;
        break;
    default:
        break;
    }
}

static void survey_event_backwards(struct survey *s, struct upcoming *up, const struct event *ev, size_t i)
{
    s->next[i] = up->event[ev->thread];
    s->ahead[i] = NO_EVENT;
    up->event[ev->thread] = i;
    if (ev->kind == TRACE_SYSCALL_END) {
        up->call_end[ev->thread] = i;
    } else if (ev->kind == TRACE_SYSCALL_BEGIN) {
        s->ahead[i] = up->call_end[ev->thread];
        up->call_end[ev->thread] = NO_EVENT;
        survey_call_begin(up, ev, i);
    } else if (ev->kind == TRACE_READY && ev->a < SURVEY_MAX_FD) {
        s->ahead[i] = ev->b & EPOLLIN || !(ev->b & EPOLLOUT) ? up->input[ev->a] : up->output[ev->a];
    }
}

static void survey_backwards(struct survey *s, const struct recording *rec)
{
    struct upcoming up = {survey_no_events(rec->threads + 1), survey_no_events(rec->threads + 1),
                          survey_no_events(SURVEY_MAX_FD), survey_no_events(SURVEY_MAX_FD)};

    for (size_t i = rec->count; i-- > 0;)
        survey_event_backwards(s, &up, &rec->events[i], i);
    free(up.event);
    free(up.call_end);
    free(up.input);
    free(up.output);
}

static void survey_queues(struct survey *s, const struct recording *rec)
{
    for (size_t i = 0; i < rec->count; i++) {
        const struct event *ev = &rec->events[i];
        if (ev->kind != TRACE_QUEUE_POP || !ev->task || ev->a >= SURVEY_QUEUES || s->next[i] == NO_EVENT)
            continue;
        unsigned next = rec->events[s->next[i]].kind;
        s->runs[ev->a] |= next == TRACE_TASK_POLL_BEGIN || next == TRACE_TASK_CANCELLED;
        s->forwards[ev->a] |= next == TRACE_QUEUE_PUSH;
    }
}

void survey_make(struct survey *s, const struct recording *rec)
{
    *s = (struct survey){0};
    s->task_count = rec->tasks <= rec->count ? (size_t)rec->tasks + 1 : rec->count + 1;
    s->task_types = memory_array(s->task_count, sizeof *s->task_types);
    s->executes = memory_array(rec->threads + 1, sizeof *s->executes);
    s->turns = memory_array(rec->threads + 1, sizeof *s->turns);
    s->runs = memory_array(SURVEY_QUEUES, sizeof *s->runs);
    s->forwards = memory_array(SURVEY_QUEUES, sizeof *s->forwards);
    s->is_eventfd = memory_array(SURVEY_MAX_FD, sizeof *s->is_eventfd);
    s->next = memory_array(rec->count, sizeof *s->next);
    s->ahead = memory_array(rec->count, sizeof *s->ahead);
    s->queue_taker = memory_array(SURVEY_QUEUES, sizeof *s->queue_taker);
    s->queue_filler = memory_array(SURVEY_QUEUES, sizeof *s->queue_filler);
    s->epoll_of = memory_array(rec->count, sizeof *s->epoll_of);
    survey_count_futures(s, rec);
    survey_forwards(s, rec);
    survey_backwards(s, rec);
    survey_queues(s, rec);
    survey_queue_owners(s, rec);
    survey_epolls(s, rec);
}

void survey_free(struct survey *s)
{
    free(s->futures);
    free(s->task_types);
    free(s->executes);
    free(s->turns);
    free(s->runs);
    free(s->forwards);
    map_free(&s->helpers);
    map_free(&s->alike);
    free(s->is_eventfd);
    free(s->next);
    free(s->ahead);
    free(s->queue_taker);
    free(s->queue_filler);
    free(s->epolls);
    free(s->epoll_of);
}

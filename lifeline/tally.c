#include "tally.h"

#include "memory.h"

#include <stdlib.h>

struct delay {
    uint32_t task; /* index */
    uint64_t ns;
};

struct running_poll {
    uint64_t begun;
    bool effect;
};

struct count { /* a tally in the making */
    struct tally *tally;
    const struct recording *rec;
    struct model m;
    uint64_t long_poll;
    struct running_poll *polls; /* [threads + 1] */
    uint64_t *slept_from;       /* [threads + 1] */
    uint64_t *called_at;        /* [threads + 1] */
    struct delay *delays;
    size_t delay_count;
};

/* A poll that did one of these got somewhere; so did one that made a system call which did not fail. */
static bool is_effect(const struct event *ev)
{
    switch (ev->kind) {
    case TRACE_FUTURE_NEW:
    case TRACE_FUTURE_DROP:
    case TRACE_TASK_SPAWN:
    case TRACE_TASK_ABORT:
    case TRACE_JOIN:
    case TRACE_NOTE:
    case TRACE_WAIT:
    case TRACE_REGISTER_BEGIN:
    case TRACE_DEREGISTER:
    case TRACE_TIMER_ADD:
    case TRACE_TIMER_CANCEL:
    case TRACE_GUARD_ACQUIRE:
        return true;
    case TRACE_FUTURE_POLL_END:
        return ev->a == 1;
    case TRACE_SYSCALL_END:
        return (int64_t)ev->b >= 0;
    default:
        return false;
    }
}

static struct tally_task *task_of(struct count *c, uint32_t number)
{
    uint32_t index = map_get(&c->m.task_map, number);

    return index == MAP_NONE ? NULL : &c->tally->tasks[index];
}

static void spawned(struct count *c, const struct event *ev)
{
    struct tally *tally = c->tally;

    tally->tasks = memory_more(tally->tasks, tally->task_count, sizeof *tally->tasks);
    tally->tasks[tally->task_count++] = (struct tally_task){
        .number = ev->task,
        .spawned = c->m.at,
        .last_poll = c->m.at,
        .born = ev->time,
    };
}

static void poll_begins(struct count *c, const struct event *ev, struct tally_task *task)
{
    const struct model_task *known = model_task(&c->m, ev->task);

    c->polls[ev->thread] = (struct running_poll){.begun = ev->time};
    task->polls++;
    task->last_poll = c->m.at;
    c->tally->threads[ev->thread].polls++;
    if (!known->woken || known->last_woken == known->spawned)
        return;
    c->delays = memory_more(c->delays, c->delay_count, sizeof *c->delays);
    c->delays[c->delay_count++] = (struct delay){
        (uint32_t)(task - c->tally->tasks),
        ev->time - c->rec->events[known->last_woken].time,
    };
}

static void remark(struct count *c, enum tally_remark_kind kind, const struct event *ev, uint64_t value)
{
    struct tally *tally = c->tally;

    tally->remarks = memory_more(tally->remarks, tally->remark_count, sizeof *tally->remarks);
    tally->remarks[tally->remark_count++] = (struct tally_remark){
        .kind = kind, .event = c->m.at, .task = ev->task, .value = value};
}

/* In a queue of the thread's own, or in one that it shares with other workers. */
static bool others_queued(const struct count *c, uint32_t thread)
{
    for (uint32_t i = 0; i < c->m.queue_count; i++) {
        const struct model_queue *queue = &c->m.queues[i];

        if (queue->length > 0 && (queue->popped_by == thread || queue->shared))
            return true;
    }
    return false;
}

static void poll_ends(struct count *c, const struct event *ev, struct tally_task *task)
{
    const struct running_poll *poll = &c->polls[ev->thread];
    uint64_t lasted = ev->time - poll->begun;

    task->busy += lasted;
    c->tally->threads[ev->thread].busy += lasted;
    if (ev->b) {
        task->done = true;
        task->ended = ev->time;
    } else if (!poll->effect && task->polls > 1) {
        task->wasted++;
    }
    if (lasted >= c->long_poll && others_queued(c, ev->thread))
        remark(c, REMARK_LONG_POLL, ev, lasted);
    if (!ev->b && model_task(&c->m, ev->task)->guards > 0)
        remark(c, REMARK_GUARD, ev, model_task(&c->m, ev->task)->last_guard);
    else if (!ev->b && c->m.threads[ev->thread].guards > 0)
        remark(c, REMARK_GUARD, ev, c->m.threads[ev->thread].last_guard);
}

/* A wake that changes the state is not coalesced. Nor is the first by which a task that a worker holds wakes itself. */
static void woken(struct count *c, const struct event *ev, struct tally_task *task)
{
    const struct model_frame *poll = model_inside(&c->m, ev->thread, TRACE_TASK_POLL_BEGIN);
    bool by_itself = poll && poll->task == ev->task;
    bool holds = by_itself && states_after(ev->a) == TRACE_STATE_RUNNING && !model_task(&c->m, ev->task)->woken;

    c->tally->threads[ev->thread].wakes++;
    if (states_before(ev->a) == states_after(ev->a) && !holds)
        return;
    task->wakes++;
    task->self_wakes += by_itself;
}

/* A worker may also move a task out of a queue of its own, to make room. */
static bool is_theft(const struct count *c, const struct event *ev)
{
    const struct model_queue *from = model_queue(&c->m, ev->a);

    if (!from || !from->popped_by)
        return model_task(&c->m, ev->task)->pushed_by != ev->thread;
    return from->popped_by != ev->thread;
}

static void count_task(struct count *c, const struct event *ev, struct tally_task *task)
{
    switch (ev->kind) {
    case TRACE_TASK_POLL_BEGIN:
        poll_begins(c, ev, task);
        break;
    case TRACE_TASK_POLL_END:
        poll_ends(c, ev, task);
        break;
    case TRACE_TASK_CANCELLED:
        task->done = true;
        task->ended = ev->time;
        break;
    case TRACE_WAKE_END:
        woken(c, ev, task);
        break;
    case TRACE_QUEUE_STEAL:
        c->tally->threads[ev->thread].steals += is_theft(c, ev);
        break;
    }
}

static void call_ends(struct count *c, const struct event *ev)
{
    struct tally_call *call = &c->tally->calls[ev->a < TALLY_CALLS ? ev->a : 0];

    call->count++;
    call->failed += (int64_t)ev->b < 0;
    call->time += ev->time - c->called_at[ev->thread];
}

static void count_thread(struct count *c, const struct event *ev)
{
    struct tally_thread *thread = &c->tally->threads[ev->thread];
    bool parked = model_inside(&c->m, ev->thread, TRACE_PARK_BEGIN);
    bool may_sleep = !parked && (ev->a == TRACE_CALL_EPOLL_WAIT || ev->a == TRACE_CALL_FUTEX_WAIT);
    bool waits = ev->kind == TRACE_SYSCALL_BEGIN && may_sleep;
    bool waited = ev->kind == TRACE_SYSCALL_END && may_sleep;

    if (thread->events++ == 0)
        thread->from = ev->time;
    thread->to = ev->time;
    c->polls[ev->thread].effect |= is_effect(ev);
    if (ev->kind == TRACE_PARK_BEGIN || waits)
        c->slept_from[ev->thread] = ev->time;
    if (ev->kind == TRACE_PARK_END || waited)
        thread->asleep += ev->time - c->slept_from[ev->thread];
    if (ev->kind == TRACE_SYSCALL_BEGIN)
        c->called_at[ev->thread] = ev->time;
    if (ev->kind == TRACE_SYSCALL_END)
        call_ends(c, ev);
}

static void count_event(struct count *c)
{
    const struct event *ev = &c->rec->events[c->m.at];
    struct tally_task *task = ev->task ? task_of(c, ev->task) : NULL;

    count_thread(c, ev);
    if (ev->kind == TRACE_TASK_SPAWN)
        spawned(c, ev);
    else if (task)
        count_task(c, ev, task);
    model_step(&c->m);
}

/* ---- the sum */

static int delay_compare_ns(const void *left, const void *right)
{
    const struct delay *a = left, *b = right;

    return (a->ns > b->ns) - (a->ns < b->ns);
}

static int delay_compare(const void *left, const void *right)
{
    const struct delay *a = left, *b = right;

    if (a->task != b->task)
        return a->task < b->task ? -1 : 1;
    return delay_compare_ns(left, right);
}

static struct tally_delays delays_of(const struct delay *sorted, size_t count)
{
    if (count == 0)
        return (struct tally_delays){0};
    return (struct tally_delays){sorted[(count - 1) / 2].ns, sorted[(count * 99 + 99) / 100 - 1].ns,
                                 sorted[count - 1].ns, count};
}

static void sum_delays(struct count *c)
{
    if (c->delay_count == 0)
        return;
    qsort(c->delays, c->delay_count, sizeof *c->delays, delay_compare_ns);
    c->tally->delays = delays_of(c->delays, c->delay_count);
    qsort(c->delays, c->delay_count, sizeof *c->delays, delay_compare);
    for (size_t from = 0, i = 1; i <= c->delay_count; i++)
        if (i == c->delay_count || c->delays[i].task != c->delays[from].task) {
            c->tally->tasks[c->delays[from].task].delays = delays_of(c->delays + from, i - from);
            from = i;
        }
}

static void sum_tasks(struct count *c)
{
    uint64_t end = c->rec->count ? c->rec->events[c->rec->count - 1].time : 0;

    for (uint32_t i = 0; i < c->tally->task_count; i++) {
        c->tally->tasks[i].runtime = c->m.tasks[i].runtime;
        if (!c->tally->tasks[i].done)
            c->tally->tasks[i].ended = end;
    }
}

void tally_run(struct tally *tally, const struct recording *rec, uint64_t long_poll)
{
    size_t threads = (size_t)rec->threads + 1;
    struct count c = {.tally = tally, .rec = rec, .long_poll = long_poll};

    *tally = (struct tally){0};
    tally->threads = memory_array(threads, sizeof *tally->threads);
    c.polls = memory_array(threads, sizeof *c.polls);
    c.slept_from = memory_array(threads, sizeof *c.slept_from);
    c.called_at = memory_array(threads, sizeof *c.called_at);
    model_init(&c.m, rec);
    while (c.m.at < rec->count)
        count_event(&c);
    sum_delays(&c);
    sum_tasks(&c);
    model_free(&c.m);
    free(c.polls);
    free(c.slept_from);
    free(c.called_at);
    free(c.delays);
}

void tally_free(struct tally *tally)
{
    free(tally->tasks);
    free(tally->threads);
    free(tally->remarks);
}

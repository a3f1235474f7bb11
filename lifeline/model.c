#include "model.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

/* ---- looking things up */

static uint64_t source_key(uint32_t source, uint64_t number)
{
    return number << 8 ^ source;
}

struct model_task *model_task(const struct model *m, uint32_t number)
{
    uint32_t index = map_get(&m->task_map, number);

    return index == MAP_NONE ? NULL : &m->tasks[index];
}

struct model_future *model_future(const struct model *m, uint64_t number)
{
    uint32_t index = map_get(&m->future_map, number);

    return index == MAP_NONE ? NULL : &m->futures[index];
}

struct model_queue *model_queue(const struct model *m, uint32_t number)
{
    uint32_t index = map_get(&m->queue_map, number);

    return index == MAP_NONE ? NULL : &m->queues[index];
}

struct model_registration *model_registration(const struct model *m, int32_t fd)
{
    uint32_t index = map_get(&m->registration_map, (uint32_t)fd);

    return index == MAP_NONE ? NULL : &m->registrations[index];
}

struct model_timer *model_timer(const struct model *m, uint32_t number)
{
    uint32_t index = map_get(&m->timer_map, number);

    return index == MAP_NONE ? NULL : &m->timers[index];
}

struct model_lock *model_lock(const struct model *m, uint64_t number)
{
    uint32_t index = map_get(&m->lock_map, number);

    return index == MAP_NONE ? NULL : &m->locks[index];
}

struct model_wait *model_wait(const struct model *m, uint32_t source, uint64_t number)
{
    struct model_wait *oldest = NULL;

    for (uint32_t i = map_get(&m->wait_map, source_key(source, number)); i != MAP_NONE; i = m->waits[i].older)
        if (!m->waits[i].over)
            oldest = &m->waits[i];
    return oldest;
}

struct model_runtime *model_runtime_of(const struct model *m, uint32_t thread)
{
    uint32_t index = m->threads[thread].runtime;

    for (uint32_t i = m->runtime_count; index == MAP_NONE && i-- > 0;)
        if (m->runtimes[i].ended == NO_EVENT)
            index = i; /* a thread that made no runtime works for the newest */
    return index == MAP_NONE ? NULL : &m->runtimes[index];
}

uint64_t model_features(const struct model *m, uint32_t thread)
{
    const struct model_runtime *runtime = model_runtime_of(m, thread);

    return runtime ? runtime->features : 0;
}

uint64_t model_task_features(const struct model *m, const struct model_task *task)
{
    return task->runtime == MAP_NONE ? 0 : m->runtimes[task->runtime].features;
}

const struct model_frame *model_top(const struct model *m, uint32_t thread)
{
    const struct model_thread *t = &m->threads[thread];

    return t->depth ? &t->frames[t->depth - 1] : NULL;
}

const struct model_frame *model_inside(const struct model *m, uint32_t thread, enum trace_kind begin)
{
    const struct model_thread *t = &m->threads[thread];

    for (size_t i = t->depth; i-- > 0;)
        if (t->frames[i].kind == begin)
            return &t->frames[i];
    return NULL;
}

uint32_t model_task_of(const struct model *m, const struct event *ev)
{
    const struct model_frame *poll = ev->task ? NULL : model_inside(m, ev->thread, TRACE_TASK_POLL_BEGIN);

    return poll ? poll->task : ev->task;
}

static const uint16_t pairs[][2] = {
    {TRACE_FUTURE_POLL_BEGIN, TRACE_FUTURE_POLL_END},
    {TRACE_TASK_POLL_BEGIN, TRACE_TASK_POLL_END},
    {TRACE_BLOCK_ON_BEGIN, TRACE_BLOCK_ON_END},
    {TRACE_RUN_BEGIN, TRACE_RUN_END},
    {TRACE_WAKE_BEGIN, TRACE_WAKE_END},
    {TRACE_PARK_BEGIN, TRACE_PARK_END},
    {TRACE_REGISTER_BEGIN, TRACE_REGISTER_END},
    {TRACE_TURN_BEGIN, TRACE_TURN_END},
    {TRACE_SYSCALL_BEGIN, TRACE_SYSCALL_END},
};

unsigned kind_end_of(unsigned begin)
{
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (pairs[i][0] == begin)
            return pairs[i][1];
    return 0;
}

unsigned kind_begin_of(unsigned end)
{
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (pairs[i][1] == end)
            return pairs[i][0];
    return 0;
}

/* Where workers steal, a push may move other tasks on: out of a LIFO slot, or out of a queue that is full. */
static bool moves_a_task(const struct model *m, const struct event *ev)
{
    bool moves = ev->kind == TRACE_QUEUE_PUSH || ev->kind == TRACE_QUEUE_STEAL ||
                 (ev->kind == TRACE_QUEUE_POP && ev->task);

    return moves && (model_features(m, ev->thread) & TRACE_HAS_STEALING);
}

bool model_allows(const struct model *m, const struct model_frame *frame, const struct event *ev)
{
    unsigned kind = ev->kind;

    if (kind == TRACE_NOTE)
        return true;
    switch (frame->kind) {
    case TRACE_SYSCALL_BEGIN:
        return false;
    case TRACE_PARK_BEGIN:
    case TRACE_REGISTER_BEGIN:
        return kind == TRACE_SYSCALL_BEGIN;
    case TRACE_WAKE_BEGIN:
        return kind == TRACE_SYSCALL_BEGIN || kind == TRACE_UNPARK ||
               (kind == TRACE_QUEUE_PUSH && ev->task == frame->task) || moves_a_task(m, ev);
    case TRACE_TURN_BEGIN:
        return kind != TRACE_TASK_POLL_BEGIN && kind != TRACE_TURN_BEGIN && kind != TRACE_PARK_BEGIN &&
               (kind != TRACE_QUEUE_POP || moves_a_task(m, ev));
    case TRACE_TASK_POLL_BEGIN:
    case TRACE_FUTURE_POLL_BEGIN:
        return kind != TRACE_TASK_POLL_BEGIN && kind != TRACE_PARK_BEGIN &&
               (kind != TRACE_QUEUE_POP || moves_a_task(m, ev));
    default:
        return true;
    }
}

/* ---- new things */

#define ADD(array, count) ((array) = memory_more(array, count, sizeof *(array)), &(array)[(count)++])

static struct model_queue *queue_get(struct model *m, uint32_t number)
{
    struct model_queue *queue = model_queue(m, number);

    if (queue)
        return queue;
    queue = ADD(m->queues, m->queue_count);
    *queue = (struct model_queue){.number = number};
    map_put(&m->queue_map, number, m->queue_count - 1);
    return queue;
}

static void add_runtime(struct model *m, const struct event *ev)
{
    *ADD(m->runtimes, m->runtime_count) = (struct model_runtime){
        .stage = ev->a,
        .features = ev->b,
        .began = m->at,
        .ended = NO_EVENT,
        .thread = ev->thread,
    };
    m->threads[ev->thread].runtime = m->runtime_count - 1;
}

/* A worker belongs to the runtime that starts it. */
static void add_thread(struct model *m, const struct event *ev)
{
    struct model_thread *thread = &m->threads[ev->thread];
    const struct model_runtime *runtime = ev->worker ? model_runtime_of(m, ev->thread) : NULL;

    thread->introduced = true;
    if (runtime)
        thread->runtime = (uint32_t)(runtime - m->runtimes);
}

static bool runtime_has_tasks(const struct model *m, const struct model_runtime *runtime)
{
    for (uint32_t i = 0; i < m->task_count; i++)
        if (m->tasks[i].ended == NO_EVENT && m->tasks[i].runtime == (uint32_t)(runtime - m->runtimes))
            return true;
    return false;
}

/* The one that a RUNTIME_END means: the thread's newest, or else an older one of its that has no tasks left. */
static struct model_runtime *ending_runtime(const struct model *m, uint32_t thread)
{
    struct model_runtime *newest = model_runtime_of(m, thread);

    for (uint32_t i = m->runtime_count; newest && i-- > 0;) {
        struct model_runtime *runtime = &m->runtimes[i];

        if (runtime->thread == thread && runtime->ended == NO_EVENT && !runtime_has_tasks(m, runtime))
            return runtime;
    }
    return newest;
}

/* Ends one of the thread's runtimes; the newest that goes on, if any, is then the thread's. */
static void end_runtime(struct model *m, const struct event *ev)
{
    struct model_runtime *runtime = ending_runtime(m, ev->thread);
    struct model_thread *thread = &m->threads[ev->thread];

    if (!runtime)
        return;
    runtime->ended = m->at;
    for (uint32_t i = 0; i < m->registration_count; i++)
        if (m->registrations[i].runtime == runtime - m->runtimes)
            m->registrations[i].watched = 0; /* they end with their reactor */
    thread->runtime = MAP_NONE;
    for (uint32_t i = 0; i < m->runtime_count; i++)
        if (m->runtimes[i].thread == ev->thread && m->runtimes[i].ended == NO_EVENT)
            thread->runtime = i;
}

static struct model_future *add_future(struct model *m, const struct event *ev)
{
    struct model_future *future = ADD(m->futures, m->future_count);

    *future = (struct model_future){.number = ev->b, .made = m->at, .dropped = NO_EVENT, .type = ev->a};
    map_put(&m->future_map, ev->b, m->future_count - 1);
    return future;
}

static void leave_queue(struct model *m, struct model_task *task)
{
    struct model_queue *queue = task->queue == NO_QUEUE ? NULL : model_queue(m, task->queue);

    if (queue && queue->length > 0)
        queue->length--;
    task->queue = NO_QUEUE;
}

static void add_task(struct model *m, const struct event *ev)
{
    const struct model_runtime *runtime = model_runtime_of(m, ev->thread);
    struct model_future *future = model_future(m, ev->b);

    *ADD(m->tasks, m->task_count) = (struct model_task){
        .number = ev->task,
        .runtime = runtime ? (uint32_t)(runtime - m->runtimes) : MAP_NONE,
        .future = ev->b,
        .spawned = m->at,
        .ended = NO_EVENT,
        .freed = NO_EVENT,
        .last_pending = NO_EVENT,
        .last_woken = m->at,
        .pushed = NO_EVENT,
        .last_event = m->at,
        .state = TRACE_STATE_QUEUED,
        .woken = true,
        .queue = NO_QUEUE,
    };
    map_put(&m->task_map, ev->task, m->task_count - 1);
    if (!future)
        future = add_future(m, ev);
    future->task = ev->task;
}

/* ---- frames */

static void frame_end(struct model *m, struct model_thread *thread)
{
    const struct model_frame *frame = &thread->frames[--thread->depth];
    struct model_task *task = frame->kind == TRACE_TASK_POLL_BEGIN ? model_task(m, frame->task) : NULL;

    if (task)
        task->polled_by = 0;
}

/* What cannot go on beside this event has ended unseen. */
static void frames_end_unseen(struct model *m, const struct event *ev)
{
    struct model_thread *thread = &m->threads[ev->thread];

    while (thread->depth > 0 && !model_allows(m, &thread->frames[thread->depth - 1], ev))
        frame_end(m, thread);
}

static void frame_begin(struct model *m, const struct event *ev)
{
    struct model_thread *thread = &m->threads[ev->thread];

    *ADD(thread->frames, thread->depth) = (struct model_frame){
        .kind = ev->kind, .task = ev->task, .a = ev->a, .b = ev->b, .event = m->at, .pushed = NO_EVENT};
}

/* Ends the innermost frame of that kind, and what had begun inside it. */
static void frame_end_of(struct model *m, const struct event *ev)
{
    struct model_thread *thread = &m->threads[ev->thread];
    const struct model_frame *frame = model_inside(m, ev->thread, kind_begin_of(ev->kind));

    while (frame && &thread->frames[thread->depth] > frame)
        frame_end(m, thread);
}

/* ---- one event */

static void enter_queue(struct model *m, struct model_task *task, uint32_t number)
{
    leave_queue(m, task);
    task->queue = number;
    queue_get(m, number)->length++;
}

static void end_task(struct model *m, struct model_task *task, bool ready)
{
    struct model_future *future = model_future(m, task->future);

    task->ended = m->at;
    task->ready = ready;
    task->cancelled = !ready;
    task->woken = false;
    if (future)
        future->ready = ready;
}

static void lose_waker(struct model_task *task)
{
    if (task->wakers > 0)
        task->wakers--;
}

static void begin_wait(struct model *m, const struct event *ev)
{
    uint32_t task = model_task_of(m, ev);
    uint64_t key = source_key(ev->a, ev->b);
    uint32_t older = map_get(&m->wait_map, key);

    if (older != MAP_NONE && m->waits[older].over)
        older = MAP_NONE;
    *ADD(m->waits, m->wait_count) = (struct model_wait){
        .task = task,
        .task_index = map_get(&m->task_map, task),
        .source = ev->a,
        .number = ev->b,
        .begun = m->at,
        .older = older,
    };
    map_put(&m->wait_map, key, m->wait_count - 1);
    if (model_task(m, task))
        model_task(m, task)->waits++;
}

static void end_wait(struct model *m, const struct event *ev)
{
    struct model_wait *wait = model_wait(m, ev->a, ev->b);

    if (!wait)
        return;
    wait->over = true;
    if (wait->task_index != MAP_NONE && m->tasks[wait->task_index].waits > 0)
        m->tasks[wait->task_index].waits--;
}

static void wake_asks_for_poll(struct model *m, struct model_task *task)
{
    if (task->ended != NO_EVENT || task->woken)
        return; /* the first wake counts, the others are the same poll's */
    task->woken = true;
    task->last_woken = m->at;
}

/* Where workers steal, a task that is RUNNING between two polls is to be polled again by whoever holds it. */
static bool task_is_held(const struct model *m, const struct model_task *task, const struct event *ev)
{
    return (states_after(ev->a) & TRACE_STATE_RUNNING) && (model_task_features(m, task) & TRACE_HAS_STEALING);
}

/* What the event means for where the task is queued. */
static void step_queued(struct model *m, struct model_task *task, const struct event *ev)
{
    switch (ev->kind) {
    case TRACE_QUEUE_PUSH:
        enter_queue(m, task, ev->a);
        task->held_by = 0;
        task->pushed = m->at;
        task->pushed_by = ev->thread;
        break;
    case TRACE_QUEUE_POP:
        leave_queue(m, task);
        task->held_by = ev->thread;
        if (ev->worker && m->threads[ev->thread].runtime != MAP_NONE)
            task->runtime = m->threads[ev->thread].runtime; /* only now it is certain which it was spawned in */
        break;
    case TRACE_QUEUE_STEAL:
        enter_queue(m, task, (uint32_t)ev->b);
        break;
    }
}

/* What the event means for the task's wakers, and for whether it has been woken. */
static void step_wakers(struct model *m, struct model_task *task, const struct event *ev)
{
    switch (ev->kind) {
    case TRACE_TASK_ABORT:
        wake_asks_for_poll(m, task);
        break;
    case TRACE_WAKER_CLONE:
        task->wakers++;
        break;
    case TRACE_WAKER_DROP:
        lose_waker(task);
        break;
    case TRACE_WAKE_BEGIN:
        task->wakes_begun++;
        break;
    case TRACE_WAKE_END:
        task->wakes_begun -= task->wakes_begun > 0;
        if (ev->b)
            lose_waker(task);
        if ((states_after(ev->a) & TRACE_STATE_QUEUED) || task_is_held(m, task, ev))
            wake_asks_for_poll(m, task);
        break;
    }
}

/* What the event means for how far the task has come. */
static void step_life(struct model *m, struct model_task *task, const struct event *ev)
{
    switch (ev->kind) {
    case TRACE_TASK_POLL_BEGIN:
        leave_queue(m, task);
        task->held_by = 0;
        task->polled_by = ev->thread;
        task->polls = ev->b ? (uint32_t)ev->b : task->polls + 1;
        task->woken = false;
        break;
    case TRACE_TASK_POLL_END:
        task->polled_by = 0;
        if (ev->b)
            end_task(m, task, true);
        else
            task->last_pending = m->at;
        if (!ev->b && task_is_held(m, task, ev)) {
            task->held_by = ev->thread;
            wake_asks_for_poll(m, task);
        }
        break;
    case TRACE_TASK_CANCELLED:
        leave_queue(m, task);
        task->held_by = 0;
        end_task(m, task, false);
        break;
    case TRACE_TASK_FREE:
        task->freed = m->at;
        break;
    case TRACE_JOIN:
        task->joined = true;
        break;
    }
}

/* What the event means for the task that it names: one of the three has something to do, or none. */
static void step_task(struct model *m, struct model_task *task, const struct event *ev)
{
    task->last_event = m->at;
    if (event_has_states(ev)) {
        bool stays = event_leaves_state(ev) && (task->state & TRACE_STATE_RUNNING);
        task->state = stays ? task->state : states_after(ev->a);
        task->moved = true;
    }
    step_life(m, task, ev);
    step_queued(m, task, ev);
    step_wakers(m, task, ev);
}

static void step_future(struct model *m, const struct event *ev)
{
    struct model_future *future = model_future(m, ev->b);

    if (ev->kind == TRACE_FUTURE_NEW || !future)
        future = add_future(m, ev);
    if (ev->kind == TRACE_FUTURE_POLL_BEGIN)
        future->polled_by = ev->thread;
    if (ev->kind == TRACE_FUTURE_POLL_END) {
        future->polled_by = 0;
        future->ready = ev->a;
    }
    if (ev->kind == TRACE_FUTURE_DROP)
        future->dropped = m->at;
}

static void step_queue(struct model *m, const struct event *ev)
{
    struct model_thread *thread = &m->threads[ev->thread];
    struct model_frame *frame = thread->depth > 0 ? &thread->frames[thread->depth - 1] : NULL;

    if (ev->kind == TRACE_QUEUE_PUSH && frame && (frame->kind != TRACE_WAKE_BEGIN || frame->task == ev->task))
        frame->pushed = m->at;
    if (!(model_features(m, ev->thread) & TRACE_HAS_STEALING))
        queue_get(m, ev->a)->length = ev->b;
    if (ev->kind == TRACE_QUEUE_POP) {
        struct model_queue *queue = queue_get(m, ev->a);

        thread->takes = true;
        queue->shared |= queue->popped_by && queue->popped_by != ev->thread;
        queue->popped_by = ev->thread;
        queue->runtime = thread->runtime;
    }
}

static void step_registration(struct model *m, const struct event *ev)
{
    struct model_registration *known = model_registration(m, (int32_t)ev->a);

    if (!known) {
        known = ADD(m->registrations, m->registration_count);
        map_put(&m->registration_map, ev->a, m->registration_count - 1);
        *known = (struct model_registration){.fd = (int32_t)ev->a};
    }
    if (ev->kind == TRACE_REGISTER_BEGIN) {
        known->number = ev->b;
        known->event = m->at;
        known->runtime = m->threads[ev->thread].runtime;
    }
    if (ev->kind == TRACE_REGISTER_BEGIN)
        known->watched++;
    else if (ev->kind == TRACE_DEREGISTER)
        known->watched = 0;
    else
        known->watched -= ev->b != 0 && known->watched > 0;
}

static void step_timer(struct model *m, const struct event *ev)
{
    struct model_timer *timer = model_timer(m, ev->a);

    if (!timer) {
        timer = ADD(m->timers, m->timer_count);
        map_put(&m->timer_map, ev->a, m->timer_count - 1);
        *timer = (struct model_timer){.number = ev->a};
    }
    if (ev->kind == TRACE_TIMER_ADD)
        *timer = (struct model_timer){.number = ev->a, .deadline = ev->b, .pending = true, .added = m->at};
    else
        timer->pending = false;
}

/* It is on the task's account, if it was taken in the poll of one; else on the thread's. */
static void count_guard(struct model *m, const struct model_lock *lock, int more)
{
    struct model_task *task = lock->task ? model_task(m, lock->task) : NULL;
    struct model_thread *thread = &m->threads[lock->holder];
    uint32_t *guards = task ? &task->guards : &thread->guards;

    if (!lock->holder)
        return;
    *guards += (uint32_t)more;
    if (more > 0)
        *(task ? &task->last_guard : &thread->last_guard) = m->at;
}

static void step_lock(struct model *m, const struct event *ev)
{
    struct model_lock *lock = model_lock(m, ev->b);
    uint32_t task = model_task_of(m, ev);

    m->threads[ev->thread].wanted = ev->kind == TRACE_GUARD_WAIT ? ev->b : 0;
    m->threads[ev->thread].wanted_at = m->at;
    if (ev->kind == TRACE_GUARD_WAIT)
        return;
    if (!lock) {
        lock = ADD(m->locks, m->lock_count);
        map_put(&m->lock_map, ev->b, m->lock_count - 1);
        *lock = (struct model_lock){.number = ev->b};
    }
    count_guard(m, lock, -1);
    *lock = (struct model_lock){.number = ev->b};
    if (ev->kind == TRACE_GUARD_ACQUIRE) {
        *lock = (struct model_lock){.number = ev->b, .holder = ev->thread, .task = task, .taken = m->at};
        count_guard(m, lock, 1);
    }
}

static void step_thread(struct model *m, struct model_thread *thread, const struct event *ev)
{
    thread->last_event = m->at;
    switch (ev->kind) {
    case TRACE_THREAD:
        add_thread(m, ev);
        break;
    case TRACE_UNPARK:
        m->last_unpark = m->at;
        m->unparks++;
        break;
    case TRACE_TURN_BEGIN:
        memset(&thread->turn, 0, sizeof thread->turn);
        thread->turn.kernel_ready = -1;
        break;
    case TRACE_TURN_END:
        m->nudges += thread->turn.kernel_ready > (int64_t)ev->a;
        break;
    case TRACE_READY:
        thread->turn.ready++;
        thread->turn.last_ready = ev->a;
        thread->turn.last_bits = (uint32_t)ev->b;
        break;
    case TRACE_TIMER_FIRE:
        thread->turn.fired++;
        break;
    case TRACE_DEREGISTER:
        thread->turn.deregistered = true;
        break;
    case TRACE_SYSCALL_END:
        thread->result = (int64_t)ev->b;
        if (ev->a == TRACE_CALL_EPOLL_WAIT)
            thread->turn.kernel_ready = (int64_t)ev->b;
        break;
    }
}

static void step_rest(struct model *m, const struct event *ev)
{
    switch (ev->kind) {
    case TRACE_RUNTIME:
        add_runtime(m, ev);
        break;
    case TRACE_RUNTIME_END:
        end_runtime(m, ev);
        break;
    case TRACE_FUTURE_NEW:
    case TRACE_FUTURE_POLL_BEGIN:
    case TRACE_FUTURE_POLL_END:
    case TRACE_FUTURE_DROP:
        step_future(m, ev);
        break;
    case TRACE_TASK_SPAWN:
        add_task(m, ev);
        break;
    case TRACE_QUEUE_PUSH:
    case TRACE_QUEUE_POP:
        step_queue(m, ev);
        break;
    case TRACE_WAIT:
        begin_wait(m, ev);
        break;
    case TRACE_WAIT_END:
        end_wait(m, ev);
        break;
    case TRACE_REGISTER_BEGIN:
    case TRACE_REGISTER_END:
    case TRACE_DEREGISTER:
        step_registration(m, ev);
        break;
    case TRACE_TIMER_ADD:
    case TRACE_TIMER_FIRE:
    case TRACE_TIMER_CANCEL:
        step_timer(m, ev);
        break;
    case TRACE_GUARD_ACQUIRE:
    case TRACE_GUARD_RELEASE:
    case TRACE_GUARD_WAIT:
        step_lock(m, ev);
        break;
    }
}

void model_step(struct model *m)
{
    const struct event *ev = &m->rec->events[m->at];
    struct model_task *task = ev->task ? model_task(m, ev->task) : NULL;

    if (kind_begin_of(ev->kind))
        frame_end_of(m, ev);
    else
        frames_end_unseen(m, ev);
    if (kind_end_of(ev->kind))
        frame_begin(m, ev);
    step_thread(m, &m->threads[ev->thread], ev);
    if (task && ev->kind != TRACE_TASK_SPAWN)
        step_task(m, task, ev);
    step_rest(m, ev); /* after step_task: a queue's recorded length is taken for true */
    m->at++;
}

void model_init(struct model *m, const struct recording *rec)
{
    *m = (struct model){.rec = rec, .last_unpark = NO_EVENT};
    m->threads = memory_array((size_t)rec->threads + 1, sizeof *m->threads);
    for (uint32_t i = 0; i <= rec->threads; i++) {
        m->threads[i].runtime = MAP_NONE;
        m->threads[i].last_event = NO_EVENT;
    }
}

void model_free(struct model *m)
{
    for (uint32_t i = 0; i <= m->rec->threads; i++)
        free(m->threads[i].frames);
    free(m->threads);
    free(m->tasks);
    free(m->futures);
    free(m->waits);
    free(m->queues);
    free(m->runtimes);
    free(m->registrations);
    free(m->timers);
    free(m->locks);
    map_free(&m->task_map);
    map_free(&m->future_map);
    map_free(&m->wait_map);
    map_free(&m->queue_map);
    map_free(&m->registration_map);
    map_free(&m->timer_map);
    map_free(&m->lock_map);
}

/* The two classic bugs of a minimal executor, each shown failing and then mended.
 *
 *   stop         it stops as soon as its queue is empty; but an empty queue only means that all tasks are asleep
 *   wrong_queue  a wake goes into the queue of the thread that wakes; but that thread runs no executor
 *   mended       one queue that belongs to the executor, which sleeps on it until no task is left
 *
 * The minimal executor is below, as one meets it in many a tutorial: a task, a waker that queues it, a loop. It uses the
 * futures and wakers of this stage and none of its tasks or executor, and it gives up rather than hang. */
#include "demo.h"
#include "must.h"
#include "timer.h"
#include "trace.h"

#include <pthread.h>

enum flaw { STOP, WRONG_QUEUE, MENDED };

struct mini_task {
    struct future *future;
    struct mini_executor *executor;
    uint32_t id;
    uint32_t polls;
    unsigned state; /* enum trace_state */
    struct mini_task *next;
};

struct mini_queue {
    struct mini_task *head, *tail;
    uint32_t length, id;
};

/* One lock guards everything here: all tasks and all queues, those of threads too. Simple, and not the bug. */
struct mini_executor {
    enum flaw flaw;
    pthread_mutex_t lock;
    pthread_cond_t woken;
    struct mini_queue queue;
    unsigned alive; /* tasks that are not done */
    unsigned wakes;
    bool asleep;
    struct timespec give_up; /* on CLOCK_MONOTONIC */
};

static _Thread_local struct mini_queue threads_own;
static uint32_t last_queue; /* the numbers that queues have in a recording; under the lock */

/* --- the queues: here is the second bug --- */

static struct mini_queue *mini_queue_for(struct mini_executor *ex)
{
    if (ex->flaw != WRONG_QUEUE)
        return &ex->queue;
    if (threads_own.id == 0)
        threads_own.id = ++last_queue;
    return &threads_own;
}

static void mini_push(struct mini_queue *q, struct mini_task *task)
{
    TRACE(QUEUE_PUSH, task->id, q->id, q->length + 1);
    task->next = NULL;
    *(q->head ? &q->tail->next : &q->head) = task;
    q->tail = task;
    q->length++;
}

static struct mini_task *mini_pop(struct mini_queue *q)
{
    struct mini_task *task = q->head;
    if (task) {
        q->head = task->next;
        q->length--;
    }
    TRACE(QUEUE_POP, task ? task->id : 0, q->id, q->length);
    return task;
}

/* --- the waker; the tasks here outlive all their wakers, so nobody counts references --- */

static void mini_wake(struct mini_task *task, bool consumes, const struct site *at)
{
    struct mini_executor *ex = task->executor;

    TRACE_AT(WAKE_BEGIN, task->id, 0, consumes, at);
    pthread_mutex_lock(&ex->lock);
    unsigned before = task->state;
    task->state |= TRACE_STATE_QUEUED;
    if (!(before & (TRACE_STATE_QUEUED | TRACE_STATE_RUNNING | TRACE_STATE_DONE)))
        mini_push(mini_queue_for(ex), task);
    TRACE_AT(WAKE_END, task->id, TRACE_STATES(before, task->state), consumes, at);
    ex->wakes++;
    if (ex->asleep)
        TRACE(UNPARK, 0, 0, 0);
    pthread_cond_broadcast(&ex->woken);
    pthread_mutex_unlock(&ex->lock);
    (void)at;
}

static void mini_waker_wake(void *data, const struct site *at)
{
    mini_wake(data, true, at);
}

static void mini_waker_wake_by_ref(void *data, const struct site *at)
{
    mini_wake(data, false, at);
}

static void mini_waker_drop(void *data, const struct site *at)
{
    TRACE_AT(WAKER_DROP, ((struct mini_task *)data)->id, 0, 0, at);
    (void)data, (void)at;
}

static struct waker mini_waker_clone(void *data, const struct site *at);

static const struct waker_vtable mini_waker = {mini_waker_clone, mini_waker_wake, mini_waker_wake_by_ref,
                                               mini_waker_drop};

static struct waker mini_waker_clone(void *data, const struct site *at)
{
    TRACE_AT(WAKER_CLONE, ((struct mini_task *)data)->id, 0, 0, at);
    (void)at;
    return (struct waker){&mini_waker, data};
}

/* --- the loop: here is the first bug --- */

/* Sleeps until somebody has woken something; false: it is no use. */
static bool mini_sleep(struct mini_executor *ex)
{
    if (ex->flaw == STOP || ex->alive == 0)
        return false;
    TRACE(PARK_BEGIN, 0, 0, 0);
    ex->asleep = true;
    int error = pthread_cond_timedwait(&ex->woken, &ex->lock, &ex->give_up);
    ex->asleep = false;
    TRACE(PARK_END, 0, 0, 0);
    return error == 0;
}

static struct mini_task *mini_next(struct mini_executor *ex)
{
    struct mini_task *task;

    while (!(task = mini_pop(mini_queue_for(ex))) && mini_sleep(ex))
        ;
    return task;
}

/* Polls the task without the lock, which its wakers take. */
static enum poll mini_poll(struct mini_executor *ex, struct mini_task *task)
{
    struct waker waker = {&mini_waker, task};
    struct context cx = {&waker};
    const struct site *at = task->future->type->at;

    pthread_mutex_unlock(&ex->lock);
    enum poll result = future_step(task->future, &cx, at);
    pthread_mutex_lock(&ex->lock);
    return result;
}

static void mini_step(struct mini_executor *ex, struct mini_task *task)
{
    TRACE(TASK_POLL_BEGIN, task->id, TRACE_STATES(task->state, TRACE_STATE_RUNNING), task->polls + 1);
    task->polls++;
    task->state = TRACE_STATE_RUNNING;
    enum poll result = mini_poll(ex, task);
    unsigned before = task->state;
    task->state ^= result == POLL_READY ? TRACE_STATE_RUNNING | TRACE_STATE_DONE : TRACE_STATE_RUNNING;
    TRACE(TASK_POLL_END, task->id, TRACE_STATES(before, task->state), result);
    if (result == POLL_READY)
        ex->alive--;
    else if (before & TRACE_STATE_QUEUED)
        mini_push(mini_queue_for(ex), task);
    printf("    task %u was polled: %s\n", task->id, result == POLL_READY ? "it has slept enough" : "it sleeps");
}

static void mini_run(struct mini_executor *ex)
{
    struct mini_task *task;

    pthread_mutex_lock(&ex->lock);
    while ((task = mini_next(ex)))
        mini_step(ex, task);
    pthread_mutex_unlock(&ex->lock);
}

static void mini_spawn(struct mini_executor *ex, struct mini_task *task)
{
    TRACE(TASK_SPAWN, task->id, trace_site_number(task->future->type->at), task->future->id);
    task->executor = ex;
    task->state = TRACE_STATE_QUEUED;
    ex->alive++;
    pthread_mutex_lock(&ex->lock);
    mini_push(mini_queue_for(ex), task);
    pthread_mutex_unlock(&ex->lock);
}

/* --- the show --- */

enum { TASKS = 2 };

static void mini_init(struct mini_executor *ex, enum flaw flaw)
{
    pthread_condattr_t attr;

    *ex = (struct mini_executor){.flaw = flaw, .queue = {.id = ++last_queue}};
    must(-pthread_condattr_init(&attr), "pthread_condattr_init");
    must(-pthread_condattr_setclock(&attr, CLOCK_MONOTONIC), "pthread_condattr_setclock");
    must(-pthread_cond_init(&ex->woken, &attr), "pthread_cond_init");
    must(-pthread_mutex_init(&ex->lock, NULL), "pthread_mutex_init");
    pthread_condattr_destroy(&attr);
    clock_gettime(CLOCK_MONOTONIC, &ex->give_up);
    ex->give_up.tv_sec++;
    TRACE(RUNTIME, 0, 3, TRACE_HAS_WAKES);
}

/* The executor has stopped. Waits, no longer than it would have, until every sleep has come to its wake all the same. */
static void mini_await_wakes(struct mini_executor *ex)
{
    pthread_mutex_lock(&ex->lock);
    while (ex->wakes < TASKS && pthread_cond_timedwait(&ex->woken, &ex->lock, &ex->give_up) == 0)
        ;
    pthread_mutex_unlock(&ex->lock);
}

/* The tasks end, their helper threads with them. */
static void mini_destroy(struct mini_executor *ex, struct mini_task tasks[TASKS])
{
    for (int i = 0; i < TASKS; i++)
        future_drop(tasks[i].future);
    if (ex->alive == 0) {
        for (int i = 0; i < TASKS; i++)
            TRACE(TASK_FREE, tasks[i].id, 0, 0);
        TRACE(RUNTIME_END, 0, 0, 0);
    }
    pthread_cond_destroy(&ex->woken);
    pthread_mutex_destroy(&ex->lock);
}

static void show(enum flaw flaw)
{
    static uint32_t last_id;
    struct mini_executor ex;
    struct sleep sleeps[TASKS] = {sleep_for(MILLISECONDS(100)), sleep_for(MILLISECONDS(50))};
    struct mini_task tasks[TASKS] = {{.future = &sleeps[0].base}, {.future = &sleeps[1].base}};

    mini_init(&ex, flaw);
    for (int i = 0; i < TASKS; i++) {
        tasks[i].id = ++last_id;
        mini_spawn(&ex, &tasks[i]);
    }
    mini_run(&ex);
    printf("    the executor %s; %u of %d tasks are not done\n",
           flaw == WRONG_QUEUE ? "waits a second, then gives up" : "stops", ex.alive, TASKS);
    mini_await_wakes(&ex);
    if (ex.alive > 0)
        printf("    LOST: %u wakes have come, and nobody will ever look into the queue that they went to\n", ex.wakes);
    mini_destroy(&ex, tasks);
}

static const struct {
    const char *name, *says;
} shows[] = {
    [STOP] = {"stop", "An executor that stops when its queue is empty. It runs two tasks that sleep for a moment:"},
    [WRONG_QUEUE] = {"wrong_queue", "An executor whose every thread has a queue of its own. The wakes come from helper "
                                    "threads:"},
    [MENDED] = {"mended", "One queue for all wakes, and an executor that sleeps until every task is done:"},
};

int main(int argc, char **argv)
{
    enum flaw first = STOP, last = MENDED;

    for (enum flaw i = STOP; argc == 2 && i <= MENDED; i++)
        if (strcmp(argv[1], shows[i].name) == 0) {
            first = last = i;
            argc = 1;
        }
    demo_begin(argc, argv, "Shows how a minimal executor loses tasks: [stop | wrong_queue | mended], or all in turn.",
               0);
    for (enum flaw i = first; i <= last; i++) {
        printf("%s: %s\n", shows[i].name, shows[i].says);
        show(i);
    }
    return 0;
}

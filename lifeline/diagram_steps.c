/* The thirteen steps of a task's life: which task is followed, and which of the marked rows belong to it. */
#include "diagram_builder.h"
#include "memory.h"

#include <stdlib.h>
#include <string.h>

enum {
    STEP_PENDING = 7,
    STEP_SLEEP = 8,
    STEP_EVENT = 9,
    STEP_WAKE = 10,
    FAR_BACK = 1000, /* events: what caused a wake is nearer than that */
    CANDIDATES = 64  /* tasks that compete for the focus: the first that take any step */
};

static const char *const explained[DIAGRAM_STEPS + 1] = {
    [1] = "The runtime is made, with an empty queue. Nothing runs yet.",
    [2] = "spawn packs the future into a task and queues it. Nobody has polled it so far.",
    [3] = "The executor takes the task that has waited longest.",
    [4] = "poll runs the future until it cannot go on. It is handed a waker: the way to call for the next poll.",
    [5] = "Nothing has arrived. The task must not block the thread: others may want it.",
    [6] = "The reactor keeps the descriptor with the task's waker, and the kernel watches it.",
    [7] = "What must survive is saved in the future; its stack is gone. The thread is free.",
    [8] = "Nothing can run, so the thread sleeps in the kernel and costs no CPU.",
    [9] = "No program can see this moment. That it happened follows from what came after.",
    [10] = "To wake a task is to mark it runnable. Nothing is polled here.",
    [11] = "The task stands in the queue again, like a new one.",
    [12] = "poll is called anew, and goes on from the state that was saved.",
    [13] = "The result is there: the task is never polled again, and what it held is given back.",
};

const char *diagram_step_explained(unsigned step)
{
    return step >= 1 && step <= DIAGRAM_STEPS ? explained[step] : "";
}

void step_mark(struct row *row, unsigned step, uint32_t task, const char *title)
{
    row->step = (uint8_t)step;
    row->task = task;
    row->title = title;
}

struct candidate {
    uint32_t task;
    unsigned steps; /* bit n: it takes step n */
};

static void candidate_note(struct candidate *all, size_t *count, const struct row *row)
{
    for (size_t i = 0; i < *count; i++) {
        if (all[i].task == row->task) {
            all[i].steps |= 1u << row->step;
            return;
        }
    }
    if (*count < CANDIDATES)
        all[(*count)++] = (struct candidate){row->task, 1u << row->step};
}

/* The first of the tasks that go through the most of the steps. */
static uint32_t focus_choose(const struct diagram *d)
{
    struct candidate all[CANDIDATES] = {{0, 0}};
    size_t count = 0;
    const struct candidate *best = NULL;

    for (size_t i = 0; i < d->row_count; i++)
        if (d->rows[i].step && d->rows[i].task)
            candidate_note(all, &count, &d->rows[i]);
    for (size_t i = 0; i < count; i++)
        if (!best || __builtin_popcount(all[i].steps) > __builtin_popcount(best->steps))
            best = &all[i];
    return best ? best->task : 0;
}

/* The descriptor that the reactor was told of last before this wake, or -1. */
static int32_t wake_fd(const struct diagram *d, const struct row *wake)
{
    size_t first = wake->event > FAR_BACK ? wake->event - FAR_BACK : 0;

    for (size_t i = wake->event; i-- > first;) {
        const struct event *ev = &d->rec->events[i];
        if (ev->thread == wake->thread && ev->kind == TRACE_READY)
            return (int32_t)ev->a;
        if (ev->thread == wake->thread && ev->kind == TRACE_TURN_BEGIN)
            return -1;
    }
    return -1;
}

/* What happened before this wake: the nearest row of step 9 that can be meant. Or NO_EVENT. */
static size_t cause_event(const struct diagram *d, size_t wake, size_t pending)
{
    int32_t fd = wake < d->row_count ? wake_fd(d, &d->rows[wake]) : -1;
    size_t event = NO_EVENT;

    for (size_t i = wake; i-- > pending && wake < d->row_count;) {
        const struct row *row = &d->rows[i];
        if (row->step == STEP_EVENT && row->thread == d->rows[wake].thread &&
            (event == NO_EVENT || (row->fd == fd && d->rows[event].fd != fd)))
            event = i;
    }
    return event;
}

/* And who slept until then. A worker may have woken up for the same event, found nothing, and gone to sleep again before
 * this wake: so what counts is the last sleep before the event, if it is known. */
static void cause_keep(struct diagram *d, size_t wake, size_t pending, bool *keep)
{
    size_t event = cause_event(d, wake, pending);

    if (event != NO_EVENT)
        keep[event] = true;
    for (size_t i = event != NO_EVENT ? event : wake; i-- > pending;) {
        const struct row *row = &d->rows[i];
        bool here = row->thread == d->rows[pending].thread ||
                    (wake < d->row_count && row->thread == d->rows[wake].thread);
        if (row->step == STEP_SLEEP && here) {
            keep[i] = true;
            return;
        }
    }
}

static void focus_follow(struct diagram *d, bool *keep)
{
    size_t pending = NO_EVENT;

    for (size_t i = 0; i < d->row_count; i++) {
        struct row *row = &d->rows[i];
        keep[i] = row->step && (row->task == d->focus || row->step == 1);
        if (!keep[i])
            continue;
        if (row->step == STEP_PENDING)
            pending = i;
        if (row->step == STEP_WAKE && pending != NO_EVENT) {
            cause_keep(d, i, pending, keep);
            pending = NO_EVENT;
        }
    }
    if (pending != NO_EVENT) /* it waits to this day */
        cause_keep(d, d->row_count, pending, keep);
}

void steps_focus(struct diagram *d, const struct diagram_options *options)
{
    bool *keep = memory_array(d->row_count, sizeof *keep);

    d->focus = options->task_count == 1 ? options->tasks[0] : focus_choose(d);
    focus_follow(d, keep);
    for (size_t i = 0; i < d->row_count; i++)
        if (!keep[i])
            d->rows[i].step = 0;
    free(keep);
}

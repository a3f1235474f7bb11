/* Waking: how a task that is pending gets back into a queue, once and only once, whoever wakes it and when. */
#ifndef WAKE_H
#define WAKE_H

#include "future.h"

struct task;

/* The task's state word; the values are those of trace_state in events.h. Only the functions in wake.c change it.
 *
 *   bit      set by                              cleared by                      cannot be set together with
 *   QUEUED   a wake or an abort (any thread),    the executor, as it takes the   -
 *            spawn                               task out of the queue
 *   RUNNING  the executor, as it starts a poll   the executor, after the poll    DONE
 *   DONE     the executor: ready or cancelled    nobody                          RUNNING
 *   ABORTED  an abort                            nobody                          -
 *
 * Whoever sets QUEUED in a word that had none of QUEUED, RUNNING and DONE, and nobody else, puts the task in a queue.
 * So two wakes queue it once. A wake during the poll only leaves its mark, and the executor, which finds the mark after
 * the poll, queues the task itself. A task that is DONE is never queued, and its QUEUED means nothing. */
enum task_state {
    TASK_QUEUED = 1,
    TASK_RUNNING = 2,
    TASK_DONE = 4,
    TASK_ABORTED = 8,
};

/* The waker that a poll is lent. It has no share of the task; its clones have. */
struct waker task_lend_waker(struct task *task);

/* Tells a task to stop: the executor drops its future instead of polling it again, and its join handle becomes ready
 * with no output. A task that is done, or becomes ready in the poll that runs now, is not affected. Any thread that
 * holds the handle or a waker of the task. */
void task_abort(struct task *task, const struct site *at);

/* For the executor's thread, with a task that it took out of its queue. Both return the new state, and the one before
 * in *before. */
unsigned task_take(struct task *task, unsigned *before); /* to RUNNING, or to DONE if it was aborted */
unsigned task_end_poll(struct task *task, enum poll result, unsigned *before); /* result: what the poll said */

#endif

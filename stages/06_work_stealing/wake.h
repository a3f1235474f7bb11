/* The task's state word: how a task that is pending gets back into a queue, once and only once, whoever wakes it and
 * when; how its output gets to whoever waits for it; and who owns its memory. */
#ifndef WAKE_H
#define WAKE_H

#include "future.h"

#include <stdatomic.h>
#include <stdbool.h>

struct task;

/* The first four are those of trace_state in events.h, where WOKEN is called queued. Only the functions in wake.c and
 * join.c change the word.
 *
 *   bit      set by                              cleared by                          cannot be set together with
 *   RUNNING  spawn; a wake or an abort of a      the worker, after the poll, or as   DONE
 *            task that nobody holds              it ends an aborted task
 *   WOKEN    a wake or an abort of one that      the worker, as it takes the task,   -
 *            somebody holds                      or after the poll
 *   DONE     the worker: ready or cancelled      nobody                              RUNNING
 *   ABORTED  an abort                            nobody                              -
 *   WANTED   spawn, if there is a joining side   the joining side, as it gives up    -
 *   WAITED   the joining side, having left its   the joining side, before it         -
 *            waker in the task                   touches that waker again
 *   OVER     the worker, when the future has     nobody                              RUNNING
 *            finished or was dropped
 *   the rest counts owners, by OWNER: the join handle, each waker; and the runtime until the task is over, whose share
 *            is RUNTIME, as much as that of many
 *
 * RUNNING says that somebody holds the task: it is in a queue, on its way there, or being polled. Whoever sets it, and
 * nobody else, puts the task in a queue. A worker that takes it out of one, or puts it back because it gave way in its
 * own poll, need not change the word at all: these are the most frequent steps in the life of a task.
 *
 * A wake of a task that is held leaves only its mark, WOKEN. Whoever holds the task finds the mark when it takes it, or
 * after the poll, and polls it once more.
 *
 * The wakers that a task makes of itself in its own poll are counted at the end of the poll, all in one step that is made
 * anyway. Until then some of them may have been used up already, on other threads, and the word counts too few owners. But
 * never none: there are at most CLONES_MAX such wakers, and the runtime's share is more than that.
 *
 * OVER comes with DONE if the future was ready, and after its drop if the task was cancelled. Each side learns from its
 * own read-modify-write what the other had said before: the waker that lies in the task is the worker's if WAITED stood
 * when it set OVER, and else the joining side's. The finished future is the joining side's if WANTED stood then, and
 * else the worker's. */
enum task_state {
    TASK_WOKEN = 1,
    TASK_RUNNING = 2,
    TASK_DONE = 4,
    TASK_ABORTED = 8,
    TASK_WANTED = 16,
    TASK_WAITED = 32,
    TASK_OVER = 64,
    TASK_OWNER = 256,
    TASK_RUNTIME = TASK_OWNER << 16,
};

enum { TASK_CLONES_MAX = TASK_RUNTIME / TASK_OWNER - 1 };

/* What of a change of the word goes into a recording. */
#define TASK_STATES(before, after) TRACE_STATES((before) % TASK_WANTED, (after) % TASK_WANTED)

/* The waker that a poll is lent is this with the task. It has no share of the task; its clones have. */
extern const struct waker_vtable task_waker;

/* Tells a task to stop: a worker drops its future instead of polling it again, and its join handle becomes ready with no
 * output. A task that is done, or becomes ready in the poll that runs now, is not affected. Any thread that holds the
 * handle or a waker of the task. */
void task_abort(struct task *task, const struct site *at);

/* --- for the worker that holds the task. They return the new state, and the one before in *before --- */

/* It came out of a queue with a mark on it: to RUNNING, or to DONE if it was aborted. */
unsigned task_take_marked(struct task *task, unsigned *before);

/* clones: how many wakers the poll has made that are not counted yet.
 *
 * After a poll that was pending. If RUNNING is still set, the task was woken meanwhile and is still the worker's; if not,
 * it is nobody's, and may be gone. */
unsigned task_end_pending(struct task *task, unsigned clones, unsigned *before);

/* After a poll in which the task gave way: it stays RUNNING. */
void task_count_clones(struct task *task, unsigned clones);

/* After a poll that was ready: to DONE and OVER. If somebody wants the output and nobody waits, the runtime's share goes
 * with it, and nothing is left to do: *gone, and the task may be. */
unsigned task_end_ready(struct task *task, unsigned clones, unsigned *before, bool *gone);

/* --- owners --- */

static inline unsigned task_word_owners(unsigned word)
{
    return word / TASK_OWNER;
}

/* Gives up one owner's share of the block; or the runtime's. */
void task_unref(struct task *task);
void task_unref_runtime(struct task *task);

#endif

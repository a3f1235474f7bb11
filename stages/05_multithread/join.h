/* The end of a task: how its output gets to whoever waits for it, on whichever threads the two are. */
#ifndef JOIN_H
#define JOIN_H

#include "future.h"

struct task;

/* Two sides meet in this word: the executor that ends the task, and the joining side, a join handle or block_on. Only
 * the functions in join.c change it.
 *
 *   bit      set by                               cleared by                          says
 *   WANTED   spawn, if there is a joining side    the joining side, as it gives up    the output has a taker
 *   WAITED   the joining side, having left its    the joining side, before it         task->joiner holds a waker
 *            waker in the task                    touches that waker again
 *   OVER     the executor, when the future has    nobody                              the end is final
 *            finished or was dropped
 *
 * Each side learns from its own read-modify-write what the other had said before, and so the two never touch the same
 * thing: the waker is the executor's if WAITED stood when it set OVER, and else the joining side's. The finished future
 * is the joining side's if WANTED stood then, and else the executor's. */
enum join_state {
    JOIN_WANTED = 1,
    JOIN_WAITED = 2,
    JOIN_OVER = 4,
};

/* The executor: its last words about the task. Drops an output that nobody wants, and wakes who waits. */
void join_finish(struct task *task);

/* The joining side, one thread at a time. Ready: the task is over, and what its future holds belongs to the caller.
 * Pending: the waker of cx is left in the task. */
enum poll join_poll(struct task *task, struct context *cx);

/* The joining side wants the output no more; if it is there already, drops it. */
void join_give_up(struct task *task);

#endif
